"""Probabilities for another prevalence than the one they were trained at: a shift of log-odds.

If only the class shares change and not what each class looks like, the log-odds of every row move
by the same number (Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to
New a Priori Probabilities", Neural Computation 14, 2002, eq. 2.4).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning


def prior_shift(
    y_proba: ArrayLike,
    old_prevalence: float,
    new_prevalence: float | None = None,
) -> NDArray[Any]:
    """Probabilities corrected for a changed prevalence.

    ``logit(p') = logit(p) + logit(new) - logit(old)``.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples,)
        Calibrated probability of the positive class at the old prevalence.
    old_prevalence : float in (0, 1)
        Share of positives where the model was trained.
    new_prevalence : float in (0, 1), default=None
        Share where it is used; None estimates it from `y_proba` (`estimate_prevalence`).

    Returns
    -------
    ndarray of shape (n_samples,)
        float32 for float32 input, else float64. 0 and 1 stay.

    Raises
    ------
    ValueError
        For values that are no probabilities, and prevalences outside (0, 1).

    Examples
    --------
    >>> from focaltab.calibration import prior_shift
    >>> prior_shift([0.5, 0.01], old_prevalence=0.5, new_prevalence=0.01).round(5).tolist()
    [0.01, 0.0001]
    """
    p = _check_probabilities(y_proba)
    old = _check_prevalence("old_prevalence", old_prevalence)
    if new_prevalence is None:
        new_prevalence = estimate_prevalence(p, old)
    new = _check_prevalence("new_prevalence", new_prevalence)
    return _shift(p, float(logit(new) - logit(old)))


def undo_resampling(
    y_proba: ArrayLike, *, positive_rate: float = 1.0, negative_rate: float = 1.0
) -> NDArray[Any]:
    """Probabilities for all rows, from a model trained on resampled ones.

    A model that saw each positive at rate ``r1`` and each negative at rate ``r0`` learns log-odds
    that are too high by ``log(r1 / r0)`` (Elkan 2001; for undersampling Dal Pozzolo et al.,
    "Calibrating Probability with Undersampling for Unbalanced Classification", 2015).

    Parameters
    ----------
    y_proba : array-like of shape (n_samples,)
        Probability of the positive class, calibrated to the resampled rows.
    positive_rate, negative_rate : float, default=1.0
        How often a row of the class was kept or repeated: 0.05 keeps one in twenty, 20 repeats
        each twenty times.

    Returns
    -------
    ndarray of shape (n_samples,)
        float32 for float32 input, else float64. 0 and 1 stay.

    Raises
    ------
    ValueError
        For values that are no probabilities, and rates that are not positive.

    Examples
    --------
    >>> from focaltab.calibration import undo_resampling
    >>> undo_resampling([0.5], negative_rate=0.01).round(6).tolist()
    [0.009901]
    """
    for name, rate in (("positive_rate", positive_rate), ("negative_rate", negative_rate)):
        if not (np.isfinite(rate) and rate > 0):
            raise ValueError(f"{name} must be positive and finite, got {rate}.")
    return _shift(_check_probabilities(y_proba), float(np.log(negative_rate / positive_rate)))


def estimate_prevalence(
    y_proba: ArrayLike,
    old_prevalence: float,
    *,
    sample_weight: ArrayLike | None = None,
    tol: float = 1e-8,
    max_iter: int = 1000,
) -> float:
    """Prevalence among new, unlabelled rows, from a calibrated model's probabilities.

    The maximum-likelihood estimate, by the EM iteration of Saerens et al. (2002, section 2.2):
    shift the probabilities to the current estimate, take their mean, repeat. It assumes that the
    model is calibrated and that each class looks as it did in training.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples,)
        Calibrated probability of the positive class at the old prevalence.
    old_prevalence : float in (0, 1)
    sample_weight : array-like of shape (n_samples,), default=None
    tol : float, default=1e-8
        Stop when the estimate changes by less than this share of itself.
    max_iter : int, default=1000

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        For values that are no probabilities, a prevalence outside (0, 1), or unusable weights.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` steps are not enough.

    Examples
    --------
    >>> from focaltab.calibration import estimate_prevalence
    >>> round(estimate_prevalence([0.9, 0.9, 0.1, 0.1], old_prevalence=0.5), 3)
    0.5
    """
    p = _check_probabilities(y_proba).astype(np.float64)
    old = _check_prevalence("old_prevalence", old_prevalence)
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=np.float64)
        if weight.shape != p.shape or not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"sample_weight must hold one finite weight, not negative and not all zero, for "
                f"each of {p.size} rows."
            )
    f = logit(p) - logit(old)
    estimate = old
    for _ in range(max_iter):
        before = estimate
        estimate = float(np.average(expit(f + logit(before)), weights=weight))
        if abs(estimate - before) <= tol * before:
            return estimate
    warnings.warn(
        f"the estimated prevalence still changes after {max_iter} steps; raise max_iter.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return estimate


def _shift(p: NDArray[Any], offset: float) -> NDArray[Any]:
    return np.asarray(expit(logit(p) + p.dtype.type(offset)), dtype=p.dtype)


def _check_probabilities(y_proba: ArrayLike) -> NDArray[Any]:
    p = np.asarray(y_proba)
    if p.dtype != np.float32:
        p = p.astype(np.float64)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(
            f"y_proba must hold one probability of the positive class per row, got shape {p.shape}."
        )
    bad = ~((p >= 0.0) & (p <= 1.0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"y_proba is {p[row]} in row {row}: probabilities must lie in [0, 1].")
    return p


def _check_prevalence(name: str, value: float) -> float:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value}.")
    return float(value)
