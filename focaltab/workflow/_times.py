"""Times as numbers, whatever their type and time zone."""

from __future__ import annotations

import warnings
from typing import Literal

import pandas as pd


def seconds(column: pd.Series, errors: Literal["raise", "coerce"] = "raise") -> pd.Series:
    """Seconds since 1970 in UTC; times without a zone are taken as UTC, missing ones become NaN.

    Raises
    ------
    ValueError, TypeError
        If a value is no time and `errors` is ``"raise"``.

    Examples
    --------
    >>> seconds(pd.Series(["1970-01-02", "1970-01-02 00:00:30"])).tolist()
    [86400.0, 86430.0]
    """
    try:
        # The ISO parser takes dates with and without a time of day in one column.
        moment = pd.to_datetime(column, utc=True, format="ISO8601")
    except ValueError:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Could not infer format", UserWarning)
            moment = pd.to_datetime(column, utc=True, errors=errors)
    return (moment - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def is_time_text(column: pd.Series) -> bool:
    """Whether a column is text in which every value is an ISO date, as a CSV holds times."""
    present = column.dropna()
    if not all(isinstance(value, str) for value in present.head(100)):
        return False
    if not present.head(100).str.match(r"\d{4}-\d\d-\d\d").all():
        return False
    try:
        pd.to_datetime(present, utc=True, format="ISO8601")
    except (ValueError, TypeError):
        return False
    return True
