"""pandas categories as they were in training, whatever list of them a later frame has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def check_text_or_whole(categories: Mapping[Any, pd.Index]) -> None:
    """Refuse categories that XGBoost cannot know by value.

    Raises
    ------
    ValueError
        Names the column.
    """
    for name, known in categories.items():
        if pd.api.types.is_integer_dtype(known.dtype):
            continue
        strange = [value for value in known if not isinstance(value, str) or "\0" in value]
        if strange:
            raise ValueError(
                f"Column {name!r} holds the category {strange[0]!r}, but XGBoost knows text and "
                f"whole numbers alone: make them text "
                f"(X[{name!r}].astype(str).astype('category')) or numbers."
            )


def check_text_or_numbers(categories: Mapping[Any, pd.Index]) -> None:
    """Refuse categories that LightGBM's file cannot hold.

    Raises
    ------
    ValueError
        Names the column.
    """
    for name, known in categories.items():
        strange = [value for value in known.tolist() if not isinstance(value, str | int | float)]
        if strange:
            raise ValueError(
                f"Column {name!r} holds the category {strange[0]!r}, but LightGBM knows text and "
                f"numbers alone: make them text (X[{name!r}].astype(str).astype('category'))."
            )


def check_same_sorts(X: pd.DataFrame, categories: Mapping[Any, Collection[Any]]) -> None:
    """Refuse text for numbers and numbers for text, of which LightGBM would know none by value.

    Raises
    ------
    ValueError
        Names the column.
    """
    for name, known in categories.items():
        own = X[name].cat.categories
        text = [isinstance(value, str) for value in known]
        own_text = [isinstance(value, str) for value in own]
        if not text or not own_text or any(text) == any(own_text):
            continue
        then, now = ("text", "numbers") if any(text) else ("numbers", "text")
        raise ValueError(
            f"The categories of column {name!r} were {then} in training, but are {now} here, such "
            f"as {own[0]!r}: none of them would be known."
        )


def plain_columns(X: Any, categories: Collection[Any]) -> frozenset[str]:
    """Names of the columns of a frame that are no categories."""
    if not isinstance(getattr(X, "dtypes", None), pd.Series):
        return frozenset()
    return frozenset(str(name) for name in X.columns if name not in categories)


def in_training_order(
    X: Any, known: Mapping[Any, pd.Index], plain: Collection[str] = frozenset()
) -> Any:
    """The frame with the categories of training, in the order that they had there.

    XGBoost matches categories by their names. Up to 3.2 it does so on bytes that it counts as
    characters, so that names beyond ASCII are found in the order of training alone. Where a column
    of `plain` numbers comes as categories it would take their positions for the numbers.

    Raises
    ------
    ValueError
        Names the column, row and category that training did not have, or the column that is one of
        categories now and was none then, or the reverse.
    """
    if not isinstance(X, pd.DataFrame) or not (known or plain):
        return X
    check_same_kinds(X, known, plain)
    changed = {}
    for place, (name, dtype) in enumerate(X.dtypes.items()):
        wanted = known.get(name)
        if wanted is None:
            continue
        same_type = dtype.categories.dtype == wanted.dtype or wanted.dtype.kind not in "iu"
        if same_type and dtype.categories.equals(wanted):
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


def check_same_kinds(
    X: Any, categories: Collection[Any], plain: Collection[str] = frozenset()
) -> None:
    """Refuse columns of a table that are categories in one of training and scoring alone.

    Raises
    ------
    ValueError
        Names the column.
    """
    for name, dtype in X.dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype):
            if str(name) in plain:
                raise ValueError(
                    f"Column {name!r} holds categories, but held numbers in training: pass the "
                    "numbers themselves."
                )
        elif name in categories:
            raise ValueError(
                f"Column {name!r} held categories in training, but is of dtype {dtype} here: "
                f"X[{name!r}].astype('category')."
            )
