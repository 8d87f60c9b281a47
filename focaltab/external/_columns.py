"""What a column of a Parquet file is as a feature, and its values as pandas holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


@dataclass(frozen=True)
class Column:
    """A feature with the dtype that it has in every batch.

    ``categories`` are those of all files in sorted order; None for numbers.
    """

    name: str
    dtype: Any
    categories: pd.Index | None = None

    def values(self, chunks: Sequence[pa.Array]) -> Any:
        """The values of one batch, which may come from several row groups and files.

        Raises
        ------
        ValueError
            For a value that the first pass did not see.
        """
        if self.categories is None:
            return _joined([numbers(chunk, self.dtype) for chunk in chunks])
        codes = [codes_of(*as_codes(chunk), self.categories, self.name) for chunk in chunks]
        return pd.Categorical.from_codes(_joined(codes), dtype=self.dtype)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def kind(type_: pa.DataType) -> str | None:
    """``"number"``, ``"text"``, or None for what can be no feature."""
    if pa.types.is_dictionary(type_):
        return "text" if kind(type_.value_type) else None
    if is_text(type_):
        return "text"
    numeric = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return "number" if any(fits(type_) for fits in numeric) else None


def is_text(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
    )


def same_type(first: pa.DataType, other: pa.DataType) -> bool:
    """Whether files may differ so: text is text, however a writer stored it."""
    if pa.types.is_dictionary(first) or pa.types.is_dictionary(other):
        first, other = (t.value_type if pa.types.is_dictionary(t) else t for t in (first, other))
    return bool(first.equals(other) or (is_text(first) and is_text(other)))


def number_dtype(type_: pa.DataType, has_gaps: bool) -> np.dtype[Any]:
    """NumPy's dtype of a column of numbers; integers and truth values with gaps become floats."""
    if pa.types.is_float16(type_) or pa.types.is_float32(type_):
        return np.dtype(np.float32)
    plain = pa.types.is_integer(type_) or pa.types.is_boolean(type_)
    return np.dtype(np.float64) if has_gaps or not plain else np.dtype(type_.to_pandas_dtype())


def numbers(column: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers of a dtype, gaps as NaN."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan, dtype)
    if pa.types.is_decimal(column.type):
        column = pc.cast(column, pa.float64())
    elif column.null_count and pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype(dtype, copy=False)


def as_codes(chunk: pa.Array) -> tuple[pa.Array, NDArray[np.intp]]:
    """Distinct values of a chunk, and the position among them of each row; -1 where missing."""
    encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(pa.scalar(-1, indices.type))
    return encoded.dictionary, np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.intp)


def codes_of(
    values: pa.Array, positions: NDArray[np.intp], known: pd.Index, name: str
) -> NDArray[np.intp]:
    """Number of each row's value among the `known`, -1 where missing."""
    places = np.append(known.get_indexer(pd.Index(values.to_pylist())), -1).astype(np.intp)
    if len(values) and values.null_count:  # a dictionary may hold its missing value itself
        places[:-1][np.asarray(values.is_null().to_numpy(zero_copy_only=False))] = -1
        present = np.asarray(values.is_valid().to_numpy(zero_copy_only=False))
    else:
        present = np.ones(len(values), bool)
    codes = places[positions]
    strange = np.flatnonzero((codes < 0) & (positions >= 0) & np.append(present, False)[positions])
    if strange.size:
        value = values[int(positions[strange[0]])].as_py()
        raise ValueError(
            f"Column {name!r} holds {value!r}, which was not there when the table was made: the "
            "file has changed. Make the ParquetTable anew."
        )
    return codes


def sorted_categories(found: set[Any], name: str) -> pd.Index:
    """All values of a column in sorted order.

    Raises
    ------
    ValueError
        If they have no common order.
    """
    try:
        return pd.Index(sorted(found)) if found else pd.Index([], dtype="str")
    except TypeError:
        kinds = sorted({type(value).__name__ for value in found})
        raise ValueError(
            f"Column {name!r} mixes values of types {', '.join(kinds)}: convert it to one type."
        ) from None
