"""How much two models differ, judged on folds that share their training rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class FoldDifference(NamedTuple):
    """A mean difference over folds, its interval, and the p-value of no difference.

    Parameters
    ----------
    value : float
        Mean difference.
    standard_error : float
        NaN from a single fold, or from differences that are all one number but 0: neither says
        how much they vary. So are the three below.
    low, high : float
        Ends of the interval.
    p_value : float
        Two-sided.
    """

    value: float
    standard_error: float
    low: float
    high: float
    p_value: float


def corrected_difference(
    differences: ArrayLike, test_to_train: float, *, confidence_level: float = 0.95
) -> FoldDifference:
    """Corrected resampled t-test of a paired difference.

    Training parts of folds overlap, so their results are not independent, and the ordinary t-test
    calls far too many differences real. Here the variance of the mean of `n` differences is
    ``(1 / n + test_to_train) * s**2`` (Nadeau and Bengio, "Inference for the Generalization
    Error", Machine Learning 52, 2003; for repeated cross-validation Bouckaert and Frank,
    "Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms", PAKDD
    2004), with ``s**2`` the unbiased sample variance and ``n - 1`` degrees of freedom.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Score of one model minus score of the other, on the same fold.
    test_to_train : float
        Rows of a test part over rows of a training part: 1/4 for five folds.
    confidence_level : float, default=0.95

    Returns
    -------
    FoldDifference

    Raises
    ------
    ValueError
        For no differences, any that is not finite, a ratio that is not positive, or a confidence
        level outside (0, 1).

    Examples
    --------
    >>> from focaltab.model_selection._paired import corrected_difference
    >>> result = corrected_difference([0.01, 0.03, -0.01, 0.02, 0.0], 1 / 4)
    >>> round(result.value, 3), round(result.low, 3), round(result.high, 3)
    (0.01, -0.019, 0.039)
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or d.size == 0:
        raise ValueError(f"differences must hold one number for each fold, got shape {d.shape}.")
    if not np.isfinite(d).all():
        fold = int(np.flatnonzero(~np.isfinite(d))[0])
        raise ValueError(f"differences is {d[fold]} in fold {fold + 1}: it must be finite.")
    if not (math.isfinite(test_to_train) and test_to_train > 0):
        raise ValueError(f"test_to_train must be positive and finite, got {test_to_train!r}.")
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence_level must lie strictly in (0, 1), got {confidence_level!r}.")
    value = float(d.mean())
    if d.size < 2:
        return FoldDifference(value, math.nan, math.nan, math.nan, math.nan)
    if not d.any():
        return FoldDifference(0.0, 0.0, 0.0, 0.0, 1.0)
    error = math.sqrt((1.0 / d.size + test_to_train) * float(d.var(ddof=1)))
    if (d == d[0]).all() or error == 0.0:
        # Two folds of few positives can agree by chance: that is no sign that nothing varies.
        value = float(d[0]) if (d == d[0]).all() else value  # a mean of equals may be rounded
        return FoldDifference(value, math.nan, math.nan, math.nan, math.nan)
    reach = float(stats.t.ppf(0.5 + confidence_level / 2.0, d.size - 1)) * error
    p_value = float(2.0 * stats.t.sf(abs(value) / error, d.size - 1))
    return FoldDifference(value, error, value - reach, value + reach, p_value)
