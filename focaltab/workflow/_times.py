"""Times as numbers, whatever their type and time zone."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd

from focaltab._compat.pandas import to_moments
from focaltab.pipeline._kinds import seconds_since_1970
from focaltab.workflow._errors import UserError

# 13/05/2024, 5.4.24 or 05-13-2024, whatever follows: the order of their parts must be found out.
_PARTED = r"^\s*(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)(?!\d)"


def seconds(column: pd.Series, errors: Literal["raise", "coerce"] = "raise") -> pd.Series:
    """Seconds since 1970 in UTC; times without a zone are taken as UTC, missing ones become NaN.

    Dates such as 13/05/2024 are read day first or month first, whichever all of them allow.

    Raises
    ------
    UserError
        If all such dates allow both.
    ValueError, TypeError
        If a value is no time and `errors` is ``"raise"``.

    Examples
    --------
    >>> seconds(pd.Series(["1970-01-02", "1970-01-02 00:00:30"])).tolist()
    [86400.0, 86430.0]
    >>> seconds(pd.Series(["2/1/1970", "13/1/1970"])).tolist()
    [86400.0, 1036800.0]
    """
    try:
        # The ISO parser takes dates with and without a time of day in one column.
        moment = to_moments(column, format="ISO8601")
    except ValueError:
        parted = column.astype(str).str.match(_PARTED).to_numpy(dtype=bool)
        if parted.any() and not parted.all():
            # What tells day from month in some rows would be misread into ISO dates in others.
            found = pd.Series(np.nan, index=column.index, name=column.name)
            for rows in (parted, ~parted):
                found[rows] = seconds(column[rows], errors).to_numpy()
            return found
        day_first = bool(parted.any()) and _is_day_first(column)
        with warnings.catch_warnings():
            for message in ("Could not infer format", "Parsing dates in"):
                warnings.filterwarnings("ignore", message, UserWarning)
            try:
                # One format for all rows is read much faster than each row's own.
                moment = pd.to_datetime(column, utc=True, dayfirst=day_first)
            except ValueError:
                each = "mixed" if parted.any() else None
                moment = pd.to_datetime(
                    column, utc=True, dayfirst=day_first, errors=errors, format=each
                )
    return pd.Series(seconds_since_1970(moment), index=column.index, name=column.name)


def _is_day_first(column: pd.Series) -> bool:
    """Whether dates of the form 13/05/2024 start with the day, and not with the month."""
    parts = column.str.extract(_PARTED)
    first, second = parts[0].astype(int), parts[2].astype(int)
    if first.max() > 12 and second.max() > 12:
        raise ValueError("Neither number of the dates can be the month.")
    open_to_both = bool(first.max() <= 12 and second.max() <= 12 and (first != second).any())
    if open_to_both or (parts[3].str.len() == 2).any():
        example = column.iloc[int((first != second).to_numpy().argmax())]
        raise UserError(
            f"Column {column.name!r} holds dates, such as {example!r}, whose day, month and year "
            "cannot be told apart: write them as ISO dates, 2024-05-31."
        )
    return bool(first.max() > 12)


def is_time_text(column: pd.Series) -> bool:
    """Whether a column is text in which every value is an ISO date, as a CSV holds times."""
    present = column.dropna()
    if not all(isinstance(value, str) for value in present.head(100)):
        return False
    if not present.head(100).str.match(r"\d{4}-\d\d-\d\d").all():
        return False
    try:
        to_moments(present, format="ISO8601")
    except (ValueError, TypeError):
        return False
    return True
