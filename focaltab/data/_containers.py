"""The one way in: a table in whatever container becomes a frame, a CSR matrix or an array.

The libraries below take more containers than anybody checks, and read some of them wrongly or end
the process on them. Here each becomes one of three plain forms, or is refused: what is checked is
what the library is given.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from focaltab.data._lazy import is_lazy

# How pandas calls columns of Python objects that are numbers all the same.
NUMBERS_AS_OBJECTS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean"})
_INT32 = np.iinfo(np.int32).max


def as_table(X: Any, name: str = "X") -> Any:
    """A table in one of the plain forms.

    Parameters
    ----------
    X : table in any container
        DataFrame of pandas, polars or any library that shares Arrow data, Arrow table, NumPy array
        (masked ones and those of objects too), sparse matrix or array of any format, list of rows,
        or a table that is read in batches.
    name : str, default="X"
        What the errors call it.

    Returns
    -------
    DataFrame, csr_matrix, ndarray or LazyTable
        A frame has columns of NumPy's numbers where pandas has another type for them; what is no
        number stays as it is. A CSR matrix names each place once, in order. An array has two
        dimensions of NumPy's numbers. A table that is plain already is returned itself.

    Raises
    ------
    ValueError
        For other than two dimensions, values that are no numbers in an array, column names of
        several levels or with control characters, or a name that stands twice.
    TypeError
        For what holds no table.
    """
    if is_lazy(X) or hasattr(X, "__cuda_array_interface__"):
        return X
    if isinstance(X, pd.DataFrame):
        return _plain_frame(X, name)
    if sparse.issparse(X) or hasattr(X, "tocsr"):
        return _plain_sparse(X, name)
    frame = _frame_of_other(X, name)
    return _plain_array(X, name) if frame is None else _plain_frame(frame, name)


def named_frame(X: Any, name: str = "X") -> pd.DataFrame | None:
    """The frame that a table with named columns is, whatever library it is of; else None.

    Values keep the types that pandas has for them.
    """
    return X if isinstance(X, pd.DataFrame) else _frame_of_other(X, name)


def check_names(X: pd.DataFrame, name: str = "X", *, written: bool = True) -> None:
    """Refuse names by which columns could not be told apart or, if asked, written to a file.

    Raises
    ------
    ValueError
        Names the column.
    """
    if isinstance(X.columns, pd.MultiIndex):
        raise ValueError(
            f"{name} has column names of {X.columns.nlevels} levels: join them, as in "
            "X.columns = ['_'.join(map(str, levels)) for levels in X.columns]."
        )
    names = pd.Index([str(column) for column in X.columns], dtype=object)
    twice = names[names.duplicated()]
    if twice.size:
        raise ValueError(f"Column name {twice[0]!r} stands more than once: rename or drop one.")
    for column in names:
        if written and any(unicodedata.category(c) in ("Cc", "Cs") for c in column):
            raise ValueError(f"Column name {column!r} holds a control character: rename it.")


def first_masked(values: Any) -> int | None:
    """The first row with a masked value; None where none is, and of other arrays."""
    if not isinstance(values, np.ma.MaskedArray):
        return None
    mask = np.ma.getmaskarray(values)
    return int(np.argwhere(mask)[0][0]) if mask.any() else None


def _frame_of_other(X: Any, name: str) -> pd.DataFrame | None:
    """Tables with named columns of other libraries, as frames."""
    if isinstance(X, pd.Series):
        return None
    if hasattr(X, "__dask_graph__"):
        raise TypeError(
            f"{name} is a Dask collection: pass {name}.compute(), or train it with "
            "focaltab.distributed."
        )
    if hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__"):
        import pyarrow as pa

        try:
            table = X if isinstance(X, pa.Table) else pa.table(X)
        except (TypeError, ValueError, pa.ArrowInvalid):
            return None  # one column alone
        return _without_arrow(table)
    if hasattr(X, "columns") and hasattr(X, "to_pandas"):
        return pd.DataFrame(X.to_pandas())
    return None


def _without_arrow(table: Any) -> pd.DataFrame:
    """An Arrow table as pandas' own types: text as objects, dates as moments."""
    names = table.column_names
    # pandas' index among the columns, which is none of them.
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    table = table.rename_columns([str(k) for k in range(len(names))])
    kept = [k for k, name in enumerate(names) if name not in index]
    if len(kept) < len(names):
        table, names = table.select([str(k) for k in kept]), [names[k] for k in kept]
    frame = table.replace_schema_metadata(None).to_pandas(date_as_object=False)
    frame.columns = pd.Index(names)
    return frame


def _plain_frame(X: pd.DataFrame, name: str) -> pd.DataFrame:
    check_names(X, name)
    changed = {
        place: _plain_column(X.columns[place], X.iloc[:, place])
        for place, dtype in enumerate(X.dtypes)
        if not _is_plain(dtype)
    }
    changed = {place: column for place, column in changed.items() if column is not None}
    if not changed:
        return X
    X = X.copy(deep=False)
    for place, column in changed.items():
        X.isetitem(place, column)
    return X


def _is_plain(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind in "biuMm" or (dtype.kind == "f" and dtype.itemsize in (4, 8))
    return isinstance(dtype, pd.CategoricalDtype) and not isinstance(
        dtype.categories.dtype, pd.ArrowDtype
    )


def _plain_column(name: Any, column: pd.Series) -> Any:
    """A column in NumPy's or pandas' own types; None where it is so already."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):  # of Arrow's values
        return column.cat.rename_categories(dtype.categories.tolist())
    if isinstance(dtype, pd.SparseDtype):
        return np.asarray(column)
    if isinstance(dtype, np.dtype):
        if dtype.kind == "f":
            return column.to_numpy(np.float32 if dtype.itemsize < 8 else np.float64)
        if dtype.kind != "O":
            return None
        if pd.api.types.infer_dtype(column, skipna=True) in NUMBERS_AS_OBJECTS | {"empty"}:
            try:
                return column.to_numpy(np.float64, na_value=np.nan)
            except OverflowError:
                raise ValueError(
                    f"Column {name!r} holds a whole number beyond what a float can hold: scale it."
                ) from None
        return None
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        arrow = dtype.pyarrow_dtype
        if pa.types.is_decimal(arrow):
            return column.to_numpy(np.float64, na_value=np.nan)
        if pa.types.is_null(arrow):
            return np.full(len(column), np.nan)
        if pa.types.is_dictionary(arrow):
            plain = pa.array(column.array).to_pandas().array
            return plain.rename_categories(plain.categories.tolist())
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return _plain_numbers(column)
    return None


def _plain_numbers(column: pd.Series) -> NDArray[Any]:
    """Numbers of an extension type; those of whole numbers with gaps become floats."""
    single = getattr(column.dtype, "itemsize", 8) == 4 and column.dtype.kind == "f"
    if column.hasnans or column.dtype.kind == "f":
        return column.to_numpy(np.float32 if single else np.float64, na_value=np.nan)
    numpy_dtype = getattr(column.dtype, "numpy_dtype", np.dtype(np.float64))
    return column.to_numpy(numpy_dtype if numpy_dtype.kind in "biu" else np.float64)


def _plain_sparse(X: Any, name: str) -> Any:
    if len(X.shape) != 2:
        raise ValueError(f"{name} must have two dimensions, got shape {X.shape}.")
    _check_places(X, name)
    matrix = X.tocsr()
    if not sparse.issparse(matrix):  # of another library
        parts = (matrix.data, matrix.indices, matrix.indptr)
        matrix = sparse.csr_matrix(tuple(map(np.asarray, parts)), shape=matrix.shape)
    if matrix.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} is of dtype {matrix.dtype}.")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} is a sparse matrix of dtype {matrix.dtype}: make it of numbers.")
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    data = matrix.data
    if data.dtype not in (np.float32, np.float64):
        data = data.astype(np.float64)
    small = max(matrix.nnz, *matrix.shape) <= _INT32
    index = np.int32 if small else np.int64
    # The libraries read memory as if it had no strides.
    parts = (
        np.ascontiguousarray(data),
        np.ascontiguousarray(matrix.indices, dtype=index),
        np.ascontiguousarray(matrix.indptr, dtype=index),
    )
    same = (matrix.data, matrix.indices, matrix.indptr)
    if isinstance(matrix, sparse.csr_matrix) and all(
        one is other for one, other in zip(parts, same, strict=True)
    ):
        return matrix
    plain = sparse.csr_matrix(parts, shape=matrix.shape, copy=False)
    plain.has_canonical_format = True
    return plain


def _check_places(X: Any, name: str) -> None:
    """Refuse a matrix whose indices point outside of it: conversions would write there."""
    try:
        if getattr(X, "format", "") in ("csr", "csc", "bsr"):
            X.check_format(full_check=True)
        elif getattr(X, "format", "") == "coo":
            lengths = {len(X.data), *map(len, X.coords)}
            if len(lengths) > 1:
                raise ValueError("row, column and data differ in length")
            for places, size in zip(X.coords, X.shape, strict=True):
                if places.size and not (places.min() >= 0 and places.max() < size):
                    raise ValueError(f"an index lies outside of 0 to {size - 1}")
    except ValueError as error:
        raise ValueError(
            f"{name} is a sparse matrix that contradicts itself ({error}): make it anew from rows, "
            "columns and values."
        ) from None


def _plain_array(X: Any, name: str) -> NDArray[Any]:
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    try:
        values = np.asarray(X)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} is no table: {error}") from None
    if values.ndim != 2:
        _refuse_dimensions(values, name)
    kind = values.dtype.kind
    if kind == "O":
        return _numbers_of_objects(values, name)
    if kind == "c":
        raise ValueError(f"Complex data not supported: {name} is of dtype {values.dtype}.")
    if kind in "US":
        raise ValueError(
            f"{name} is an array of text, such as {values.flat[0]!r}: make it of numbers, or pass "
            "a DataFrame whose columns of text are categories."
            if values.size
            else f"{name} is an array of text: make it of numbers."
        )
    if kind in "mM":
        raise ValueError(
            f"{name} is an array of dates or times ({values.dtype}): turn them into numbers (an "
            "hour, days since an event)."
        )
    if kind not in "biuf":
        raise ValueError(f"{name} is an array of dtype {values.dtype}: make it of numbers.")
    if kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    contiguous = values.flags.c_contiguous or values.flags.f_contiguous
    return values if contiguous else np.ascontiguousarray(values)


def _refuse_dimensions(values: NDArray[Any], name: str) -> None:
    if values.ndim == 1:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: {name} has shape {values.shape}. Reshape "
            "your data either using array.reshape(-1, 1) if it has a single feature or "
            "array.reshape(1, -1) if it is a single row."
        )
    if values.ndim == 0:
        raise TypeError(
            f"Expected 2D array, got a {values.dtype} instead: {name} must be a table of rows and "
            "columns. Reshape your data."
        )
    raise ValueError(f"Expected 2D array, got {values.ndim}D array of shape {values.shape}.")


def _numbers_of_objects(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    numbers = np.empty(values.shape, np.float64)
    for (row, column), value in np.ndenumerate(values):
        try:
            numbers[row, column] = np.nan if value is pd.NA or value is pd.NaT else float(value)
        except (TypeError, ValueError, OverflowError):
            where = f"{name} holds {value!r} in column {column}, row {row}"
            if isinstance(value, str):
                raise ValueError(
                    f"{where}, where a number is needed: make it one, or pass a DataFrame whose "
                    "columns of text are categories."
                ) from None
            raise TypeError(
                f"{where}: argument must be a string or a number, not {type(value).__name__}."
            ) from None
    return numbers
