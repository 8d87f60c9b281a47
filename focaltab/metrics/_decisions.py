"""Figures of decisions: what they cost, and the threshold that makes them best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focaltab.metrics._curve import Curve, Floats
from focaltab.metrics._validation import BinaryRows, check_decisions, check_rows


class BestThreshold(NamedTuple):
    """The largest value that a figure takes, and the score from which to call rows positive."""

    value: float
    threshold: float


def max_f_beta(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    beta: float = 1.0,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> BestThreshold:
    """Largest F-beta over all thresholds, and the threshold.

    ``(1 + b^2) TP / (TP + FP + b^2 P)``: recall counts `beta` times as much as precision (van
    Rijsbergen 1979). The threshold is chosen on these rows, so the value is optimistic for others.

    Parameters
    ----------
    y_true, y_score, sample_weight, pos_label
        As in `average_precision`.
    beta : float, default=1.0

    Returns
    -------
    BestThreshold
        ``value`` and ``threshold``; rows that score at least the threshold are positive. Of equal
        values the highest threshold, which makes the fewest alerts.

    Raises
    ------
    ValueError
        As `average_precision`, and for a `beta` that is not positive.

    Examples
    --------
    >>> from focaltab.metrics import max_f_beta
    >>> max_f_beta([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.7])
    BestThreshold(value=1.0, threshold=0.7)
    """
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta must be positive and finite, got {beta}.")
    return best_threshold(
        Curve.of(check_rows(y_true, y_score, sample_weight, pos_label)),
        lambda c: (1 + beta**2) * c.true_positive / (c.called + beta**2 * c.positives),
    )


def max_matthews_corrcoef(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> BestThreshold:
    """Largest Matthews correlation over all thresholds, and the threshold.

    The correlation of labels and decisions (Matthews 1975); 0 where all rows or none are called,
    as in scikit-learn. Parameters, results and errors as in `max_f_beta`.

    Examples
    --------
    >>> from focaltab.metrics import max_matthews_corrcoef
    >>> max_matthews_corrcoef([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.7])
    BestThreshold(value=1.0, threshold=0.7)
    """
    return best_threshold(
        Curve.of(check_rows(y_true, y_score, sample_weight, pos_label)), _matthews
    )


def _matthews(curve: Curve) -> Floats:
    called, total = curve.called, curve.positives + curve.negatives
    covariance = curve.true_positive * total - called * curve.positives
    spread = called * (total - called) * curve.positives * curve.negatives
    out = np.zeros(called.size)
    return np.asarray(np.divide(covariance, np.sqrt(spread), out=out, where=spread > 0))


def best_threshold(curve: Curve, figure: Callable[[Curve], Floats]) -> BestThreshold:
    """Largest value of a figure on a curve; of equal ones the highest threshold."""
    values = figure(curve)
    best = int(values.argmax())
    return BestThreshold(float(values[best]), float(curve.threshold[best]))


def expected_cost(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    fp_cost: ArrayLike = 1.0,
    fn_cost: ArrayLike = 1.0,
    tp_cost: ArrayLike = 0.0,
    tn_cost: ArrayLike = 0.0,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Mean cost per row of decisions (Elkan, "The Foundations of Cost-Sensitive Learning", 2001).

    For payments, say: a missed fraud costs its amount (``fn_cost=amount``), and every alert costs
    a review (``fp_cost=tp_cost=5``). Rows of one class only, as a day without fraud has, cost
    something too.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
    y_pred : array-like of shape (n_samples,)
        Decisions, in the same labels.
    fp_cost, fn_cost, tp_cost, tn_cost : float or array-like of shape (n_samples,)
        Cost of a false positive, a false negative, and of right decisions; one per row counts
        where the row comes out so. Negative costs are gains.
    sample_weight : array-like of shape (n_samples,), default=None
    pos_label : label, default=None

    Returns
    -------
    float
        In the unit of the costs.

    Raises
    ------
    ValueError
        For labels, lengths or weights that do not fit, and for costs that are not finite or not
        one per row.

    Examples
    --------
    >>> from focaltab.metrics import expected_cost
    >>> expected_cost([0, 1, 1], [1, 0, 1], fp_cost=5, tp_cost=5, fn_cost=[80, 200, 40])
    70.0
    """
    rows, costs = _check(
        y_true, y_pred, sample_weight, pos_label, fp_cost, fn_cost, tp_cost, tn_cost
    )
    return _mean_cost(rows.y, rows.score, costs, rows.weight)


def savings_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    fp_cost: ArrayLike = 1.0,
    fn_cost: ArrayLike = 1.0,
    tp_cost: ArrayLike = 0.0,
    tn_cost: ArrayLike = 0.0,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Share of the cost that decisions save against the cheaper of calling all rows or none.

    ``1 - cost / min(cost of none, cost of all)`` (Bahnsen et al., "Example-Dependent
    Cost-Sensitive Decision Trees", 2015). Parameters and errors as in `expected_cost`.

    Returns
    -------
    float
        1 saves everything, 0 nothing; negative loses.

    Raises
    ------
    ValueError
        As `expected_cost`, and where calling all rows or none costs nothing already.

    Examples
    --------
    >>> from focaltab.metrics import savings_score
    >>> savings_score([0, 1, 0, 0], [0, 1, 0, 1], fp_cost=1, fn_cost=10)
    0.6666666666666667
    """
    rows, costs = _check(
        y_true, y_pred, sample_weight, pos_label, fp_cost, fn_cost, tp_cost, tn_cost
    )
    base = min(
        _mean_cost(rows.y, np.full(rows.y.size, flag), costs, rows.weight) for flag in (False, True)
    )
    if not base > 0:
        raise ValueError(
            f"savings are a share of the cheaper of calling all rows or none, which costs {base:g}."
        )
    return 1.0 - _mean_cost(rows.y, rows.score, costs, rows.weight) / base


def _check(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sample_weight: ArrayLike | None,
    pos_label: Any,
    *costs: ArrayLike,
) -> tuple[BinaryRows, list[Floats]]:
    rows = check_decisions(y_true, y_pred, sample_weight, pos_label)
    names = ("fp_cost", "fn_cost", "tp_cost", "tn_cost")
    return rows, [check_cost(n, c, rows.y.size) for n, c in zip(names, costs, strict=True)]


def check_cost(name: str, cost: ArrayLike, n_rows: int) -> Floats:
    """A cost as an array: of no dimension, or one per row.

    Raises
    ------
    ValueError
        For costs that are not finite or not one per row.
    """
    values = np.asarray(cost, dtype=np.float64)
    if values.shape not in ((), (n_rows,)):
        raise ValueError(
            f"{name} must be a number or one for each of {n_rows} rows, got shape {values.shape}."
        )
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values.reshape(-1)))[0])
        raise ValueError(f"{name} is not finite in row {row}.")
    return values


def _mean_cost(
    y: NDArray[np.bool_], called: NDArray[np.bool_], costs: list[Floats], weight: Floats | None
) -> float:
    total = 0.0
    outcomes = (called & ~y, ~called & y, called & y, ~(called | y))
    for outcome, cost in zip(outcomes, costs, strict=True):
        if cost.ndim:
            rows = np.flatnonzero(outcome)
            total += float(cost[rows].sum() if weight is None else cost[rows] @ weight[rows])
        elif cost:
            count = np.count_nonzero(outcome) if weight is None else weight[outcome].sum()
            total += float(cost) * float(count)
    return total / float(y.size if weight is None else weight.sum())
