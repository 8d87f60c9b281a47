"""Dask collections as lists of partitions, and back."""

from __future__ import annotations

from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed
from dask.dataframe.utils import has_known_categories
from dask.delayed import Delayed
from numpy.typing import NDArray

from focaltab._compat.dask import example_of
from focaltab.data import Reader, as_table, check_features

_HOW = (
    "make it one with dask.dataframe.from_pandas or dask.array.from_array, or use the estimator "
    "of focaltab.boosting for data in memory."
)


def check_collection(collection: Any, name: str) -> None:
    """Refuse what is no Dask collection.

    Raises
    ------
    TypeError
        Names the argument and its type.
    """
    if not isinstance(collection, da.Array | dd.DataFrame | dd.Series):
        kind = f"{type(collection).__module__.split('.')[0]} {type(collection).__name__}"
        raise TypeError(f"{name} must be a Dask array or data frame, got {kind}: {_HOW}")


def partitions_of(collection: Any) -> list[Delayed]:
    """Blocks of rows, not computed; blocks of columns are joined."""
    if not isinstance(collection, da.Array):
        # Optimized, columns of the same files may be cut into other numbers of partitions.
        return list(collection.to_delayed(optimize_graph=False))
    if collection.ndim == 2 and collection.numblocks[1] > 1:
        collection = collection.rechunk({1: -1})
    return list(collection.to_delayed().ravel())


def sizes_of(collection: Any, n_partitions: int) -> list[float]:
    """Rows of each partition where that is known without computing, else NaN."""
    if isinstance(collection, da.Array):
        return [float(size) for size in collection.chunks[0]]
    return [float("nan")] * n_partitions


def check_columns(X: Any, reader: Reader) -> Any:
    """Refuse features that no partition could be trained on; give an empty example of one.

    Raises
    ------
    ValueError
        Names a column of text or times, or of categories that are not known to every partition.
    """
    meta = example_of(X)
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions, got {X.ndim}.")
    if isinstance(X, da.Array):
        if not isinstance(meta, np.ndarray):
            raise ValueError(
                f"X has partitions of {type(meta).__name__}: only dense ones are used."
            )
        if meta.dtype.kind not in "biuf":
            raise ValueError(
                f"X is an array of dtype {meta.dtype}: pass numbers, or a data frame with "
                "categories."
            )
        return np.empty((0, X.shape[1]), meta.dtype)
    for position, name in enumerate(meta.columns):
        column = meta.iloc[:, position]
        if isinstance(column.dtype, pd.CategoricalDtype):
            if not has_known_categories(column):
                raise ValueError(
                    f"Column {name!r} has categories that are not known yet, so partitions could "
                    f"number them differently: call .categorize(columns=[{name!r}]) first."
                )
        elif column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
            raise ValueError(
                f"Column {name!r} is of dtype {column.dtype}: make it a category, as in "
                f"ddf.astype({{{name!r}: 'category'}}).categorize(), or numbers."
            )
    meta = as_table(meta)
    check_features(meta, reader)
    return meta


def features_from(partitions: list[Any], meta: Any, sizes: list[int]) -> Any:
    """One collection of features from partitions like `meta`."""
    if isinstance(meta, pd.DataFrame):
        return dd.from_delayed(partitions, meta=meta, verify_meta=False)
    return array_from(partitions, meta, sizes)


def column_from(partitions: list[Any], dtype: Any, sizes: list[int]) -> da.Array:
    """One array with a number for each row."""
    return array_from(partitions, np.empty(0, dtype), sizes)


def array_from(partitions: list[Any], meta: Any, sizes: Any) -> da.Array:
    """One array from partitions like `meta`, of which some may have an unknown size."""
    blocks = [
        da.from_delayed(part, shape=(size, *meta.shape[1:]), meta=meta)
        for part, size in zip(partitions, sizes, strict=True)
    ]
    return da.concatenate(blocks, axis=0, allow_unknown_chunksizes=True)


def lazy_probabilities(model: Any, X: Any, dtype: Any) -> da.Array:
    """Calibrated probabilities by a fitted local estimator, shape (n_samples, n_classes)."""
    meta = np.empty((0, model.classes_.size), dtype)
    return _by_partition(model, "predict_proba", X, meta)


def lazy_labels(model: Any, X: Any) -> da.Array:
    """Labels by a fitted local estimator, shape (n_samples,)."""
    return _by_partition(model, "predict", X, np.empty(0, model.classes_.dtype))


def _by_partition(model: Any, method: str, X: Any, meta: NDArray[Any]) -> da.Array:
    check_collection(X, "X")
    partitions = partitions_of(X)
    once = delayed(model, traverse=False)  # one copy in the graph, whatever the partitions
    predicted = [delayed(_predicted)(once, method, part, meta) for part in partitions]
    return array_from(predicted, meta, sizes_of(X, len(partitions)))


def _predicted(model: Any, method: str, part: Any, meta: NDArray[Any]) -> NDArray[Any]:
    if len(part) == 0:
        return meta
    return np.asarray(getattr(model, method)(part), dtype=meta.dtype)
