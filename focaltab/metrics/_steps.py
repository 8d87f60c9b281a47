"""Positives and negatives at the distinct scores of positives, counted for many resamples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from focaltab.metrics._resample import Counts, Units
from focaltab.metrics._validation import BinaryRows

Floats = NDArray[np.float64]

# Counts worked on at once: what a core keeps in its own cache.
_BLOCK = 30_000


def score_bins(rows: BinaryRows) -> NDArray[np.intp]:
    """Place of each row among the distinct scores of positives, from the top.

    A negative counts from the first such score that is not above its own.
    """
    levels = np.unique(-rows.score[rows.y])
    return np.searchsorted(levels, -rows.score, side="left")


class Steps:
    """What one draw of each unit adds to the positives and the negatives of each bin.

    Negatives below every positive never count.
    """

    def __init__(self, rows: BinaryRows, bins: NDArray[np.intp], units: Units) -> None:
        n_bins = int(bins[rows.y].max()) + 1
        weight = np.ones(rows.y.size) if rows.weight is None else rows.weight
        if not units.is_group:  # a unit's rows are alike: one draw adds one row's weight
            weight = weight / units.size[units.of_row]
        counted = rows.y | (bins < n_bins)
        # Each bin's positives, then its negatives: one product counts both.
        place = 2 * bins[counted] + ~rows.y[counted]
        entries = (weight[counted], (place, units.of_row[counted]))
        shape = (2 * n_bins, units.n_units)
        self._table: Any = sparse.csr_array(sparse.coo_array(entries, shape))

    def blocks(self, counts: Counts) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Of a few resamples at a time: positives in each bin, and those and all rows so far.

        Each of shape (n_resamples, n_bins); `counts` of units is (n_resamples, n_units).
        """
        n_rows = max(1, _BLOCK // counts.shape[1])
        for start in range(0, counts.shape[0], n_rows):
            drawn = np.ascontiguousarray(counts[start : start + n_rows].T)
            found = np.ascontiguousarray((self._table @ drawn).T)
            # Seen as real and imaginary parts, both have one running sum, which waits only once.
            so_far = found.view(np.complex128).cumsum(axis=1)
            yield found[:, ::2], so_far.real, so_far.real + so_far.imag

    def average_precisions(self, counts: Counts) -> Floats:
        """Average precision of each resample, shape (n_resamples,); NaN without a positive."""
        return np.concatenate([_average_precisions(*block) for block in self.blocks(counts)])


def _average_precisions(gained: Floats, true: Floats, called: Floats) -> Floats:
    # Where nothing is called yet, nothing is gained.
    precision = true / np.maximum(called, np.finfo(np.float64).tiny)
    total = true[:, -1]
    area = np.einsum("ij,ij->i", gained, precision)
    return np.divide(area, total, out=np.full(total.size, np.nan), where=total > 0)
