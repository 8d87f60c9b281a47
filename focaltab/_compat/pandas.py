"""pandas: what its second and third versions do otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd


def to_moments(column: pd.Series, **options: Any) -> pd.Series:
    """Moments in UTC of a column of text or of Python's own dates, also beyond the year 2262.

    pandas 2 counts them in nanoseconds and refuses those that need more than 64 bits, such as
    9999-12-31 where something has no end. pandas 3 does not; were it to do so again, these would be
    read here as well.

    Parameters
    ----------
    column : Series
    **options
        Of ``pandas.to_datetime``.

    Returns
    -------
    Series

    Raises
    ------
    ValueError, TypeError
        As ``pandas.to_datetime``.
    """
    try:
        return pd.to_datetime(column, utc=True, **options)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        near = pd.to_datetime(column, utc=True, **{**options, "errors": "coerce"})
    found = near.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    for place in np.flatnonzero(near.isna().to_numpy() & column.notna().to_numpy()):
        found[place] = _far(column.iloc[place])
    return pd.Series(found, index=column.index, name=column.name).dt.tz_localize("UTC")


def _far(value: Any) -> np.datetime64:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # Python's own end, in the year 9999
            raise ValueError(f"{value} is not a date of the years 1 to 9999 in UTC.") from None
    return np.datetime64(moment, "us")


def exact_floats() -> dict[str, Any]:
    """Options with which ``pandas.read_csv`` reads a float as it was before it was written.

    Up to pandas 3.0 its last digits are off unless they are asked for; 3.1 deprecated the question.
    Were the default to change again, it would be asked again.
    """
    return {} if _reads_exactly() else {"float_precision": "round_trip"}


@cache
def _reads_exactly() -> bool:
    # Versions do not say: of these numbers the fast way misreads every sixth or so.
    values = [math.exp(k / 7.0) for k in range(100)]
    written = "\n".join(["values", *map(repr, values)])
    return bool(pd.read_csv(StringIO(written))["values"].tolist() == values)


@contextmanager
def text_as_objects() -> Iterator[None]:
    """Have pandas make columns of Python's own strings of text, as pandas 2 did.

    By the option ``future.infer_string``, which goes with pandas 4. Without it what was written for
    such columns fails, as the package of the public tables does.
    """
    with pd.option_context("future.infer_string", False):
        yield
