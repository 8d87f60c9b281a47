"""Figures of a ranking: what an analyst finds by working alerts from the top."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve


def check_scores(y_true: ArrayLike, y_score: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels as 0/1 and scores as float64, of one length, with both classes present.

    Raises
    ------
    ValueError
        For lengths that differ, NaN scores, labels other than 0/1, or one class only.
    """
    y, score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    if y.ndim != 1 or y.shape != score.shape:
        raise ValueError(f"y_true and y_score must be of one length, got {y.shape}, {score.shape}.")
    if y.size == 0:
        raise ValueError("y_true and y_score are empty.")
    if np.isnan(score).any():
        row = int(np.flatnonzero(np.isnan(score))[0])
        raise ValueError(f"y_score is NaN in row {row}.")
    values = np.unique(y)
    if not np.isin(values, [0, 1]).all():
        raise ValueError(f"y_true must hold 0 and 1 only, got {values[:5]}.")
    if values.size < 2:
        raise ValueError(f"y_true holds only class {values[0]}: both classes are needed.")
    return y.astype(bool), score


def average_precision(
    y_true: ArrayLike, y_score: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Average precision, ``sum_n (R_n - R_{n-1}) P_n`` (scikit-learn's).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,), 0 or 1
    y_score : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,), default=None

    Raises
    ------
    ValueError
        For NaN scores, lengths that differ, or one class only.

    Examples
    --------
    >>> round(average_precision([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7]), 4)
    0.8333
    """
    y, score = check_scores(y_true, y_score)
    return float(average_precision_score(y, score, sample_weight=sample_weight))


def recall_at_precision(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    precision: float,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Largest recall of any threshold whose precision is at least `precision`; 0 if there is none.

    Parameters and errors as in `average_precision`.

    Examples
    --------
    >>> recall_at_precision([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], precision=0.9)
    0.5
    """
    if not 0.0 < precision <= 1.0:
        raise ValueError(f"precision must lie in (0, 1], got {precision}.")
    y, score = check_scores(y_true, y_score)
    reached, recall, thresholds = precision_recall_curve(y, score, sample_weight=sample_weight)
    # The curve's last point (precision 1, recall 0) belongs to no threshold.
    good = reached[: thresholds.size] >= precision
    return float(recall[: thresholds.size][good].max(initial=0.0))


def _hits_at_k(y: NDArray[Any], score: NDArray[Any], k: int) -> float:
    """Expected positives among the `k` highest scores, ties at the border drawn evenly."""
    if int(k) != k or not 1 <= k <= y.size:
        raise ValueError(f"k must be a whole number from 1 to {y.size} (the rows), got {k}.")
    k = int(k)
    border = np.partition(score, y.size - k)[y.size - k]
    above, tied = score > border, score == border
    return float(y[above].sum() + (k - above.sum()) * y[tied].mean())


def precision_at_k(y_true: ArrayLike, y_score: ArrayLike, *, k: int) -> float:
    """Share of positives among the `k` highest scores; ties at the border in expectation.

    Examples
    --------
    >>> precision_at_k([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], k=2)
    0.5
    """
    return _hits_at_k(*check_scores(y_true, y_score), k) / k


def recall_at_k(y_true: ArrayLike, y_score: ArrayLike, *, k: int) -> float:
    """Share of all positives found among the `k` highest scores; ties in expectation.

    Examples
    --------
    >>> recall_at_k([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], k=3)
    1.0
    """
    y, score = check_scores(y_true, y_score)
    return _hits_at_k(y, score, k) / float(y.sum())
