"""Rows to train on and rows to judge by."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from focaltab.pipeline._dates import AmbiguousDatesError, moments_of, seconds_since_1970
from focaltab.workflow._errors import UserError

Rows = NDArray[np.intp]
# Held out unless asked otherwise; and of the rest, where it is in order of time, to stop early by.
USUAL_SHARE = 0.2
VALIDATION_SHARE = 0.2


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
            values = seconds_since_1970(moments_of(column))
        except AmbiguousDatesError as error:
            raise UserError(f"Time column {name!r} holds {error}") from None
        except (ValueError, TypeError):
            raise UserError(f"Time column {name!r} holds values that are no times.") from None
    else:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise UserError(f"Time column {name!r} has no value in row {row}.")
    return values


def check_enough(y: NDArray[np.int8], labels: tuple[str, str], share: float) -> None:
    """Refuse a class with too few rows to train on and to judge by.

    Raises
    ------
    UserError
        Says how many rows there are, and how many are needed.
    """
    counts = np.bincount(y, minlength=2)
    rarer = int(counts.argmin())
    found, needed = int(counts[rarer]), rows_needed(share)
    if found >= needed:
        return
    least = rows_needed(USUAL_SHARE)
    message = (
        f"Label {labels[rarer]!r} has {found} rows, but --test-size {share:g} needs {needed:,}"
    )
    if found >= least:
        raise UserError(f"{message}: with --test-size {USUAL_SHARE:g}, {least} are enough.")
    raise UserError(
        f"{message} for at least two to train on and one to judge by: label more rows of "
        f"it{'' if needed == least else f' (--test-size {USUAL_SHARE:g} needs {least})'}."
    )


def rows_needed(share: float) -> int:
    """Fewest rows of a class that leave one to judge by and two, for two folds, to train on."""
    # One held out takes half a row before rounding; two kept take one and a half.
    n = max(3, int(max(0.5 / share, 1.5 / (1.0 - share))) - 5)
    while round(n * share) < 1 or n - round(n * share) < 2:
        n += 1
    return n


def split(
    y: NDArray[np.int8],
    when: NDArray[np.float64] | None,
    share: float,
    random_state: int,
    labels: tuple[str, str],
    *,
    purpose: str = "held-out",
) -> tuple[Rows, Rows]:
    """Hold out a stratified part, or with times the latest part.

    `purpose` tells the user which part failed; `labels` name the classes.

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
        kept, held_out = train_test_split(
            rows, test_size=share, stratify=y, random_state=random_state
        )
    else:
        order = np.argsort(when, kind="stable")
        border = when[order[min(y.size - 1, round(y.size * (1.0 - share)))]]
        # Rows of one moment stay together, or the future would leak into the past.
        kept, held_out = rows[when < border], rows[when >= border]
    counts = np.bincount(y, minlength=2)
    for side, name in ((kept, "earlier" if when is not None else "training"), (held_out, purpose)):
        found = np.bincount(y[side], minlength=2)
        if found.min() == 0:
            lacking = int(found.argmin())
            what = f"none of the {counts[lacking]} rows of label {labels[lacking]!r}"
            remedy = "label more rows of it"
            if when is not None:
                size = {"held-out": "larger", "earlier": "smaller"}.get(name, "different")
                remedy = (
                    f"take a {size} --test-size, or leave out --time-column to divide the rows at "
                    "random"
                )
            raise UserError(f"The {name} part has {what if side.size else 'no rows'}: {remedy}.")
    return np.sort(kept), np.sort(held_out)
