"""An evaluation metric of all workers' rows, where XGBoost would average one for each worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xgboost import DMatrix, collective


class Gathered:
    """A metric for XGBoost that is computed from the scores of every worker.

    Scores, labels and weights travel; features stay where they are. As every worker finds the
    same value, the average that XGBoost takes over workers is that value.

    Parameters
    ----------
    metric : callable
        ``metric(labels, raw_scores, sample_weight=...)``, with a ``__name__``.
    n_classes : int
    """

    def __init__(self, metric: Callable[..., float], n_classes: int) -> None:
        self.metric = metric
        self.n_classes = n_classes

    def __call__(self, raw_scores: NDArray[Any], data: DMatrix) -> tuple[str, float]:
        """The metric's name and value."""
        labels = _rows_of_all_workers(np.asarray(data.get_label(), dtype=np.float32))
        width = () if self.n_classes == 2 else (self.n_classes,)
        scores = _rows_of_all_workers(
            np.asarray(raw_scores, dtype=np.float32).reshape(data.num_row(), *width)
        )
        own = np.asarray(data.get_weight(), dtype=np.float32)
        # A worker without rows has no weights either; none has them only if no worker has.
        if _largest(own.size) == 0:
            return str(self.metric.__name__), float(self.metric(labels, scores))
        weight = _rows_of_all_workers(own)
        return str(self.metric.__name__), float(self.metric(labels, scores, sample_weight=weight))


def _largest(number: int) -> int:
    return int(collective.allreduce(np.array([number], dtype=np.int64), collective.Op.MAX)[0])


def _rows_of_all_workers(own: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of every worker in the order of their ranks."""
    rank = collective.get_rank()
    sizes = np.zeros(collective.get_world_size(), np.int64)
    sizes[rank] = own.shape[0]
    sizes = collective.allreduce(sizes, collective.Op.SUM)
    everything = np.zeros((int(sizes.sum()), *own.shape[1:]), np.float32)
    start = int(sizes[:rank].sum())
    everything[start : start + own.shape[0]] = own
    # What the library returns has lost its shape.
    return collective.allreduce(everything, collective.Op.SUM).reshape(everything.shape)
