"""Stratified bootstrap of average precision, without touching every row in every resample.

Average precision needs, at each distinct score of a positive, only how many positives and how
many negatives score at least as high. Negatives between two such scores are exchangeable, so a
resample of all negatives is one multinomial draw over those few bins: the same distribution as
resampling rows, exact with ties, at a cost that grows with the positives alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focaltab.metrics._ranking import average_precision, check_scores

# Counts drawn at once: bounds memory (16 MB an array) however many rows there are.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Difference:
    """Average precision of two models on the same rows, and the interval of the difference."""

    first: float
    second: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """First minus second."""
        return self.first - self.second

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds zero."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class _Bins:
    """Where each positive and each negative stands in the order of distinct positive scores."""

    of_positive: NDArray[np.intp]
    of_negative: NDArray[np.intp]
    n_bins: int


def _bin(y: NDArray[Any], score: NDArray[Any]) -> _Bins:
    levels, of_positive = np.unique(-score[y], return_inverse=True)
    # A negative counts from the first level (going down) that is not above its score.
    of_negative = np.searchsorted(levels, -score[~y], side="left")
    return _Bins(of_positive.reshape(-1), of_negative, levels.size)


def _average_precisions(positives: NDArray[Any], negatives: NDArray[Any]) -> NDArray[np.float64]:
    """Average precision of each resample from counts per level, shape (n_resamples, n_bins)."""
    true = positives.cumsum(axis=1)
    called = true + negatives.cumsum(axis=1)
    precision = np.divide(true, called, out=np.zeros(true.shape), where=called > 0)
    return np.asarray((positives * precision).sum(axis=1) / positives.sum(axis=1))


def _counts(draws: NDArray[Any], bins: NDArray[np.intp], n_bins: int) -> NDArray[Any]:
    """Sum drawn counts of items into their bins, one row per resample."""
    out = np.zeros((draws.shape[0], n_bins))
    for row, draw in zip(out, draws, strict=True):
        row[:] = np.bincount(bins, draw, n_bins)
    return out


def _chunks(n_resamples: int, n_counts: int) -> list[int]:
    """Sizes of the batches in which to draw resamples of `n_counts` counts each."""
    batch = max(1, _CHUNK // n_counts)
    return [min(batch, n_resamples - done) for done in range(0, n_resamples, batch)]


def _check_options(n_resamples: int, confidence_level: float) -> None:
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}.")


def average_precision_interval(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Percentile interval of average precision over stratified resamples of the rows.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,), 0 or 1
    y_score : array-like of shape (n_samples,)
    n_resamples : int, default=1000
    confidence_level : float in (0, 1), default=0.95
    random_state : int or None, default=None

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        For NaN scores, lengths that differ, one class only, no resamples, or a level outside
        (0, 1).

    Examples
    --------
    >>> low, high = average_precision_interval([0, 1, 0, 1] * 50, [0.1, 0.9, 0.8, 0.7] * 50,
    ...                                        random_state=0)
    >>> bool(0.7 < low < 0.8333 < high < 0.95)
    True
    """
    _check_options(n_resamples, confidence_level)
    y, score = check_scores(y_true, y_score)
    bins = _bin(y, score)
    # A generator for each class: batches of any size then give the same resamples.
    of_class = np.random.default_rng(random_state).spawn(2)
    positives = np.bincount(bins.of_positive, minlength=bins.n_bins)
    # One more bin for the negatives below every positive, which never count.
    negatives = np.bincount(bins.of_negative, minlength=bins.n_bins + 1)
    values = [
        _average_precisions(
            of_class[1].multinomial(positives.sum(), positives / positives.sum(), size),
            of_class[0].multinomial(negatives.sum(), negatives / negatives.sum(), size)[:, :-1],
        )
        for size in _chunks(n_resamples, bins.n_bins + 1)
    ]
    return _percentiles(np.concatenate(values), confidence_level)


def paired_average_precision(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    n_resamples: int = 500,
    confidence_level: float = 0.95,
    random_state: int | None = None,
) -> Difference:
    """Difference in average precision of two models, both scored on the same resamples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,), 0 or 1
    first, second : array-like of shape (n_samples,)
        Scores of the two models.
    n_resamples, confidence_level, random_state
        As in `average_precision_interval`.

    Returns
    -------
    Difference

    Raises
    ------
    ValueError
        As `average_precision_interval`.
    """
    _check_options(n_resamples, confidence_level)
    y, score_a = check_scores(y_true, first)
    _, score_b = check_scores(y_true, second)
    a, b = _bin(y, score_a), _bin(y, score_b)
    # A generator for each class: batches of any size then give the same resamples.
    of_class = np.random.default_rng(random_state).spawn(2)
    # Negatives that share both bins are exchangeable in both models.
    joint, sizes = np.unique(a.of_negative * (b.n_bins + 1) + b.of_negative, return_counts=True)
    of_a, of_b = joint // (b.n_bins + 1), joint % (b.n_bins + 1)
    n_positive = a.of_positive.size
    differences = []
    for size in _chunks(n_resamples, max(n_positive, joint.size)):
        positive = of_class[1].multinomial(n_positive, np.full(n_positive, 1.0 / n_positive), size)
        negative = of_class[0].multinomial(sizes.sum(), sizes / sizes.sum(), size)
        values = [
            _average_precisions(
                _counts(positive, bins.of_positive, bins.n_bins),
                _counts(negative, of, bins.n_bins + 1)[:, :-1],
            )
            for bins, of in ((a, of_a), (b, of_b))
        ]
        differences.append(values[0] - values[1])
    low, high = _percentiles(np.concatenate(differences), confidence_level)
    return Difference(average_precision(y, score_a), average_precision(y, score_b), low, high)


def _percentiles(values: NDArray[np.float64], confidence_level: float) -> tuple[float, float]:
    tail = (1.0 - confidence_level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
