"""Dates and times of any type and time zone, and text that holds them, as moments in UTC."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab._compat.pandas import to_moments

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_ISO_DATE = r"\d{4}-\d\d-\d\d"
# 13/05/2024, 5.4.24 or 05-13-2024, whatever follows: the order of their parts must be found out.
_PARTED = r"^\s*(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)(?!\d)(.*)$"


class AmbiguousDatesError(ValueError):
    """Dates whose day and month cannot be told apart."""


def is_date_text(column: pd.Series) -> bool:
    """Whether a column of text holds ISO dates alone, as a CSV holds dates."""
    present = column.dropna()
    if not present.head(100).astype(str).str.match(_ISO_DATE).all():
        return False
    try:
        to_moments(present, format="ISO8601")
    except (ValueError, TypeError):
        return False
    return True


def as_dates(name: str, column: pd.Series) -> pd.Series:
    """Moments in UTC; times without a zone are taken as UTC.

    Raises
    ------
    ValueError
        Names the column, and the first value that is no date with its row.
    """
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    elif isinstance(column.dtype, pd.ArrowDtype):
        # Arrow's own arithmetic of times refuses to round nanoseconds.
        plain = column.astype(object).where(column.notna(), None)
        column = pd.Series(to_moments(plain), index=column.index, name=column.name)
    if pd.api.types.is_numeric_dtype(column.dtype) and column.notna().any():
        raise ValueError(f"Column {name!r} held dates in training, but numbers here.")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True)
    try:
        return moments_of(column)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Column {name!r} held dates in training, but other values here: "
            f"{_first_unread(column) or error}"
        ) from None


def moments_of(column: pd.Series) -> pd.Series:
    """Moments in UTC of a column that is known to hold dates, written in any way.

    Dates such as 13/05/2024 are read day first or month first, whichever all of them allow.

    Raises
    ------
    ValueError, TypeError
        For a value that is no date, or dates that all allow both.

    Examples
    --------
    >>> moments_of(pd.Series(["2/1/1970", "13/1/1970"])).dt.day.tolist()
    [2, 13]
    """
    try:
        # The ISO parser takes dates with and without a time of day in one column.
        return to_moments(column, format="ISO8601")
    except ValueError:
        parts = column.astype(str).str.extract(_PARTED)
    parted = parts[0].notna()
    day_first = bool(parted.any()) and _is_day_first(column[parted], parts[parted])
    if parted.any():
        year, rest = parts[3], parts[4]
        month, day = (parts[2], parts[0]) if day_first else (parts[0], parts[2])
        iso = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2) + rest
        try:
            return to_moments(column.astype(object).where(~parted, iso), format="ISO8601")
        except ValueError:
            if not parted.all():
                raise
    with warnings.catch_warnings():
        for message in ("Could not infer format", "Parsing dates in"):
            warnings.filterwarnings("ignore", message, UserWarning)
        # One format for all rows, which is found from the first of them.
        return pd.to_datetime(column, utc=True, dayfirst=day_first)


def seconds_since_1970(moments: pd.Series) -> NDArray[np.float64]:
    """Of moments in UTC, NaN where missing.

    No difference of two moments: one in the year 9999, as those without an end have, is further
    from 1970 than nanoseconds can count.
    """
    plain = moments.dt.tz_localize(None).to_numpy()
    per_second = _PER_SECOND[np.datetime_data(plain.dtype)[0]]
    return np.where(np.isnat(plain), np.nan, plain.astype(np.int64) / per_second)


def _is_day_first(dates: pd.Series, parts: pd.DataFrame) -> bool:
    """Whether dates of the form 13/05/2024 start with the day, and not with the month."""
    first, second = parts[0].astype(int), parts[2].astype(int)
    if first.max() > 12 and second.max() > 12:
        raise ValueError("Neither number of the dates can be the month.")
    open_to_both = bool(first.max() <= 12 and second.max() <= 12 and (first != second).any())
    if open_to_both or (parts[3].str.len() == 2).any():
        example = dates.iloc[int((first != second).to_numpy().argmax())]
        raise AmbiguousDatesError(
            f"dates such as {example!r}, whose day, month and year cannot be told apart: write "
            "them as ISO dates, 2024-05-31."
        )
    return bool(first.max() > 12)


def _first_unread(column: pd.Series) -> str:
    """The first text that no reader of dates takes, with its row; empty if there is none."""
    for row, value in enumerate(column):
        if not isinstance(value, str):
            continue
        try:
            pd.to_datetime(value, utc=True)
        except (ValueError, TypeError):
            return f"{value!r} in row {row} is no date. Make it missing, or a date."
    return ""


def is_date_type(dtype: Any) -> bool:
    """Whether a column of this type holds dates."""
    return pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype)
