"""Intervals of a metric, and of the difference of two models, by the bootstrap."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from focaltab.metrics._sample import Interval, Method, Sample

# Of two models that score at random, a 95% interval of their difference excludes zero in 90% of
# cases with 1 positive, 15% with 5, 9% with 10, 7% with 20, and in 6% with 25, 30, 50 and 100
# (average precision among 500 and among 5,000 negatives, 400 cases each).
ENOUGH_ROWS = 25


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same rows, and the interval of the difference."""

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


def bootstrap_interval(
    metric: str | Callable[..., float],
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    metric_options: Mapping[str, Any] | None = None,
    groups: ArrayLike | None = None,
    method: Method = "percentile",
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    stratified: bool = True,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    random_state: int | np.random.Generator | None = None,
) -> Interval:
    """Confidence interval of a metric over resamples of the rows, or of groups of rows.

    Parameters
    ----------
    metric : str or callable
        A name as `get_scorer` takes it, or ``metric(y_true, y_score, *, sample_weight)`` with
        ``y_true`` of 0 and 1. ``"average_precision"`` is fast: see Notes.
    y_true : array-like of shape (n_samples,)
        Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
    y_score : array-like of shape (n_samples,)
        Scores; for ``"expected_cost"`` and ``"savings_score"``, and wherever it is text, decisions
        in the labels of `y_true`, which reach the metric as 0 and 1 too.
    metric_options : dict, default=None
        Options of the metric, such as ``{"k": 100}``. One of shape (n_samples,), ``{"fn_cost":
        amount}`` say, has a value for each row, which is drawn with its row. The options of a
        ``functools.partial`` are treated alike.
    groups : array-like of shape (n_samples,), default=None
        Whose rows belong together (a customer's are not independent): whole groups are drawn.
    method : {"percentile", "bca"}, default="percentile"
        BCa corrects bias and skewness (Efron 1987); its acceleration comes from a jackknife over
        at most 200 blocks per stratum.
    n_resamples : int, default=1000
    confidence_level : float in (0, 1), default=0.95
    stratified : bool, default=True
        Draw positives and negatives apart (groups: those with a positive row, and the others),
        so that each resample has the same number of both.
    sample_weight : array-like of shape (n_samples,), default=None
    pos_label : label, default=None
    random_state : int, Generator or None, default=None

    Returns
    -------
    Interval
        ``value``, ``low``, ``high``.

    Raises
    ------
    ValueError
        As the metric, and for options out of range, or where most resamples hold one class only.

    Warns
    -----
    FewRowsWarning
        If a class has fewer than 25 rows (groups): the interval is then too narrow.

    Notes
    -----
    Negatives between two neighbouring scores of positives are exchangeable for average precision,
    so each resample draws over those few bins and sorts nothing. A callable sees the very same
    resamples for the same `random_state`, as weights.

    Examples
    --------
    >>> from focaltab.metrics import bootstrap_interval
    >>> value, low, high = bootstrap_interval(
    ...     "average_precision", [0, 1, 0, 1] * 50, [0.1, 0.9, 0.8, 0.7] * 50, random_state=0)
    >>> bool(0.7 < low < value < high < 0.95)
    True

    What decisions cost, where each missed payment costs its own amount:

    >>> amount = [20.0, 90.0, 50.0, 200.0] * 50
    >>> called = [0, 1, 1, 0] * 50
    >>> cost = bootstrap_interval("expected_cost", [0, 1, 0, 1] * 50, called, random_state=0,
    ...                           metric_options={"fp_cost": 5.0, "fn_cost": amount})
    >>> cost.value, bool(cost.low < cost.value < cost.high)
    (51.25, True)
    """
    sample = Sample(
        metric, metric_options, y_true, [y_score], groups, stratified, sample_weight, pos_label
    )
    warn_of_few_rows(sample.models[0].y, groups)
    return sample.interval(lambda v: v[0], method, n_resamples, confidence_level, random_state)


def bootstrap_distribution(
    metric: str | Callable[..., float],
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    metric_options: Mapping[str, Any] | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    stratified: bool = True,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    random_state: int | np.random.Generator | None = None,
) -> NDArray[np.float64]:
    """The metric on each resample, shape (n_resamples,); NaN where a class is absent.

    Parameters and errors as in `bootstrap_interval`.

    Examples
    --------
    >>> from focaltab.metrics import bootstrap_distribution
    >>> bootstrap_distribution("average_precision", [0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7],
    ...                        n_resamples=3, random_state=0).shape
    (3,)
    """
    sample = Sample(
        metric, metric_options, y_true, [y_score], groups, stratified, sample_weight, pos_label
    )
    return sample.distribution(n_resamples, np.random.default_rng(random_state))[0]


def paired_difference(
    metric: str | Callable[..., float],
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    metric_options: Mapping[str, Any] | None = None,
    groups: ArrayLike | None = None,
    method: Method = "percentile",
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    stratified: bool = True,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    random_state: int | np.random.Generator | None = None,
) -> Difference:
    """Difference of two models in a metric, both scored on the same resamples.

    The models' values go up and down together, so the interval of their difference is much
    narrower than the intervals of each suggest.

    Parameters
    ----------
    metric, y_true
        As in `bootstrap_interval`.
    first, second : array-like of shape (n_samples,)
        Scores, or decisions, of the two models.
    metric_options, groups, method, n_resamples, confidence_level, stratified, sample_weight, \
pos_label, random_state
        As in `bootstrap_interval`.

    Returns
    -------
    Difference
        ``value`` is first minus second; ``is_noise`` says whether the interval holds zero.

    Raises
    ------
    ValueError
        As `bootstrap_interval`.

    Warns
    -----
    FewRowsWarning
        As `bootstrap_interval`: of two models that score at random, the interval excludes zero in
        one of six cases with 5 positives instead of one in twenty.

    Examples
    --------
    >>> from focaltab.metrics import paired_difference
    >>> y, score = [0, 1, 0, 1] * 50, [0.1, 0.9, 0.8, 0.7] * 50
    >>> paired_difference("average_precision", y, score, score, random_state=0).value
    0.0
    """
    sample = Sample(
        metric,
        metric_options,
        y_true,
        [first, second],
        groups,
        stratified,
        sample_weight,
        pos_label,
    )
    warn_of_few_rows(sample.models[0].y, groups)
    a, b = sample.values_as_they_are()
    _, low, high = sample.interval(
        lambda v: v[0] - v[1], method, n_resamples, confidence_level, random_state
    )
    return Difference(a, b, low, high)


class FewRowsWarning(UserWarning):
    """An interval was asked for from so few rows of a class that it is too narrow."""


def warn_of_few_rows(y: NDArray[np.bool_], groups: ArrayLike | None) -> None:
    """Warn the caller of an interval if a class has few rows, or few groups that hold any."""
    what = "rows" if groups is None else "groups with rows"
    for is_positive, name in ((True, "positive"), (False, "negative")):
        of_class = y == is_positive
        n = of_class.sum() if groups is None else pd.unique(pd.Series(groups)[of_class]).size
        if 0 < n < ENOUGH_ROWS:
            warnings.warn(
                f"There are only {n} {what} of the {name} class: resamples of so few vary too "
                f"little, and the interval is too narrow. From {ENOUGH_ROWS} on it can be trusted.",
                FewRowsWarning,
                stacklevel=3,
            )
