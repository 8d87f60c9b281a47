"""Predictions of Dask collections by a local model, not computed until asked for."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask import delayed
from numpy.typing import NDArray

from focaltab.distributed._partitions import (
    array_from,
    check_collection,
    partitions_of,
    sizes_of,
)


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
