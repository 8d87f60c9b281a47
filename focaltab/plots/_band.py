"""Bootstrap band of a precision-recall curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from focaltab.metrics._door import BinaryRows
from focaltab.plots._base import Floats, row_weights

_GRID = np.linspace(0.01, 1.0, 100)
# Weighted shares are sums of floats: one that should equal a bound may miss it by this much.
_ROUNDING = 1e-12


def precision_band(
    rows: BinaryRows, n_resamples: int, random_state: int | np.random.Generator | None
) -> tuple[Floats, Floats, Floats]:
    """Pointwise 95% band of the steps' precision on a grid of recall.

    Only the distinct scores of positives matter, so that each resample counts over those bins.
    """
    generator = np.random.default_rng(random_state)
    levels = np.unique(-rows.score[rows.y])
    bins = np.searchsorted(levels, -rows.score, side="left")
    draws = [_Draw(bins[c], row_weights(rows)[c], levels.size) for c in (rows.y, ~rows.y)]
    precision = np.full((n_resamples, _GRID.size), np.nan)
    for row in precision:
        true, false = (draw(generator) for draw in draws)
        if true[-1] > 0:
            at = np.searchsorted(true, _GRID * true[-1] * (1.0 - _ROUNDING))
            row[:] = true[at] / (true[at] + false[at])
    low, high = np.nanquantile(precision, [0.025, 0.975], axis=0)
    return _GRID, low, high


class _Draw:
    """Resamples of one class, as the weight at or above each level."""

    def __init__(self, bins: NDArray[np.intp], weight: Floats, n_bins: int) -> None:
        self.n_rows, self.n_bins = bins.size, n_bins
        # Rows of one bin and one weight are exchangeable.
        weights, code = np.unique(weight, return_inverse=True)
        units, self.count = np.unique(bins * weights.size + code, return_counts=True)
        self.bin, self.weight = units // weights.size, weights[units % weights.size]

    def __call__(self, generator: np.random.Generator) -> Floats:
        counts = generator.multinomial(self.n_rows, self.count / self.n_rows)
        drawn = np.bincount(self.bin, counts * self.weight, self.n_bins + 1)
        return np.asarray(np.cumsum(drawn)[: self.n_bins], dtype=np.float64)
