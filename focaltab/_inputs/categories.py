"""pandas categories as they were in training, whatever list of them a later frame has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def categories_of(X: Any) -> dict[Any, pd.Index]:
    """The categories of each column that has some, in their order, by the column's name."""
    dtypes = getattr(X, "dtypes", None)
    if not isinstance(dtypes, pd.Series):
        return {}
    return {
        name: dtype.categories
        for name, dtype in dtypes.items()
        if isinstance(dtype, pd.CategoricalDtype)
    }


def in_training_order(X: Any, known: Mapping[Any, pd.Index]) -> Any:
    """The frame with the categories of training, in the order that they had there.

    XGBoost matches categories by their names. Up to 3.2 it does so on bytes that it counts as
    characters, so that names beyond ASCII are found in the order of training alone.

    Raises
    ------
    ValueError
        Names the column, row and category that training did not have.
    """
    if not known or not isinstance(X, pd.DataFrame):
        return X
    changed = {}
    for place, (name, dtype) in enumerate(X.dtypes.items()):
        wanted = known.get(name)
        if wanted is None or not isinstance(dtype, pd.CategoricalDtype):
            continue
        if dtype.categories.equals(wanted):
            continue
        codes = X.iloc[:, place].cat.codes.to_numpy()
        found = wanted.get_indexer(dtype.categories)
        strange = np.flatnonzero(np.append(found < 0, False)[codes])
        if strange.size:
            row = int(strange[0])
            raise ValueError(
                f"Column {name!r} holds the category {dtype.categories[codes[row]]!r} in row "
                f"{row}, which training did not have: make it missing, or train with it."
            )
        changed[name] = pd.Categorical.from_codes(np.append(found, -1)[codes], categories=wanted)
    if not changed:
        return X
    X = X.copy(deep=False)
    for name, column in changed.items():
        X[name] = column
    return X
