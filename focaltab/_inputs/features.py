"""Checks of a table of features before any library sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from focaltab._compat.sklearn import count_rows

_ROWS_PER_CHECK = 65_536


def check_rows(X: Any, y: Any, name: str = "") -> None:
    """Refuse features and labels of different lengths.

    Raises
    ------
    ValueError
        Names both lengths, and the evaluation set if it is one.
    """
    n_rows, n_labels = count_rows(X), count_rows(y)
    if n_rows != n_labels:
        raise ValueError(f"{name}X has {n_rows} rows but y has {n_labels} labels.")


def check_features(X: Any) -> None:
    """Refuse a table without columns, columns that are no features, and infinite values.

    One library rejects infinite values from its core, the other trains on them. A table in files
    refuses them itself, when it comes to them.

    Raises
    ------
    ValueError
        Names the first column, and row, that has an infinite value; a column of dates or times;
        a name that stands twice.
    """
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) == 2 and shape[1] == 0:
        raise ValueError(f"0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    if isinstance(X, pd.DataFrame):
        _check_frame(X)
    elif sparse.issparse(X):
        matrix: Any = X
        flat = matrix.format in ("csr", "csc", "coo", "bsr", "dia")
        values = (matrix if flat else matrix.tocsr()).data
        if values.dtype.kind == "f":
            _check_array(values, "the sparse matrix")
    elif isinstance(X, np.ndarray | list):
        values = np.asarray(X)
        if values.dtype.kind == "f":
            _check_array(values, "X")


def check_booster_features(X: Any) -> None:
    """As `check_features`, and refuse text, which boosters do not read.

    Raises
    ------
    ValueError
        Names the column.
    """
    check_features(X)
    if not isinstance(X, pd.DataFrame):
        return
    for name, dtype in zip(X.columns, X.dtypes, strict=True):
        if pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype):
            raise ValueError(
                f"Column {name!r} holds text or other objects (dtype {dtype}): make it a category "
                f"(X[{name!r}].astype('category')) or numbers, or let "
                "focaltab.pipeline.make_pipeline do it."
            )


def check_names_once(X: Any) -> None:
    """Refuse two columns of one name, also where only one of them is text.

    Raises
    ------
    ValueError
        Names the column.
    """
    names = pd.Index([str(name) for name in getattr(X, "columns", ())], dtype=object)
    twice = names[names.duplicated()]
    if twice.size:
        raise ValueError(f"Column name {twice[0]!r} stands more than once: rename or drop one.")


def _check_frame(X: pd.DataFrame) -> None:
    check_names_once(X)
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position]
        if pd.api.types.is_float_dtype(column.dtype):
            _check_array(column.to_numpy(dtype=np.float64, na_value=np.nan), f"column {name!r}")
        elif (
            pd.api.types.is_datetime64_any_dtype(column.dtype)
            or isinstance(column.dtype, pd.PeriodDtype)
            or pd.api.types.is_timedelta64_dtype(column.dtype)
        ):
            raise ValueError(
                f"Column {name!r} holds dates or times: turn it into numbers (an hour, days since "
                "an event) or drop it."
            )


def _check_array(values: NDArray[Any], where: str) -> None:
    # In parts, so that the check needs no memory to speak of.
    for start in range(0, values.shape[0], _ROWS_PER_CHECK):
        infinite = np.isinf(values[start : start + _ROWS_PER_CHECK])
        if infinite.any():
            place = np.argwhere(infinite)[0]
            if infinite.ndim == 2:
                where = f"{where}, column {int(place[1])}"
            raise ValueError(
                f"Infinite value (inf) in {where}, row {start + int(place[0])}: "
                "replace it by NaN (missing) or a finite number."
            )


def numbers_as_numbers(X: pd.DataFrame) -> pd.DataFrame:
    """The frame, with columns of Python numbers (dtype object) as columns of floats."""
    X = X.infer_objects()
    kinds = {"integer", "floating", "mixed-integer-float", "decimal", "boolean"}
    found = [
        k
        for k in range(X.shape[1])
        if pd.api.types.is_object_dtype(X.dtypes.iloc[k])
        and pd.api.types.infer_dtype(X.iloc[:, k], skipna=True) in kinds
    ]
    if not found:
        return X
    columns = {k: X.iloc[:, k] for k in range(X.shape[1])}
    for k in found:
        columns[k] = columns[k].astype(np.float64)
    converted = pd.concat(list(columns.values()), axis=1)
    converted.columns = X.columns
    return converted
