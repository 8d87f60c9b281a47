"""Rows to train on and rows to judge by."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from focaltab.workflow._errors import UserError
from focaltab.workflow._times import seconds

Rows = NDArray[np.intp]


def moments(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """The time column as numbers that order the rows.

    Raises
    ------
    UserError
        If the column is absent, has missing values, or holds no times or numbers.
    """
    if name not in table.columns:
        raise UserError(f"There is no time column {name!r}.")
    column = table[name]
    if not pd.api.types.is_numeric_dtype(column.dtype):
        try:
            column = seconds(column)
        except UserError:
            raise
        except (ValueError, TypeError):
            raise UserError(f"Time column {name!r} holds values that are no times.") from None
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise UserError(f"Time column {name!r} has no value in row {row}.")
    return values


def split(
    y: NDArray[np.int8],
    when: NDArray[np.float64] | None,
    share: float,
    random_state: int,
    *,
    purpose: str = "held-out",
    remedy: str = "change --test-size",
) -> tuple[Rows, Rows]:
    """Hold out a stratified part, or with times the latest part.

    `purpose` and `remedy` tell the user which part failed and what to do about it.

    Returns
    -------
    kept, held_out : ndarray of int
        Row numbers in ascending order.

    Raises
    ------
    UserError
        If a side would lack one of the classes.
    """
    rows = np.arange(y.size)
    if when is None:
        counts = np.bincount(y, minlength=2)
        if counts.min() < 2:
            raise UserError(
                f"There is only {counts.min()} row of one class: it cannot stand on both sides of "
                "a split."
            )
        if not 1 <= round(counts.min() * share) < counts.min():
            raise UserError(
                f"{counts.min()} rows of the rarer class cannot be divided to give a part of "
                f"{share:g} ({purpose}): {remedy}."
            )
        kept, held_out = train_test_split(
            rows, test_size=share, stratify=y, random_state=random_state
        )
    else:
        order = np.argsort(when, kind="stable")
        border = when[order[min(y.size - 1, round(y.size * (1.0 - share)))]]
        # Rows of one moment stay together, or the future would leak into the past.
        kept, held_out = rows[when < border], rows[when >= border]
    for side, name in ((kept, "earlier" if when is not None else "training"), (held_out, purpose)):
        found = np.unique(y[side])
        if found.size < 2:
            what = "only one class" if found.size else "no rows"
            raise UserError(f"The {name} part has {what}: {remedy}.")
    return np.sort(kept), np.sort(held_out)
