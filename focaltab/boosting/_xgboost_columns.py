"""What an XGBoost model knows of its columns, and what its file must say of them.

Boosters are trained on categories as whole numbers (`InputColumns.encoded`). A model of XGBoost's
own classes knows them by name; up to 3.2 it takes the bytes of all names in a row, but the lengths
of each in characters, so that "Zürich", "Rome" are kept as "Züric", "hRom".
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from xgboost import Booster

from focaltab._compat.xgboost import stored_categories, whole_categories, without_categories
from focaltab.data import InputColumns

# Attributes of a booster, which its file keeps: the loss and labels, and the columns.
LOSS = "focaltab"
_COLUMNS = "focaltab_columns"


def describe_columns(booster: Booster, columns: InputColumns) -> None:
    """Have a booster's file say what its whole numbers of categories stand for."""
    if columns.categories:
        state = columns.__getstate__()
        booster.set_attr(**{_COLUMNS: json.dumps(state)})


def columns_of(model: Any, seen: Mapping[str, Collection[Any]] | None = None) -> InputColumns:
    """Names and categories of the columns of an XGBoost model.

    Parameters
    ----------
    model : fitted XGBClassifier or Booster
    seen : mapping of column names to values, default=None
        What a column had, by which names that XGBoost cut short may be put together.

    Raises
    ------
    ValueError
        Names the column whose categories XGBoost cut short.
    """
    known = getattr(model, "_columns", None)
    if known is not None:
        return known
    booster = _booster(model)
    text = booster.attr(_COLUMNS)
    if text is not None:
        columns = InputColumns.__new__(InputColumns)
        columns.__setstate__(json.loads(text))
        return columns
    names = list(booster.feature_names or ()) or None
    # Earlier versions handed XGBoost names, and kept them beside the loss.
    kept = json.loads(booster.attr(LOSS) or "{}").get("categories", {})
    categories = {}
    for place, values in enumerate(stored_categories(booster)):
        if values is not None:
            name = str(place) if names is None else names[place]
            if name in kept:
                categories[place] = pd.Index(*kept[name])
                continue
            whole = whole_categories(values, (seen or {}).get(name, ()))
            if whole is None:
                raise ValueError(
                    f"XGBoost's file cuts the categories of column {name!r} short, since they hold "
                    "more than ASCII. Save the model with rows that have all of them (X=), or "
                    "train a FocalXGBClassifier or behind focaltab.pipeline.make_pipeline, which "
                    "hand XGBoost numbers in their place."
                )
            categories[place] = pd.Index(whole)
    return InputColumns(booster.num_features(), names, categories)


def model_to_continue(model: Any) -> tuple[Any, InputColumns | None]:
    """The model that training goes on from as XGBoost takes it, and its columns.

    Parameters
    ----------
    model : Booster, fitted estimator, path or None

    Raises
    ------
    ValueError
        Names the column whose categories XGBoost cut short.
    """
    if model is None:
        return None, None
    if isinstance(model, str | os.PathLike):
        model = Booster(model_file=os.fspath(model))
    booster = _booster(model)
    if not isinstance(booster, Booster):
        raise ValueError(
            f"xgb_model must be a fitted XGBoost classifier, a Booster or a model file, got "
            f"{type(model).__name__}."
        )
    columns = columns_of(model)
    if booster.attr("best_iteration") is not None:
        # Attributes go along: the new rounds would be taken for those after the best, and cut.
        booster = booster.copy()
        booster.set_attr(best_iteration=None, best_score=None)
    return by_numbers(booster), columns


def by_numbers(booster: Booster) -> Booster:
    """The booster itself, or a copy that knows its categories as whole numbers alone."""
    if all(values is None or _is_whole(values) for values in stored_categories(booster)):
        return booster
    return without_categories(booster)


def _booster(model: Any) -> Booster:
    return model.get_booster() if hasattr(model, "get_booster") else model


def _is_whole(stored: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(stored.type))
