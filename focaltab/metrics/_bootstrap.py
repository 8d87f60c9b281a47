"""Intervals of a metric, and of the difference of two models, by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import ndtr, ndtri

from focaltab.metrics._door import BinaryRows, check_rows
from focaltab.metrics._named import Metric, as_metric, is_average_precision
from focaltab.metrics._resample import Counts, Units

Method = Literal["percentile", "bca"]
_JACKKNIFE_BLOCKS = 200


class Interval(NamedTuple):
    """A metric on the rows as they are, and its confidence interval."""

    value: float
    low: float
    high: float


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
    """
    sample = _Sample(metric, y_true, [y_score], groups, stratified, sample_weight, pos_label)
    return sample.interval(lambda v: v[0], method, n_resamples, confidence_level, random_state)


def bootstrap_distribution(
    metric: str | Callable[..., float],
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
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
    sample = _Sample(metric, y_true, [y_score], groups, stratified, sample_weight, pos_label)
    return sample.distribution(n_resamples, _generator(random_state))[0]


def paired_difference(
    metric: str | Callable[..., float],
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
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
        Scores of the two models.
    groups, method, n_resamples, confidence_level, stratified, sample_weight, pos_label, \
random_state
        As in `bootstrap_interval`.

    Returns
    -------
    Difference
        ``value`` is first minus second; ``is_noise`` says whether the interval holds zero.

    Raises
    ------
    ValueError
        As `bootstrap_interval`.

    Examples
    --------
    >>> from focaltab.metrics import paired_difference
    >>> y, score = [0, 1, 0, 1] * 50, [0.1, 0.9, 0.8, 0.7] * 50
    >>> paired_difference("average_precision", y, score, score, random_state=0).value
    0.0
    """
    sample = _Sample(metric, y_true, [first, second], groups, stratified, sample_weight, pos_label)
    a, b = sample.values_as_they_are()
    _, low, high = sample.interval(
        lambda v: v[0] - v[1], method, n_resamples, confidence_level, random_state
    )
    return Difference(a, b, low, high)


class _Sample:
    """Checked rows with the scores of one model or more, ready to be resampled."""

    def __init__(
        self,
        metric: str | Callable[..., float],
        y_true: ArrayLike,
        scores: list[ArrayLike],
        groups: ArrayLike | None,
        stratified: bool,
        sample_weight: ArrayLike | None,
        pos_label: Any,
    ) -> None:
        self.models = [check_rows(y_true, s, sample_weight, pos_label) for s in scores]
        rows = self.models[0]
        bins = [_bins(model) for model in self.models]
        if groups is None:
            self.units = Units.of_rows(rows, bins, stratified)
        else:
            found = np.asarray(groups)
            if found.shape != rows.y.shape:
                raise ValueError(
                    f"groups must hold one group for each of {rows.y.size} rows, got shape "
                    f"{found.shape}."
                )
            group = pd.factorize(found)[0]
            if (group < 0).any():
                raise ValueError(
                    f"groups is missing in row {int(np.flatnonzero(group < 0)[0])}: give such rows "
                    "a group of their own."
                )
            self.units = Units.of_groups(group, rows.y, stratified)
        self.metric = as_metric(metric)
        self.is_fast = is_average_precision(metric)
        if self.is_fast:
            self._tables = [
                _contributions(m, b, self.units) for m, b in zip(self.models, bins, strict=True)
            ]

    def values_as_they_are(self) -> list[float]:
        return [_call(self.metric, m, m.weight) for m in self.models]

    def distribution(
        self, n_resamples: int, random_state: np.random.Generator
    ) -> NDArray[np.float64]:
        """Values of shape (n_models, n_resamples)."""
        if n_resamples < 1:
            raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
        draws, deals = random_state.spawn(2)
        batches = [self._values(c, deals) for c in self.units.draw(n_resamples, draws)]
        return np.concatenate(batches, axis=1)

    def _values(self, counts: Counts, deals: np.random.Generator) -> NDArray[np.float64]:
        if self.is_fast:
            return np.stack([_average_precisions(counts, *t) for t in self._tables])
        rows = (self.units.deal(c, deals) for c in counts)
        return np.array([self._values_at(r) for r in rows]).T

    def _values_at(self, row_counts: Counts) -> list[float]:
        """The metric of each model with rows counted so often."""
        drawn = np.flatnonzero(row_counts)
        values = []
        for m in self.models:
            weight = row_counts[drawn] if m.weight is None else row_counts[drawn] * m.weight[drawn]
            part = BinaryRows(m.y[drawn], m.score[drawn], weight)
            one_class = part.y.all() or not part.y.any()
            values.append(np.nan if one_class else _call(self.metric, part, weight))
        return values

    def interval(
        self,
        figure: Callable[[Any], Any],
        method: Method,
        n_resamples: int,
        confidence_level: float,
        random_state: int | np.random.Generator | None,
    ) -> Interval:
        """The interval of a figure made from the models' values."""
        if not 0.0 < confidence_level < 1.0:
            raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}.")
        if method not in ("percentile", "bca"):
            raise ValueError(f"method must be 'percentile' or 'bca', got {method!r}.")
        generator = _generator(random_state)
        values = figure(self.distribution(n_resamples, generator))
        found = np.isfinite(values)
        if found.mean() <= 0.5:
            raise ValueError(
                f"{np.count_nonzero(~found)} of {n_resamples} resamples gave no finite value, most "
                "for want of a class: draw with stratified=True, or use more data."
            )
        values = values[found]
        value = float(figure(self.values_as_they_are()))
        tail = (1.0 - confidence_level) / 2.0
        levels = np.array([tail, 1.0 - tail])
        if method == "bca":
            levels = _bca_levels(levels, value, values, self._jackknife(figure, generator))
        low, high = np.quantile(values, levels)
        return Interval(value, float(low), float(high))

    def _jackknife(
        self, figure: Callable[[Any], Any], generator: np.random.Generator
    ) -> Iterator[NDArray[np.float64]]:
        """For each stratum, the figure without each of its blocks."""
        block, blocks = self.units.blocks(_JACKKNIFE_BLOCKS, generator)
        for of_stratum in blocks:
            values = []
            for k in of_stratum:
                units, rows = self.units.without(block, k)
                if self.is_fast:
                    values.append(
                        figure([_average_precisions(units[None], *t)[0] for t in self._tables])
                    )
                else:
                    values.append(figure(self._values_at(rows)))
            yield np.array(values)


def _bca_levels(
    levels: NDArray[np.float64],
    value: float,
    values: NDArray[np.float64],
    jackknife: Iterator[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Levels at which BCa reads the distribution's quantiles.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), eq. 14.9-14.10; the
    acceleration over strata is Davison and Hinkley's, "Bootstrap Methods" (1997), section 5.3.2.
    """
    below = np.mean(values < value) + 0.5 * np.mean(values == value)
    # A value outside all resamples is put half a resample inside.
    edge = 0.5 / values.size
    bias = ndtri(np.clip(below, edge, 1.0 - edge))
    cubes = squares = 0.0
    for without in jackknife:
        without = without[np.isfinite(without)]
        if without.size < 2:
            continue
        influence = (without.size - 1) * (without.mean() - without)
        cubes += (influence**3).sum() / without.size**3
        squares += (influence**2).sum() / without.size**2
    acceleration = cubes / (6.0 * squares**1.5) if squares > 0 else 0.0
    z = bias + ndtri(levels)
    return np.asarray(ndtr(bias + z / (1.0 - acceleration * z)))


def _generator(random_state: int | np.random.Generator | None) -> np.random.Generator:
    return np.random.default_rng(random_state)


def _call(metric: Metric, rows: BinaryRows, weight: Counts | None) -> float:
    return float(metric(rows.y.astype(np.intp), rows.score, sample_weight=weight))


def _bins(rows: BinaryRows) -> NDArray[np.intp]:
    """Place of each row among the distinct scores of positives, from the top.

    A negative counts from the first such score that is not above its own.
    """
    levels = np.unique(-rows.score[rows.y])
    return np.searchsorted(levels, -rows.score, side="left")


def _contributions(rows: BinaryRows, bins: NDArray[np.intp], units: Units) -> tuple[Any, Any]:
    """What one draw of each unit adds to the positives and the negatives of each bin.

    Sparse matrices of shape (n_units, n_bins); negatives below every positive never count.
    """
    n_bins = int(bins[rows.y].max()) + 1
    tables = []
    weight = np.ones(rows.y.size) if rows.weight is None else rows.weight
    if not units.is_group:  # a unit's rows are alike: one draw adds one row's weight
        weight = weight / units.size[units.of_row]
    for of_class in (rows.y, ~rows.y & (bins < n_bins)):
        entries = (weight[of_class], (units.of_row[of_class], bins[of_class]))
        tables.append(sparse.csr_array(sparse.coo_array(entries, (units.n_units, n_bins))))
    return tables[0], tables[1]


def _average_precisions(counts: Counts, positive: Any, negative: Any) -> NDArray[np.float64]:
    """Average precision of each resample from counts of units, shape (n_resamples,)."""
    gained = np.asarray((positive.T @ counts.T).T)
    true = gained.cumsum(axis=1)
    called = true + np.asarray((negative.T @ counts.T).T).cumsum(axis=1)
    precision = np.divide(true, called, out=np.zeros(true.shape), where=called > 0)
    total = true[:, -1]
    return np.divide(
        (gained * precision).sum(axis=1), total, out=np.full(total.size, np.nan), where=total > 0
    )
