"""The prevalence among new rows from their scores alone, with its bootstrap interval."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning

from focaltab.calibration import estimate_prevalence
from focaltab.metrics import Interval

Floats = NDArray[np.float64]

_N_RESAMPLES = 500
_CONFIDENCE = 0.95
# In log-odds. Rows of one bin are replaced by their mean odds, which is right to second order.
_BIN_WIDTH = 0.02
# The iteration is slow where the classes overlap much.
_MAX_ITER = 10_000
# A drawn old prevalence stays a probability.
_FAR = 10.0
_BISECTIONS = 45
# No estimate is below a share of so many rows.
_LEAST_ROWS = 0.5


def prevalence_interval(
    score: Floats,
    old_prevalence: float,
    old_error: float,
    weight: Floats | None,
    rng: np.random.Generator,
) -> Interval:
    """Estimated prevalence (Saerens et al. 2002), and its interval over resamples of the rows.

    The estimate leans on the old prevalence, and hard where the classes overlap much: one that is
    off by a hundredth of itself may move it by a tenth. So the old one is drawn anew for each
    resample too. Else many new rows would show a change between rows that are alike.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        Calibrated probabilities at the old prevalence, strictly between 0 and 1.
    old_prevalence : float in (0, 1)
        What the probabilities are calibrated to: their mean over rows at it.
    old_error : float
        Its standard error.
    weight : ndarray of shape (n_samples,) or None
    rng : Generator

    Returns
    -------
    Interval
    """
    if weight is not None:
        weight = weight / weight.mean()  # so that they count rows
    bins, representative = _binned(score, weight)
    counts = np.bincount(bins, weight, minlength=representative.size).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        value = estimate_prevalence(
            representative, old_prevalence, sample_weight=counts, max_iter=_MAX_ITER
        )
    drawn = _resampled_counts(bins, counts, weight, rng)
    old = rng.normal(old_prevalence, old_error, _N_RESAMPLES)
    old = np.clip(old, old_prevalence / _FAR, 1.0 - (1.0 - old_prevalence) / _FAR)
    estimates = _most_likely(np.exp(logit(representative) - logit(old)[:, None]), drawn)
    tail = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(estimates, [tail, 1.0 - tail])
    # Where classes overlap much the likeliest share may be none at all, of which rows cannot tell.
    least = _LEAST_ROWS / counts.sum()
    return Interval(*(max(float(share), float(least)) for share in (value, low, high)))


def shares_under_label_shift(
    bin_shares: Floats, bin_scores: Floats, old_prevalence: float, new_prevalence: float
) -> Floats:
    """Share of the rows in each bin of the scores if only the shares of the classes changed.

    Of the rows of a bin with mean probability `m` the positives become ``new / old`` times as
    many, the negatives ``(1 - new) / (1 - old)`` times.
    """
    positives = bin_scores * new_prevalence / old_prevalence
    negatives = (1.0 - bin_scores) * (1.0 - new_prevalence) / (1.0 - old_prevalence)
    shares = bin_shares * (positives + negatives)
    return np.asarray(shares / shares.sum())


def _binned(score: Floats, weight: Floats | None) -> tuple[NDArray[np.intp], Floats]:
    """Bin of each row, and the probability of the mean odds of each bin."""
    f = logit(score)
    _, bins = np.unique(np.round(f / _BIN_WIDTH), return_inverse=True)
    odds = np.exp(f) if weight is None else np.exp(f) * weight
    odds = np.bincount(bins, odds) / np.bincount(bins, weight)
    return np.asarray(bins, dtype=np.intp), np.asarray(expit(np.log(odds)))


def _resampled_counts(
    bins: NDArray[np.intp], counts: Floats, weight: Floats | None, rng: np.random.Generator
) -> Floats:
    """Rows (or their weight) in each bin, of resamples of the rows."""
    n_rows = bins.size
    if weight is None:
        drawn = rng.multinomial(n_rows, counts / counts.sum(), size=_N_RESAMPLES)
        return np.asarray(drawn, dtype=np.float64)
    resamples = np.empty((_N_RESAMPLES, counts.size))
    for resample in resamples:
        rows = rng.integers(n_rows, size=n_rows)
        resample[:] = np.bincount(bins[rows], weight[rows], minlength=counts.size)
    return resamples


def _most_likely(ratio: Floats, counts: Floats) -> Floats:
    """The prevalences of most likelihood, one for each row of ratios and counts.

    With ``r = p(x | 1) / p(x | 0)`` the log-likelihood ``sum(c log(1 + pi (r - 1)))`` is concave in
    the prevalence: its maximum, to which the iteration of Saerens et al. goes, is where the
    derivative changes its sign, and halving finds it for all resamples at once.
    """
    excess = ratio - 1.0
    low, high = np.zeros(len(counts)), np.ones(len(counts))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        slope = (counts * (excess / (1.0 + middle[:, None] * excess))).sum(axis=1)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    return (low + high) / 2.0
