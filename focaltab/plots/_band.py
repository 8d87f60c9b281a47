"""Bootstrap band of a precision-recall curve."""

from __future__ import annotations

import numpy as np

from focaltab.metrics._resample import Units
from focaltab.metrics._steps import Steps, score_bins
from focaltab.metrics._validation import BinaryRows
from focaltab.plots._base import Floats

_GRID = np.linspace(0.01, 1.0, 100)
# Weighted shares are sums of floats: one that should equal a bound may miss it by this much.
_ROUNDING = 1e-12


def precision_band(
    rows: BinaryRows, n_resamples: int, random_state: int | np.random.Generator | None
) -> tuple[Floats, Floats, Floats]:
    """Pointwise 95% band of the steps' precision on a grid of recall, each class drawn apart."""
    bins = score_bins(rows)
    units = Units.of_rows(rows, [bins], stratified=True)
    steps = Steps(rows, bins, units)
    precision = []
    for counts in units.draw(n_resamples, np.random.default_rng(random_state)):
        for _, true, called in steps.blocks(counts):
            precision += [_on_grid(t, c) for t, c in zip(true, called, strict=True)]
    low, high = np.nanquantile(precision, [0.025, 0.975], axis=0)
    return _GRID, low, high


def _on_grid(true: Floats, called: Floats) -> Floats:
    """Precision of one resample where its recall reaches each of the grid; NaN without any."""
    if not true[-1] > 0:
        return np.full(_GRID.size, np.nan)
    at = np.searchsorted(true, _GRID * true[-1] * (1.0 - _ROUNDING))
    return np.asarray(true[at] / called[at])
