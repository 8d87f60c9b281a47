"""The Dask client that a fit goes through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, default_client
from sklearn.base import clone


@contextmanager
def current_client(client: Any) -> Iterator[Client]:
    """The estimator's client, or the current one where it has none; current in the block.

    Raises
    ------
    TypeError
        If it is no client.
    ValueError
        If there is none, or it is closed or asynchronous.
    """
    if client is None:
        try:
            client = default_client()
        except ValueError:
            raise ValueError(
                "There is no Dask client: make one, as in "
                "client = distributed.Client('tcp://scheduler:8786'), or pass client=..."
            ) from None
    if not isinstance(client, Client):
        raise TypeError(f"client must be a distributed.Client, got {type(client).__name__}.")
    if client.status != "running":
        raise ValueError(f"The Dask client is {client.status}: connect a new one to the cluster.")
    if client.asynchronous:
        raise ValueError("The Dask client is asynchronous, which this estimator is not.")
    with client.as_current():
        yield client


def copy_unfitted(estimator: Any) -> Any:
    """scikit-learn's clone, but with the same client: a connection cannot be copied."""
    parameters = estimator.get_params(deep=False)
    client = parameters.pop("client")
    copies = {name: clone(value, safe=False) for name, value in parameters.items()}
    return type(estimator)(**copies, client=client)
