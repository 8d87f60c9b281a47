"""What a column of a table is, found from its type and its values."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from numbers import Number
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.data import NUMBERS_AS_OBJECTS
from focaltab.pipeline._dates import is_date_text, is_date_type
from focaltab.pipeline._spellings import is_number_text, other_spelling

Kind = Literal["number", "date", "category", "text"]
Held = Literal["text", "numbers", "truth values"]

# So few different values are categories, whatever they look like.
FEW_VALUES = 20
# Text that hardly ever repeats is an identifier: it can only be memorised.
_IDENTIFIER_SHARE = 0.5
# Whole numbers that are nearly all different may be one too, or an amount in cents: such a column
# is used, and named as doubtful.
_NEARLY_ALL = 0.95
_FIRST_ROWS = 1000
_IDENTIFIER = "text that hardly repeats (an identifier?)"
_DATES = {"datetime", "datetime64", "date"}
_WHOLE = re.compile(r"(-?[0-9]+)(?:[.]0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?")


class ColumnWarning(UserWarning):
    """A column of the training rows may hold something else than it seems to."""


@dataclass
class ColumnKinds:
    """The kind of each column that is used, and the others with the reason why they are not.

    `doubtful` holds those of the used columns that the user may want to look at, and why.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_table(
        cls, table: pd.DataFrame, max_categories: int, categorical: Collection[str] = ()
    ) -> ColumnKinds:
        """Find the kinds in a frame with text for names.

        Raises
        ------
        ValueError
            For columns of lists or records, of complex numbers, or of numbers with a stray word
            among them; a name of `categorical` that is not there; or if no column can be used.
        """
        absent = [name for name in categorical if name not in table.columns]
        if absent:
            raise ValueError(f"categorical names a column that is not there: {absent[0]!r}.")
        found = cls()
        for name in table.columns:
            kind, reason = column_kind(name, table[name], max_categories, name in categorical)
            found._add(name, kind, reason)
        return found._checked(len(table))

    @classmethod
    def of_types(
        cls, dtypes: pd.Series, n_rows: int, max_categories: int, categorical: Collection[str] = ()
    ) -> ColumnKinds:
        """Find the kinds of a table that is read in batches by its types alone.

        Raises
        ------
        ValueError
            For text of more than `max_categories` values, whose encoding by the target needs the
            rows in memory, a column of numbers in `categorical`, or if no column can be used.
        """
        found = cls()
        for name, dtype in dtypes.items():
            if not isinstance(dtype, pd.CategoricalDtype):
                if name in categorical:
                    raise ValueError(f"categorical: column {name!r} must be stored as text.")
                found._add(str(name), "number", "")
                continue
            n_values = len(dtype.categories)
            if n_values == 0:
                found._add(str(name), None, "always missing")
            elif n_values > max(FEW_VALUES, _IDENTIFIER_SHARE * n_rows):
                found._add(str(name), None, _IDENTIFIER)
            elif n_values > max_categories:
                raise ValueError(
                    f"Column {name!r} has {n_values} different values, and to encode more than "
                    f"{max_categories} by the target takes the rows in memory: pass "
                    f"table.to_frame(), or set max_categories to {n_values} or more."
                )
            else:
                found._add(str(name), "category", "")
        return found._checked(n_rows)

    def _add(self, name: str, kind: Kind | None, reason: str) -> None:
        if kind is None:
            self.left_out[name] = reason
        else:
            self.kinds[name] = kind
            if reason:
                self.doubtful[name] = reason

    def _checked(self, n_rows: int) -> ColumnKinds:
        if not self.kinds:
            raise ValueError(
                f"No column is left to learn from (n_samples={n_rows}): "
                + "; ".join(f"{name!r} is {why}" for name, why in self.left_out.items())
                + "."
            )
        return self

    def warn(self, stacklevel: int) -> None:
        """Warn of text that is left out, and of text that looks like numbers or dates."""
        for name, reason in self.left_out.items():
            if reason.startswith("text"):
                message = f"Column {name!r} is left out: {reason}. Make features of it, or drop it."
                warnings.warn(message, ColumnWarning, stacklevel=stacklevel + 1)
        for name, reason in self.doubtful.items():
            if self.kinds[name] != "number":
                message = f"Column {name!r} holds {reason}: convert the column, or drop it."
                warnings.warn(message, ColumnWarning, stacklevel=stacklevel + 1)


def column_kind(
    name: str, column: pd.Series, max_categories: int, is_categorical: bool = False
) -> tuple[Kind | None, str]:
    """Kind of a column, or None and the reason why nothing can be learned from it.

    Of a column that is used the reason says what may be wrong with it, mostly nothing.
    """
    absent = column.isna().to_numpy()
    if absent.all():
        return None, "always missing"
    if pd.api.types.is_complex_dtype(column.dtype):
        raise ValueError(f"Column {name!r} holds complex numbers: take real ones out of them.")
    kind = None if is_categorical else kind_by_type(column)
    if kind is not None:
        # Compared with the first value: counting all of them would take longer than any model.
        constant = not absent.any() and bool((column == column.iloc[0]).all())
        if constant and kind == "number":
            as_numbers(name, column.iloc[:1])  # an infinity is a fault, also where all are
        return (None, "constant") if constant else (kind, _doubt_of_numbers(column))
    try:
        distinct = column.nunique()
    except TypeError:
        raise ValueError(
            f"Column {name!r} holds lists or records: flatten it into columns of its own, or drop "
            "it."
        ) from None
    if distinct < 2 and not absent.any():
        return None, "constant"
    spelling = None
    if distinct > FEW_VALUES and not is_categorical:
        if not isinstance(column.dtype, pd.CategoricalDtype):
            _check_not_mixed(name, column)
        spelling = other_spelling(column)
    n_present = int((~absent).sum())
    if distinct > FEW_VALUES and distinct > _IDENTIFIER_SHARE * n_present and not is_categorical:
        return None, f"text that holds {spelling}" if spelling else _IDENTIFIER
    doubt = f"{spelling}, taken for names" if spelling else ""
    return ("category" if distinct <= max_categories else "text"), doubt


def _doubt_of_numbers(column: pd.Series) -> str:
    if not pd.api.types.is_integer_dtype(column.dtype):
        return ""
    for rows in (column.iloc[:_FIRST_ROWS], column):
        if rows.nunique() <= max(FEW_VALUES, _NEARLY_ALL * len(rows)):
            return ""
    return "whole numbers that hardly repeat (an identifier?)"


def _check_not_mixed(name: str, column: pd.Series) -> None:
    """Refuse numbers with a stray word among them, which would all be names without an order."""
    values = pd.Series(column.dropna().unique(), dtype=object)
    strange = pd.to_numeric(values, errors="coerce").isna() & ~values.map(is_number_text)
    if strange.any() and strange.mean() <= 0.5:
        stray = values[strange].iloc[0]
        row = int(np.flatnonzero((column == stray).to_numpy(dtype=bool, na_value=False))[0])
        raise ValueError(
            f"Column {name!r} mixes numbers and text (for example {stray!r} in row {row}): make "
            "such values missing, drop the column, or name it as categorical."
        )


def kind_by_type(column: pd.Series) -> Kind | None:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return None
    is_plain = pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype)
    if is_plain or is_duration(dtype):
        return "number"
    if is_date_type(dtype):
        return "date"
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in NUMBERS_AS_OBJECTS:
        return "number"
    if found in _DATES or (found == "string" and is_date_text(column)):
        return "date"
    return None


def is_duration(dtype: Any) -> bool:
    """Whether a column of this type holds lengths of time."""
    arrow = isinstance(dtype, pd.ArrowDtype) and dtype.kind == "m"
    return arrow or bool(pd.api.types.is_timedelta64_dtype(dtype))


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


def as_text(column: pd.Series) -> pd.Series:
    """Values as they are written, dtype object, NaN where missing; 7 and 7.0 are one value."""
    codes, values = pd.factorize(column)
    names = np.array([*map(as_written, values), np.nan], dtype=object)
    return pd.Series(names[codes], index=column.index, name=column.name, dtype=object)


def places(column: pd.Series, known: pd.Index) -> NDArray[np.intp]:
    """Where in `known` each value stands; -1 for missing and unseen ones.

    A whole number is found however it is written, "7" or "7.0".
    """
    codes, values = pd.factorize(column)
    texts = [as_written(value) for value in values]
    found = known.get_indexer(pd.Index(texts, dtype=str))
    for k in np.flatnonzero(found < 0).tolist():
        others = known.get_indexer(pd.Index(other_writings(texts[k]), dtype=str))
        found[k] = others.max(initial=-1)
    return np.append(found, -1)[codes]


def other_writings(text: str) -> list[str]:
    """How else a whole number is written: a column with gaps is one of floats."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        return []
    return [match[1], f"{match[1]}.0"]


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


def as_written(value: Any) -> str:
    """A value as text; 7 and 7.0 are one."""
    # A column of whole numbers with gaps is one of floats.
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value)
