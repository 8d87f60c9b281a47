"""Figures of probabilities: are they right, and do they know more than the prevalence."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from focaltab.metrics._curve import Curve, Floats, equal_mass_bins
from focaltab.metrics._validation import BinaryRows, check_rows


def check_probabilities(
    y_true: ArrayLike, y_proba: ArrayLike, sample_weight: ArrayLike | None, pos_label: Any
) -> BinaryRows:
    """As `check_rows`, and refuse what is no probability.

    Raises
    ------
    ValueError
        Names the first row outside [0, 1].
    """
    rows = check_rows(y_true, y_proba, sample_weight, pos_label, name="y_proba")
    if not (rows.score.min() >= 0.0 and rows.score.max() <= 1.0):
        row = int(np.flatnonzero((rows.score < 0.0) | (rows.score > 1.0))[0])
        raise ValueError(
            f"y_proba is {rows.score[row]} in row {row}: probabilities must lie in [0, 1]."
        )
    return rows


def brier_skill_score(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Share of the Brier score that the model saves against stating the prevalence for every row.

    ``1 - mean((p - y)^2) / (pi (1 - pi))`` (Murphy 1973). The Brier score alone is tiny on rare
    positives, whatever the model.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
    y_proba : array-like of shape (n_samples,)
        Probability of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
    pos_label : label, default=None

    Returns
    -------
    float
        1 is perfect, 0 no better than the prevalence, negative worse.

    Raises
    ------
    ValueError
        As `average_precision`, and for values outside [0, 1].

    Examples
    --------
    >>> from focaltab.metrics import brier_skill_score
    >>> brier_skill_score([0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25])
    0.0
    """
    rows = check_probabilities(y_true, y_proba, sample_weight, pos_label)
    score = np.average((rows.score - rows.y) ** 2, weights=rows.weight)
    prevalence = np.average(rows.y, weights=rows.weight)
    return float(1.0 - score / (prevalence * (1.0 - prevalence)))


def log_loss_skill_score(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Share of the log loss that the model saves against stating the prevalence for every row.

    ``1 - log_loss / entropy(pi)``, McFadden's pseudo R-squared (1974). A probability of 0 or 1
    that proves wrong makes it ``-inf``. Parameters and errors as in `brier_skill_score`.

    Examples
    --------
    >>> from focaltab.metrics import log_loss_skill_score
    >>> log_loss_skill_score([0, 0, 0, 1], [0.0, 0.0, 0.0, 1.0])
    1.0
    """
    rows = check_probabilities(y_true, y_proba, sample_weight, pos_label)
    # float64: one minus a float32 probability has few digits left.
    score = rows.score.astype(np.float64)
    own = np.where(rows.y, score, 1.0 - score)
    with np.errstate(divide="ignore"):
        loss = -np.average(np.log(own), weights=rows.weight)
    prevalence = float(np.average(rows.y, weights=rows.weight))
    entropy = -xlogy(prevalence, prevalence) - xlogy(1.0 - prevalence, 1.0 - prevalence)
    return float(1.0 - loss / entropy)


def calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 10,
    norm: Literal["l1", "l2", "max"] = "l1",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Distance of observed shares from stated probabilities over bins of equal mass.

    Bins of equal width put nearly all rows of a rare class into the first one and measure nothing;
    these hold equally many rows (Nixon et al., "Measuring Calibration in Deep Learning", 2019).
    Rows of equal probability stay together. With few rows a bin the error is biased upwards.

    Parameters
    ----------
    y_true, y_proba, sample_weight, pos_label
        As in `brier_skill_score`.
    n_bins : int, default=10
    norm : {"l1", "l2", "max"}, default="l1"
        Mean, root mean square or largest of the bins' distances.

    Returns
    -------
    float
        In units of probability, 0 to 1; compare it with the prevalence.

    Raises
    ------
    ValueError
        As `brier_skill_score`, and for an unknown `norm` or fewer than one bin.

    Examples
    --------
    >>> from focaltab.metrics import calibration_error
    >>> round(calibration_error([0, 1, 0, 1], [0.1, 0.1, 0.6, 0.6], n_bins=2), 4)
    0.25
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    if norm not in ("l1", "l2", "max"):
        raise ValueError(f"norm must be 'l1', 'l2' or 'max', got {norm!r}.")
    curve = Curve.of(check_probabilities(y_true, y_proba, sample_weight, pos_label))
    bins = equal_mass_bins(curve, n_bins)
    mass, gap = _per_bin(curve, bins)
    if norm == "max":
        return float(np.abs(gap[mass > 0] / mass[mass > 0]).max())
    if norm == "l1":
        return float(np.abs(gap).sum() / mass.sum())
    squares = np.divide(gap**2, mass, out=np.zeros(mass.size), where=mass > 0)
    return float(np.sqrt(squares.sum() / mass.sum()))


def _per_bin(curve: Curve, bins: Any) -> tuple[Floats, Floats]:
    """Weight of each bin, and observed minus stated positives in it."""
    mass = np.diff(curve.called, prepend=0.0)
    positives = np.diff(curve.true_positive, prepend=0.0)
    gap = positives - mass * curve.threshold
    return (
        np.asarray(np.bincount(bins, mass), np.float64),
        np.asarray(np.bincount(bins, gap), np.float64),
    )
