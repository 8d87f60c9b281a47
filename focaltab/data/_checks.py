"""Values that a library can learn from: a table in a plain form is judged before any sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from focaltab.data._containers import as_table
from focaltab.data._lazy import MappedTable, is_lazy

_VALUES_PER_CHECK = 262_144
# What rounds to no finite number of 4 bytes: half a step beyond the largest.
_BEYOND_FLOAT32 = 3.4028235677973366e38


@dataclass(frozen=True)
class Reader:
    """What a library can take as features.

    Parameters
    ----------
    library : str
        Its name in errors.
    takes_text : bool
        Whether columns of text and other objects may come.
    beyond : float
        The least absolute value that is infinite to it.
    refused_in_names : str
        Characters that it takes in no column's name.
    replaces_blanks : bool
        Whether it replaces blanks in names by ``_``.
    margin : str
        What it calls the margins that training starts from.
    """

    library: str
    takes_text: bool = False
    beyond: float = math.inf
    refused_in_names: str = ""
    replaces_blanks: bool = False
    margin: str = "base_margin"


XGBOOST = Reader("XGBoost", beyond=_BEYOND_FLOAT32, refused_in_names="[]<")
LIGHTGBM = Reader(
    "LightGBM", refused_in_names='"[]{}:,\\', replaces_blanks=True, margin="init_score"
)
NETWORK = Reader("FocalMLPClassifier", takes_text=True)


def check_features(X: Any, reader: Reader = NETWORK, name: str = "X") -> None:
    """Refuse a table in a plain form whose values a library cannot learn from.

    One library rejects infinite values from its core, the other trains on them; a number that is
    finite in 8 bytes may be none in the 4 that XGBoost has. A table in files refuses them itself,
    when it comes to them.

    Parameters
    ----------
    X : DataFrame, csr_matrix, ndarray or LazyTable
        As `as_table` returns it.
    reader : Reader
    name : str, default="X"

    Raises
    ------
    ValueError
        Names the first column, and row, that has an infinite value; a column of dates, times, text
        or other objects; a name that the library refuses.
    """
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) == 2 and shape[1] == 0:
        raise ValueError(f"0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    if isinstance(X, pd.DataFrame):
        _check_names(X.columns, reader)
        for column_name, column in X.items():
            _check_column(column_name, column, reader)
    elif sparse.issparse(X):
        _check_finite_sparse(X, reader)
    elif isinstance(X, np.ndarray):
        if X.dtype.kind == "f":
            _check_finite(X, name, reader)
    elif is_lazy(X):
        _check_names(X.columns, reader)


def _check_names(names: Any, reader: Reader) -> None:
    if not reader.refused_in_names:
        return
    for column in map(str, names):
        refused = [c for c in reader.refused_in_names if c in column]
        if refused or not column:
            what = f"holds {refused[0]!r}" if refused else "is empty"
            raise ValueError(
                f"Column name {column!r} {what}, which {reader.library} does not take: rename it, "
                "or let focaltab.pipeline.make_pipeline do it."
            )
    if reader.replaces_blanks:
        seen: dict[str, str] = {}
        for column in map(str, names):
            other = seen.setdefault(column.replace(" ", "_"), column)
            if other != column:
                raise ValueError(
                    f"Column names {other!r} and {column!r} are one name to {reader.library}, "
                    "which replaces blanks: rename one."
                )


def _check_column(name: Any, column: pd.Series, reader: Reader) -> None:
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) or (
        isinstance(dtype, np.dtype) and dtype.kind in "biu"
    ):
        return
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        _check_finite(column.to_numpy(), f"column {name!r}", reader)
    elif (
        pd.api.types.is_datetime64_any_dtype(dtype)
        or isinstance(dtype, pd.PeriodDtype)
        or pd.api.types.is_timedelta64_dtype(dtype)
        or (isinstance(dtype, pd.ArrowDtype) and dtype.kind in "mM")
    ):
        raise ValueError(
            f"Column {name!r} holds dates or times: turn it into numbers (an hour, days since "
            "an event) or drop it."
        )
    elif pd.api.types.is_complex_dtype(dtype):
        raise ValueError(f"Complex data not supported: column {name!r} is of dtype {dtype}.")
    elif (nested := _first_nested(column)) is not None:
        raise ValueError(
            f"Column {name!r} holds lists or records, such as {column.iloc[nested]!r:.60} in row "
            f"{nested}: flatten it into columns of its own, or drop it."
        )
    elif not reader.takes_text:
        raise ValueError(
            f"Column {name!r} holds text or other objects (dtype {dtype}): make it a category "
            f"(X[{name!r}].astype('category')) or numbers, or let "
            "focaltab.pipeline.make_pipeline do it."
        )


def _first_nested(column: pd.Series) -> int | None:
    if not pd.api.types.is_object_dtype(column.dtype):
        return None
    nested = (k for k, v in enumerate(column) if isinstance(v, list | dict | set | np.ndarray))
    return next(nested, None)


def _infinite(values: NDArray[Any], reader: Reader) -> NDArray[np.bool_]:
    if values.dtype.itemsize < 8 or math.isinf(reader.beyond):
        return np.isinf(values)
    return np.abs(values) >= reader.beyond


def _check_finite(values: NDArray[Any], where: str, reader: Reader) -> None:
    # In parts, so that the check needs no memory to speak of.
    n_rows = max(1, _VALUES_PER_CHECK // max(1, values[:1].size))
    for start in range(0, values.shape[0], n_rows):
        infinite = _infinite(values[start : start + n_rows], reader)
        if infinite.any():
            row, *column = map(int, np.argwhere(infinite)[0])  # the column of an array alone
            row += start
            where += "".join(f", column {k}" for k in column)
            _refuse_infinite(values[(row, *column)], where, row, reader)


def _check_finite_sparse(X: Any, reader: Reader) -> None:
    for start in range(0, X.data.size, _VALUES_PER_CHECK):
        infinite = _infinite(X.data[start : start + _VALUES_PER_CHECK], reader)
        if infinite.any():
            place = start + int(infinite.argmax())
            row = int(np.searchsorted(X.indptr, place, side="right")) - 1
            where = f"the sparse matrix, column {int(X.indices[place])}"
            _refuse_infinite(X.data[place], where, row, reader)


def _refuse_infinite(value: Any, where: str, row: int, reader: Reader) -> None:
    if np.isinf(value):
        raise ValueError(
            f"Infinite value (inf) in {where}, row {row}: replace it by NaN (missing) or a finite "
            "number."
        )
    raise ValueError(
        f"The value {float(value):g} in {where}, row {row} is infinite to {reader.library}, whose "
        "numbers of 4 bytes end at 3.4e38: scale the column, or make the value missing."
    )


def read_table(X: Any, reader: Reader, name: str = "X") -> Any:
    """A table of any container in a plain form, checked for a library."""
    table = as_table(X, name)
    check_features(table, reader, name)
    if is_lazy(table):
        # Infinities it refuses itself; what is infinite to the library alone it does not know.
        return table if math.isinf(reader.beyond) else MappedTable(table, partial(_checked, reader))
    if table.shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={table.shape}) while a minimum of 1 is required."
        )
    return table


def _checked(reader: Reader, frame: pd.DataFrame) -> pd.DataFrame:
    check_features(frame, reader)
    return frame
