"""Stated against observed probability, bin by bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from focaltab.metrics._curve import Curve, equal_mass_bins
from focaltab.metrics._probability import check_probabilities


def calibration_table(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 10,
    confidence_level: float = 0.95,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> pd.DataFrame:
    """Observed share of positives beside the stated probability, over bins of equal mass.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
    y_proba : array-like of shape (n_samples,)
        Probability of the positive class.
    n_bins : int, default=10
        At most so many; rows of equal probability stay in one bin.
    confidence_level : float in (0, 1), default=0.95
    sample_weight : array-like of shape (n_samples,), default=None
    pos_label : label, default=None

    Returns
    -------
    DataFrame
        One row per bin, from low to high probability: ``lowest`` and ``highest`` probability in
        it, ``rows`` (or their weight), ``mean_probability``, ``observed`` share of positives, and
        its Wilson interval (1927) ``low`` and ``high``, which takes a weight for a count.

    Raises
    ------
    ValueError
        For values outside [0, 1], NaN, lengths that differ, one class only, unusable labels or
        weights, or fewer than one bin.

    Examples
    --------
    >>> from focaltab.calibration import calibration_table
    >>> table = calibration_table([0, 0, 0, 1], [0.1, 0.2, 0.6, 0.8], n_bins=2)
    >>> table[["rows", "mean_probability", "observed"]].round(2).values.tolist()
    [[2.0, 0.15, 0.0], [2.0, 0.7, 0.5]]
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}.")
    curve = Curve.of(check_probabilities(y_true, y_proba, sample_weight, pos_label))
    bins = equal_mass_bins(curve, n_bins)
    weight = np.diff(curve.called, prepend=0.0)
    # Thresholds go down: the last of a bin is its lowest.
    last = np.append(np.flatnonzero(np.diff(bins)), bins.size - 1)
    first = np.append(0, last[:-1] + 1)
    rows = np.add.reduceat(weight, first)
    positive = np.add.reduceat(np.diff(curve.true_positive, prepend=0.0), first)
    stated = np.add.reduceat(weight * curve.threshold, first)
    kept = rows > 0  # rows of no weight may have a bin to themselves
    rows, positive = rows[kept], positive[kept]
    low, high = _wilson(positive, rows, confidence_level)
    table = pd.DataFrame(
        {
            "lowest": curve.threshold[last[kept]],
            "highest": curve.threshold[first[kept]],
            "rows": rows if sample_weight is not None else rows.astype(np.intp),
            "mean_probability": stated[kept] / rows,
            "observed": positive / rows,
            "low": low,
            "high": high,
        }
    )
    return table.iloc[::-1].reset_index(drop=True)


def _wilson(
    positive: NDArray[np.float64], rows: NDArray[np.float64], confidence_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z = float(ndtri(0.5 + confidence_level / 2.0))
    share = positive / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
