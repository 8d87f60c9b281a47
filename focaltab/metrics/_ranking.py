"""Figures of a ranking: what an analyst finds by working alerts from the top."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from focaltab.metrics._curve import Curve, Floats
from focaltab.metrics._validation import check_rows, check_share

# Weighted shares are sums of floats: one that should equal a bound may miss it by this much.
_ROUNDING = 1e-12


def average_precision(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Average precision, ``sum_n (R_n - R_{n-1}) P_n`` over distinct scores (scikit-learn's).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
    y_score : array-like of shape (n_samples,)
        Scores, probabilities or log-odds of the positive class; higher is more suspect.
    sample_weight : array-like of shape (n_samples,), default=None
    pos_label : label, default=None
        The positive label.

    Returns
    -------
    float
        In (0, 1]; a random ranking's expectation is the prevalence.

    Raises
    ------
    ValueError
        For NaN scores, lengths that differ, one class only, more than two labels, labels of no
        known order without `pos_label`, or unusable weights.

    Examples
    --------
    >>> from focaltab.metrics import average_precision
    >>> round(average_precision([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7]), 4)
    0.8333
    """
    return average_precision_of(Curve.of(check_rows(y_true, y_score, sample_weight, pos_label)))


def average_precision_of(curve: Curve) -> float:
    """Average precision of a curve."""
    gained = np.diff(curve.recall, prepend=0.0)
    return float(gained @ curve.precision)


def average_precision_gain(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Area under the precision-recall-gain curve (AUPRG).

    With prevalence ``pi``, precision gain is ``(prec - pi) / ((1 - pi) prec)`` and recall gain
    ``(rec - pi) / ((1 - pi) rec)``; the area is over recall gains from 0 to 1, with linear
    interpolation, which is right in gain space (Flach and Kull, "Precision-Recall-Gain Curves:
    PR Analysis Done Right", NeurIPS 2015). The curve enters at ``rec = pi``, interpolated on the
    line between the neighbouring thresholds' counts.

    Parameters, errors : as in `average_precision`.

    Returns
    -------
    float
        1 is perfect, 0 a random ranking; worse than random is negative.

    Examples
    --------
    >>> from focaltab.metrics import average_precision_gain
    >>> average_precision_gain([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    1.0
    """
    curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
    recall_gain, precision_gain = gain_points(curve)
    return float(np.trapezoid(precision_gain, recall_gain))


def gain_points(curve: Curve) -> tuple[Floats, Floats]:
    """Recall gain, from 0 to 1, and precision gain at each threshold."""
    true = np.append(0.0, curve.true_positive)
    false = np.append(0.0, curve.false_positive)
    entry = curve.prevalence * curve.positives
    after = int(np.searchsorted(true, entry))
    share = (entry - true[after - 1]) / (true[after] - true[after - 1])
    entry_false = false[after - 1] + share * (false[after] - false[after - 1])
    # A threshold that lies at recall gain 0 is the entry itself.
    rest = after + int(true[after] == entry)
    true, false = np.append(entry, true[rest:]), np.append(entry_false, false[rest:])
    # (x - pi) / ((1 - pi) x) for both shares, written in counts.
    odds = curve.positives / curve.negatives
    return 1.0 - odds * (curve.positives - true) / true, 1.0 - odds * false / true


def precision_at_k(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: float,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Share of positives among the `k` highest scores; ties at the border in expectation.

    Parameters
    ----------
    y_true, y_score, sample_weight, pos_label
        As in `average_precision`.
    k : float
        Rows that can be looked at, at least 1. With `sample_weight` it is a budget of weight in
        the weights' own unit: repeated rows under whole-numbered weights, and a share of all rows
        (``k=0.01``) under weights that sum to 1.

    Raises
    ------
    ValueError
        As `average_precision`, and for a `k` below 1 (with weights: not above 0) or above the
        number of rows, or their weight.

    Examples
    --------
    >>> from focaltab.metrics import precision_at_k
    >>> precision_at_k([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], k=2)
    0.5
    """
    hits, _ = _hits_at_k(y_true, y_score, k, sample_weight, pos_label)
    return hits / k


def recall_at_k(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: float,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Share of all positives found among the `k` highest scores; ties in expectation.

    Parameters and errors as in `precision_at_k`.

    Examples
    --------
    >>> from focaltab.metrics import recall_at_k
    >>> recall_at_k([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], k=3)
    1.0
    """
    hits, curve = _hits_at_k(y_true, y_score, k, sample_weight, pos_label)
    return hits / curve.positives


def lift_at_k(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: float,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """How many times more positives the `k` highest scores hold than `k` random rows.

    ``precision_at_k / prevalence``; parameters and errors as in `precision_at_k`.

    Examples
    --------
    >>> from focaltab.metrics import lift_at_k
    >>> lift_at_k([0, 1, 0, 0], [0.1, 0.9, 0.8, 0.7], k=1)
    4.0
    """
    hits, curve = _hits_at_k(y_true, y_score, k, sample_weight, pos_label)
    return hits / k / curve.prevalence


def _hits_at_k(
    y_true: ArrayLike, y_score: ArrayLike, k: float, sample_weight: Any, pos_label: Any
) -> tuple[float, Curve]:
    """Expected positives among the `k` highest rows, or of a weight of `k`, and the curve."""
    curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
    total = float(curve.called[-1])
    if sample_weight is None and not 1 <= k <= total:
        raise ValueError(f"k must lie from 1 to the {total:g} rows, got {k}.")
    if not 0 < k <= total * (1.0 + _ROUNDING):
        raise ValueError(f"k must lie above 0 and not above the rows' weight {total:g}, got {k}.")
    return float(curve.hits(k)), curve


def recall_at_precision(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    precision: float,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Largest recall of any threshold whose precision is at least `precision`; 0 if there is none.

    Parameters
    ----------
    y_true, y_score, sample_weight, pos_label
        As in `average_precision`.
    precision : float in (0, 1]

    Raises
    ------
    ValueError
        As `average_precision`, and for a `precision` outside (0, 1].

    Examples
    --------
    >>> from focaltab.metrics import recall_at_precision
    >>> recall_at_precision([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], precision=0.9)
    0.5
    """
    least = check_share("precision", precision)
    curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
    return float(curve.recall[curve.precision >= least - _ROUNDING].max(initial=0.0))


def precision_at_recall(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    recall: float,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Largest precision of any threshold whose recall is at least `recall`.

    Parameters
    ----------
    y_true, y_score, sample_weight, pos_label
        As in `average_precision`.
    recall : float in (0, 1]

    Raises
    ------
    ValueError
        As `average_precision`, and for a `recall` outside (0, 1].

    Examples
    --------
    >>> from focaltab.metrics import precision_at_recall
    >>> precision_at_recall([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.7], recall=0.9)
    1.0
    """
    least = check_share("recall", recall)
    curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
    return float(curve.precision[curve.recall >= least - _ROUNDING].max())


def recall_at_fpr(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    fpr: float,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Largest recall of any threshold that calls at most the share `fpr` of the negatives.

    Parameters
    ----------
    y_true, y_score, sample_weight, pos_label
        As in `average_precision`.
    fpr : float in [0, 1]
        False positive rate.

    Raises
    ------
    ValueError
        As `average_precision`, and for an `fpr` outside [0, 1].

    Examples
    --------
    >>> from focaltab.metrics import recall_at_fpr
    >>> recall_at_fpr([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], fpr=0.0)
    0.5
    """
    most = check_share("fpr", fpr, open_below=False)
    curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
    return float(curve.recall[curve.false_positive_rate <= most + _ROUNDING].max(initial=0.0))


def partial_pr_area(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    min_recall: float = 0.0,
    max_recall: float = 1.0,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Mean precision over a range of recall: average precision's steps cut to the range.

    Parameters
    ----------
    y_true, y_score, sample_weight, pos_label
        As in `average_precision`, which is this over the whole range.
    min_recall, max_recall : float
        The range, inside [0, 1].

    Returns
    -------
    float
        The area divided by the width of the range.

    Raises
    ------
    ValueError
        As `average_precision`, and for a range that is empty or outside [0, 1].

    Examples
    --------
    >>> from focaltab.metrics import partial_pr_area
    >>> partial_pr_area([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], max_recall=0.5)
    1.0
    """
    if not 0.0 <= min_recall < max_recall <= 1.0:
        raise ValueError(
            f"min_recall < max_recall must lie in [0, 1], got {min_recall} and {max_recall}."
        )
    curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
    inside = np.clip(curve.recall, min_recall, max_recall)
    gained = np.diff(inside, prepend=min_recall)
    return float(gained @ curve.precision) / (max_recall - min_recall)
