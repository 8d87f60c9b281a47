"""A LightGBM model that training goes on from, and what it knows of its columns.

LightGBM hands the codes of the frame's own categories to the old trees, by position: in another
order of categories or columns they would be read as others, without a word.
"""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from lightgbm import Booster

from focaltab._compat.lightgbm import category_positions, list_categories, listed_categories
from focaltab.data import InputColumns, as_table, categories_of


def columns_of(model: Any, X: Any) -> InputColumns:
    """Names and categories of the columns of a LightGBM model.

    Parameters
    ----------
    model : Booster or fitted estimator
    X : table in a plain form
        Of the same columns: a file lists categories without saying of which columns they are.

    Raises
    ------
    ValueError
        Where it cannot be known whose the categories are.
    """
    known = getattr(model, "_columns", None)
    if known is not None:
        return known
    booster = getattr(model, "booster_", model)
    names = booster.feature_name()
    if names == [f"Column_{k}" for k in range(len(names))]:
        names = None
    lists = listed_categories(booster)
    positions = category_positions(booster)
    own = list(categories_of(X))
    if len(positions) != len(lists):
        positions = own
    if len(positions) != len(lists):
        raise ValueError(
            f"The model to continue was trained on {len(lists)} columns of categories, but X has "
            f"{len(own)}."
        )
    categories = {k: pd.Index(values) for k, values in zip(positions, lists, strict=True)}
    return InputColumns(booster.num_feature(), names, categories)


def model_to_continue(model: Any, X: Any) -> tuple[Booster | None, InputColumns | None]:
    """The model that training goes on from as a booster, and its columns."""
    if model is None:
        return None, None
    if isinstance(model, str | os.PathLike):
        model = Booster(model_file=model)
    booster = model if isinstance(model, Booster) else getattr(model, "booster_", None)
    if not isinstance(booster, Booster):
        raise ValueError(
            f"init_model must be a fitted LightGBM classifier, a Booster or a model file, got "
            f"{type(model).__name__}."
        )
    return booster, columns_of(model, as_table(X))


def by_numbers(booster: Booster | None, columns: InputColumns) -> Booster | None:
    """A copy that knows its categories as whole numbers, as the rows to go on with have them."""
    if booster is None or not columns.categories:
        return booster
    plain = Booster(model_str=booster.model_to_string(num_iteration=-1))
    plain.best_iteration = booster.best_iteration
    list_categories(plain, columns.numbers)
    return plain
