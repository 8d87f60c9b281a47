"""What is typical of a column, and a value as an analyst reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from focaltab.data import NUMBERS_AS_OBJECTS
from focaltab.monitoring import Reference
from focaltab.pipeline._kinds import is_number, number_or_text

_AMOUNTS = NUMBERS_AS_OBJECTS - {"boolean"}


def typical_of_rows(frame: pd.DataFrame) -> dict[str, Any]:
    """Median of numbers and dates, most common value of others; None where always missing."""
    return {str(name): _typical(frame.iloc[:, k]) for k, name in enumerate(frame.columns)}


def typical_of_reference(
    reference: Reference, names: Sequence[str], frame: pd.DataFrame
) -> dict[str, Any]:
    """The same of the rows behind a reference, in the types that the columns of `frame` have.

    Raises
    ------
    ValueError
        Names a column that it does not know.
    """
    known = {column.name: column for column in reference.columns}
    absent = [name for name in names if name not in known]
    if absent:
        raise ValueError(f"The reference given as background lacks the column {absent[0]!r}.")
    typical: dict[str, Any] = {}
    for k, name in enumerate(names):
        value: Any = known[name].typical
        if known[name].kind == "date" and value is not None:
            value = pd.Timestamp(np.datetime64(round(float(value) * 86_400e6), "us"), tz="UTC")
        elif known[name].whole and value is not None:
            value = int(value)
        typical[name] = _in_the_type_of(frame.iloc[:, k], value)
    return typical


def _in_the_type_of(column: pd.Series, value: Any) -> Any:
    """A number or text of a reference as the truth value or number that the column holds."""
    own = column.dropna()
    if value is None or own.empty:
        return value
    first = own.iloc[0]
    if isinstance(first, bool | np.bool_):
        return value == "True" if isinstance(value, str) else bool(value)
    return number_or_text(value) if is_number(first) else value


def _typical(column: pd.Series) -> Any:
    present = column.dropna()
    if present.empty:
        return None
    is_amount = holds_amounts(present)
    if is_amount and pd.api.types.is_object_dtype(present.dtype):
        present = pd.to_numeric(present)
    if is_amount or pd.api.types.is_datetime64_any_dtype(present.dtype):
        # A value that occurs: between two whole numbers there may be none.
        found = present.quantile(0.5, interpolation="lower")
    else:
        # Of equally common values the first that comes.
        found = present.value_counts(sort=True).index[0]
    return found.item() if isinstance(found, np.generic) else found


def holds_amounts(column: pd.Series) -> bool:
    """Whether a column's values can be high or low: numbers that are not names of categories."""
    kinds = pd.api.types
    if kinds.is_object_dtype(column.dtype):
        return kinds.infer_dtype(column, skipna=True) in _AMOUNTS
    return kinds.is_numeric_dtype(column.dtype) and not kinds.is_bool_dtype(column.dtype)


def is_missing(value: Any) -> bool:
    """Whether a single value is None or one of pandas' missing ones."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def described(name: str, value: Any, typical: Any, *, is_amount: bool) -> str:
    """A column's value beside the typical one, as in "amount 912.40 is high (typical 34.00)"."""
    if is_missing(value):
        if is_missing(typical):
            return f"{name} is missing, as always"
        return f"{name} is missing (typical {_shown(typical, typical)})"
    if is_missing(typical):
        return f"{name} {_shown(value, value)} (typically missing)"
    if value == typical:
        return f"{name} {_shown(value, typical)} is typical"
    compared = ""
    if is_amount and is_number(value) and is_number(typical):
        compared = " is high" if value > typical else " is low"
    return f"{name} {_shown(value, typical)}{compared} (typical {_shown(typical, value)})"


def _shown(value: Any, beside: Any) -> str:
    """A value in the digits that it takes beside another one."""
    if isinstance(value, pd.Timestamp):
        moment = str(value.tz_localize(None).floor("min"))
        return moment.removesuffix(" 00:00:00").removesuffix(":00")
    if not is_number(value):
        return str(value)
    both = [v for v in (value, beside) if is_number(v)]
    if all(float(v).is_integer() for v in both):
        return f"{value:.0f}"
    least = min(abs(float(v)) for v in both if v != 0)
    # Two decimals, as money has; smaller numbers need more.
    return f"{value:.2f}" if least >= 0.1 else f"{value:.3g}"
