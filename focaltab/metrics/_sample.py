"""Checked rows with the scores of one model or more, resampled for the intervals of a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from focaltab._errors import first_line
from focaltab.metrics._bound import BoundMetric
from focaltab.metrics._resample import Counts, Units
from focaltab.metrics._steps import Steps, score_bins
from focaltab.metrics._validation import BinaryRows

Method = Literal["percentile", "bca"]
_JACKKNIFE_BLOCKS = 200


class Interval(NamedTuple):
    """A metric on the rows as they are, and its confidence interval."""

    value: float
    low: float
    high: float


class Sample:
    """Checked rows with the scores of one model or more, ready to be resampled."""

    def __init__(
        self,
        metric: str | Callable[..., float],
        metric_options: Mapping[str, Any] | None,
        y_true: ArrayLike,
        scores: list[ArrayLike],
        groups: ArrayLike | None,
        stratified: bool,
        sample_weight: ArrayLike | None,
        pos_label: Any,
    ) -> None:
        self.metric = BoundMetric.of(metric, metric_options, np.size(np.asarray(y_true)))
        self.models = [self.metric.check(y_true, s, sample_weight, pos_label) for s in scores]
        rows = self.models[0]
        bins = [score_bins(model) for model in self.models]
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
        self.refused: str | None = None  # why the metric had no value for a resample
        self.steps: list[Steps] | None = None
        if self.metric.is_average_precision:
            self.steps = [Steps(m, b, self.units) for m, b in zip(self.models, bins, strict=True)]

    def values_as_they_are(self) -> list[float]:
        return [self.metric(m, m.weight, None) for m in self.models]

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
        if self.steps is not None:
            return np.stack([steps.average_precisions(counts) for steps in self.steps])
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
            try:
                values.append(np.nan if one_class else self.metric(part, weight, drawn))
            except ValueError as error:  # all rows have a value, but these do not
                self.refused = first_line(error)
                values.append(np.nan)
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
        generator = np.random.default_rng(random_state)
        # First the rows as they are: what the metric refuses, it names by its own row.
        value = float(figure(self.values_as_they_are()))
        values = figure(self.distribution(n_resamples, generator))
        found = np.isfinite(values)
        if found.mean() <= 0.5:
            raise ValueError(
                f"{np.count_nonzero(~found)} of {n_resamples} resamples gave no finite value, most "
                + (
                    "for want of a class: draw with stratified=True, or use more data."
                    if self.refused is None
                    else f"refused by the metric: {self.refused}"
                )
            )
        values = values[found]
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
                if self.steps is not None:
                    values.append(
                        figure([s.average_precisions(units[None])[0] for s in self.steps])
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
