"""The figures that early stopping goes by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score


def mean_average_precision(
    codes: NDArray[Any], scores: NDArray[Any], sample_weight: Any = None
) -> float:
    """Average precision of class number 1, or the mean over the classes that are present.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class numbers.
    scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Of the positive class, or the probability of each of several classes.
    sample_weight : array-like of shape (n_samples,), default=None
    """
    if scores.ndim == 1:
        return float(average_precision_score(codes, scores, sample_weight=sample_weight))
    by_class = [
        average_precision_score(codes == k, scores[:, k], sample_weight=sample_weight)
        for k in np.unique(codes)
    ]
    return float(np.mean(by_class))


def mean_log_loss(
    codes: NDArray[Any], probability: NDArray[Any], sample_weight: Any = None
) -> float:
    """Mean of minus the logarithm of what is stated for each row's own class.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class numbers.
    probability : ndarray of shape (n_samples, n_classes)
    sample_weight : array-like of shape (n_samples,), default=None
    """
    own = np.maximum(probability[np.arange(codes.size), codes], np.finfo(np.float64).tiny)
    return -float(np.average(np.log(own), weights=sample_weight))
