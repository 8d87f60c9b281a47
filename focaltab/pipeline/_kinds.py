"""What a column of a table is, found from its type and its values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Number
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab._compat.pandas import to_moments
from focaltab.data import NUMBERS_AS_OBJECTS
from focaltab.pipeline._spellings import other_spelling

Kind = Literal["number", "date", "category", "text"]
Held = Literal["text", "numbers", "truth values"]

# So few different values are categories, whatever they look like.
FEW_VALUES = 20
# Text that hardly ever repeats is an identifier: it can only be memorised.
_IDENTIFIER_SHARE = 0.5
_IDENTIFIER = "text that hardly repeats (an identifier?)"
_DATES = {"datetime", "datetime64", "date"}
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?")
_ISO_DATE = r"\d{4}-\d\d-\d\d"


def column_kind(name: str, column: pd.Series, max_categories: int) -> tuple[Kind | None, str]:
    """Kind of a column, or None and the reason why nothing can be learned from it.

    Of a column that is used the reason says what may be wrong with it, mostly nothing.

    Raises
    ------
    ValueError
        If the values are lists or records.
    """
    absent = column.isna().to_numpy()
    if absent.all():
        return None, "always missing"
    if pd.api.types.is_complex_dtype(column.dtype):
        raise ValueError(f"Column {name!r} holds complex numbers: take real ones out of them.")
    kind = _kind_by_type(column)
    if kind is not None:
        # Compared with the first value: counting all of them would take longer than any model.
        constant = not absent.any() and bool((column == column.iloc[0]).all())
        if constant and kind == "number":
            as_numbers(name, column.iloc[:1])  # an infinity is a fault, also where all are
        return (None, "constant") if constant else (kind, "")
    try:
        distinct = column.nunique()
    except TypeError:
        raise ValueError(
            f"Column {name!r} holds lists or records: flatten it into columns of its own, or drop "
            "it."
        ) from None
    if distinct < 2 and not absent.any():
        return None, "constant"
    if distinct > FEW_VALUES and not isinstance(column.dtype, pd.CategoricalDtype):
        _check_not_mixed(name, column)
    spelling = other_spelling(column) if distinct > FEW_VALUES else None
    if distinct > FEW_VALUES and distinct > _IDENTIFIER_SHARE * int((~absent).sum()):
        return None, f"text that holds {spelling}" if spelling else _IDENTIFIER
    doubt = f"{spelling}, taken for names" if spelling else ""
    return ("category" if distinct <= max_categories else "text"), doubt


def _check_not_mixed(name: str, column: pd.Series) -> None:
    """Refuse numbers with a stray word among them, which would all be names without an order."""
    values = pd.Series(column.dropna().unique(), dtype=object)
    strange = pd.to_numeric(values, errors="coerce").isna()
    if strange.any() and strange.mean() <= 0.5:
        stray = values[strange].iloc[0]
        row = int(np.flatnonzero((column == stray).to_numpy(dtype=bool, na_value=False))[0])
        raise ValueError(
            f"Column {name!r} mixes numbers and text (for example {stray!r} in row {row}): turn "
            "such values into missing ones, or the column into pandas categories."
        )


def _kind_by_type(column: pd.Series) -> Kind | None:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return None
    is_plain = pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype)
    if is_plain or is_duration(dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return "date"
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in NUMBERS_AS_OBJECTS:
        return "number"
    if found in _DATES or (found == "string" and _is_date_text(column)):
        return "date"
    return None


def is_duration(dtype: Any) -> bool:
    """Whether a column of this type holds lengths of time."""
    arrow = isinstance(dtype, pd.ArrowDtype) and dtype.kind == "m"
    return arrow or bool(pd.api.types.is_timedelta64_dtype(dtype))


def _is_date_text(column: pd.Series) -> bool:
    """Whether all values are ISO dates, as a CSV holds them."""
    present = column.dropna()
    if not present.head(100).astype(str).str.match(_ISO_DATE).all():
        return False
    try:
        to_moments(present, format="ISO8601")
    except (ValueError, TypeError):
        return False
    return True


def as_numbers(name: str, column: pd.Series) -> NDArray[Any]:
    """Values as floats with NaN where missing; float32 stays.

    Raises
    ------
    ValueError
        Names the column of dates, or the column and the row of a value that is text or infinite.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise ValueError(f"Column {name!r} was numeric in training, but holds dates here.")
    if is_duration(column.dtype):
        column = column.dt.total_seconds()
    dtype = np.float32 if column.dtype == np.float32 else np.float64
    try:
        values = column.to_numpy(dtype=dtype, na_value=np.nan)
    except (TypeError, ValueError):
        numbers = pd.to_numeric(column.astype(object), errors="coerce")
        strange = np.flatnonzero(numbers.isna() & column.notna())
        where = f" {column.iloc[strange[0]]!r} in row {strange[0]}" if strange.size else ""
        raise ValueError(
            f"Column {name!r} was numeric in training, but holds other values here:{where}."
        ) from None
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise ValueError(
            f"Infinite value (inf) in column {name!r}, row {row}: replace it by NaN (missing) or a "
            "finite number."
        )
    return values


def as_dates(name: str, column: pd.Series) -> pd.Series:
    """Moments in UTC; times without a zone are taken as UTC.

    Raises
    ------
    ValueError
        Names the column where values are no dates.
    """
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    elif isinstance(column.dtype, pd.ArrowDtype):
        # Arrow's own arithmetic of times refuses to round nanoseconds.
        plain = column.astype(object).where(column.notna(), None)
        column = pd.Series(to_moments(plain), index=column.index, name=column.name)
    if pd.api.types.is_numeric_dtype(column.dtype) and column.notna().any():
        raise ValueError(f"Column {name!r} held dates in training, but numbers here.")
    try:
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            return pd.to_datetime(column, utc=True)
        return to_moments(column, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Column {name!r} held dates in training, but other values here: {error}"
        ) from None


def seconds_since_1970(moments: pd.Series) -> NDArray[np.float64]:
    """Of moments in UTC, NaN where missing.

    No difference of two moments: one in the year 9999, as those without an end have, is further
    from 1970 than nanoseconds can count.
    """
    plain = moments.dt.tz_localize(None).to_numpy()
    per_second = _PER_SECOND[np.datetime_data(plain.dtype)[0]]
    return np.where(np.isnat(plain), np.nan, plain.astype(np.int64) / per_second)


def as_text(column: pd.Series) -> pd.Series:
    """Values as they are written, dtype object, NaN where missing; 7 and 7.0 are one value."""
    codes, values = pd.factorize(column)
    names = np.array([*map(_written, values), np.nan], dtype=object)
    return pd.Series(names[codes], index=column.index, name=column.name, dtype=object)


def places(column: pd.Series, known: pd.Index) -> NDArray[np.intp]:
    """Where in `known` each value stands; -1 for missing and unseen ones."""
    codes, values = pd.factorize(column)
    found = known.get_indexer(pd.Index([_written(value) for value in values], dtype=str))
    return np.append(found, -1)[codes]


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a truth value."""
    return isinstance(value, Number | np.number) and not isinstance(value, bool | np.bool_)


def held_by(values: Iterable[Any]) -> Held:
    """What the values of a category are: text, if they are not all of one other kind."""
    kinds: set[Held] = {
        "truth values" if isinstance(v, bool | np.bool_) else "numbers" if is_number(v) else "text"
        for v in values
    }
    return kinds.pop() if len(kinds) == 1 else "text"


def from_written(column: pd.Series, holds: Held) -> pd.Series:
    """Numbers or truth values in place of their text; other text stays, and so do other types."""
    if holds == "text":
        return column
    if not (pd.api.types.is_object_dtype(column.dtype) or isinstance(column.dtype, pd.StringDtype)):
        return column
    codes, values = pd.factorize(column)
    read = number_or_text if holds == "numbers" else _truth_or_text
    found = np.array([*map(read, values), np.nan], dtype=object)
    return pd.Series(found[codes], index=column.index, name=column.name, dtype=object)


def number_or_text(value: Any) -> Any:
    """The number that text is, else the value itself."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        # An identifier of many digits is no float.
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    return value


def _truth_or_text(value: Any) -> Any:
    return {"True": True, "False": False}.get(value, value) if isinstance(value, str) else value


def _written(value: Any) -> str:
    # A column of whole numbers with gaps is one of floats.
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value)
