"""scikit-learn's metadata requests while a model is saved: each holds the estimator that holds it.

skops follows such a circle without an end. The owner is there for error messages alone, which take
its name as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


@contextmanager
def owners_by_name(model: Any) -> Iterator[None]:
    """Put the names of owners in their place while the block runs."""
    owned = list(_owned(model, set()))
    owners = [request.owner for request in owned]
    try:
        for request, owner in zip(owned, owners, strict=True):
            request.owner = type(owner).__name__
        yield
    finally:
        for request, owner in zip(owned, owners, strict=True):
            request.owner = owner


def _owned(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Every request inside of a model that holds its owner, an estimator or a scorer."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        inside: Any = thing.values()
    elif isinstance(thing, list | tuple):
        inside = thing
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        inside = thing.ravel().tolist()
    elif isinstance(thing, BaseEstimator) or hasattr(thing, "_routing_repr"):
        inside = vars(thing).values()
        requests = vars(thing).get("_metadata_request")
        for request in [] if requests is None else [requests, *vars(requests).values()]:
            if not isinstance(getattr(request, "owner", ""), str):
                yield request
    else:
        return
    for item in inside:
        yield from _owned(item, seen)
