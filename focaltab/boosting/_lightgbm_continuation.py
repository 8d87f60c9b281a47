"""A frame as the LightGBM model knows it that training goes on from.

LightGBM hands the codes of the frame's own categories to the old trees, by position: in another
order of categories or columns they would be read as others, without a word.
"""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from lightgbm import Booster

from focaltab import _inputs


def as_continued(X: Any, previous: Any) -> Any:
    """The frame with categories in the order of the model to continue; new ones stand last.

    Parameters
    ----------
    X : array-like or DataFrame
        What is no frame has neither names nor categories, and comes back as it is.
    previous : Booster, fitted estimator, path of a model file, or None

    Raises
    ------
    ValueError
        Names the column that the model does not know, or knows in another place or as another kind.
    """
    if previous is None or not isinstance(X, pd.DataFrame):
        return X
    booster = _booster(previous)
    names = booster.feature_name()
    if names != [f"Column_{k}" for k in range(len(names))]:
        # LightGBM writes names without blanks.
        _inputs.check_same_names([str(name).replace(" ", "_") for name in X.columns], names)
    known = booster.pandas_categorical or []
    columns = getattr(previous, "_category_columns", None)
    if columns is None:
        columns = list(_inputs.categories_of(X))
        if len(columns) != len(known):
            raise ValueError(
                f"The model to continue was trained on {len(known)} columns of categories, but X "
                f"has {len(columns)}."
            )
    _inputs.check_same_kinds(X, columns, _inputs.plain_columns(X, columns))
    lists = dict(zip(columns, known, strict=True))
    _inputs.check_same_sorts(X, lists)
    X = X.copy(deep=False)
    for name, values in lists.items():
        column = X[name].cat
        new = column.categories.difference(pd.Index(values), sort=False)
        X[name] = column.set_categories([*values, *new])
    return X


def _booster(previous: Any) -> Booster:
    if isinstance(previous, str | os.PathLike):
        return Booster(model_file=previous)
    return getattr(previous, "booster_", previous)
