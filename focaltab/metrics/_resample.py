"""Bootstrap resamples, drawn over the fewest units that tell them apart.

Average precision needs, at each distinct score of a positive, only how many positives and how
many negatives score at least as high. Negatives between two such scores are exchangeable, so a
resample of all of them is one multinomial draw over those few bins: the distribution of resampling
rows, exact with ties, at a cost that grows with the positives alone. Where a metric asks for
every row, each bin's draws are then dealt to its rows, so that all metrics see the same resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.metrics._validation import BinaryRows

Counts = NDArray[np.float64]

# Counts drawn at once: bounds memory (4 MB an array) however many rows there are.
_CHUNK = 500_000
# Rows from which on a unit is cheaper to draw by one binomial than row by row.
_LARGE = 32


class Units:
    """What is drawn with replacement: rows merged where they are exchangeable, or groups.

    Parameters
    ----------
    of_row : int ndarray of shape (n_rows,)
        The unit of each row, 0 to ``n_units - 1``.
    stratum : int ndarray of shape (n_units,)
        Units are drawn within their stratum.
    is_group : bool
        Whether a unit's rows come together; else each row counts as drawn by itself.
    """

    def __init__(self, of_row: NDArray[np.intp], stratum: NDArray[np.intp], is_group: bool) -> None:
        self.of_row = of_row
        self.is_group = is_group
        self.n_units = stratum.size
        self._rows_per_unit = np.bincount(of_row, minlength=self.n_units)
        self.size = np.ones(self.n_units, np.intp) if is_group else self._rows_per_unit
        self.strata = [np.flatnonzero(stratum == s) for s in np.unique(stratum)]

    @classmethod
    def of_groups(cls, groups: NDArray[np.intp], y: NDArray[np.bool_], stratified: bool) -> Units:
        """Groups as units, in two strata: those with a positive row, and those without."""
        has_positive = np.bincount(groups, y) > 0
        return cls(groups, has_positive.astype(np.intp) * stratified, is_group=True)

    @classmethod
    def of_rows(cls, rows: BinaryRows, models: list[NDArray[np.intp]], stratified: bool) -> Units:
        """Rows as units; those of one class, weight and bin in every model are merged."""
        key = rows.y.astype(np.intp)
        if rows.weight is not None:
            key = key + 2 * np.unique(rows.weight, return_inverse=True)[1].reshape(-1)
        for bins in models:
            if int(key.max()) >= rows.y.size:
                # Renumbered, so that the product stays far below the largest integer.
                key = np.unique(key, return_inverse=True)[1].reshape(-1)
            key = key * (int(bins.max()) + 1) + bins
        _, first, of_row = np.unique(key, return_index=True, return_inverse=True)
        stratum = rows.y[first].astype(np.intp) * stratified
        return cls(of_row.reshape(-1), stratum, is_group=False)

    def draw(self, n_resamples: int, random_state: np.random.Generator) -> Iterator[Counts]:
        """How often each unit is drawn, in batches of shape (at most n_resamples, n_units)."""
        # Generators for each stratum: batches of any size then give the same resamples.
        generators = [random_state.spawn(2) for _ in self.strata]
        batch = max(1, _CHUNK // self.n_units)
        for done in range(0, n_resamples, batch):
            counts = np.empty((min(batch, n_resamples - done), self.n_units))
            for members, own in zip(self.strata, generators, strict=True):
                _draw_stratum(counts, members, self.size[members], *own)
            yield counts

    @cached_property
    def _rows_in_order(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows in the order of their units, and where each unit starts."""
        start = np.cumsum(self._rows_per_unit) - self._rows_per_unit
        return np.argsort(self.of_row, kind="stable"), start

    def deal(self, counts: Counts, random_state: np.random.Generator) -> Counts:
        """How often each row is drawn, given how often its unit is; shape (n_rows,)."""
        if self.is_group:
            return counts[self.of_row]
        rows, start = self._rows_in_order
        drawn = np.repeat(np.arange(self.n_units), counts.astype(np.intp))
        place = start[drawn] + random_state.integers(0, self.size[drawn])
        return np.bincount(rows[place], minlength=self.of_row.size).astype(np.float64)

    def without(self, block_of_unit_or_row: NDArray[np.intp], block: int) -> tuple[Counts, Counts]:
        """Counts of units, and of rows, with one block of groups or rows left out."""
        if self.is_group:
            kept = (block_of_unit_or_row != block).astype(np.float64)
            return kept, kept[self.of_row]
        rows = (block_of_unit_or_row != block).astype(np.float64)
        return np.asarray(np.bincount(self.of_row, rows, self.n_units), np.float64), rows

    def blocks(
        self, n_blocks: int, random_state: np.random.Generator
    ) -> tuple[NDArray[np.intp], list[list[int]]]:
        """Deal the groups, or rows, of each stratum to blocks; the blocks of each stratum."""
        stratum_of_unit = np.empty(self.n_units, np.intp)
        for s, members in enumerate(self.strata):
            stratum_of_unit[members] = s
        stratum = stratum_of_unit if self.is_group else stratum_of_unit[self.of_row]
        block = np.empty(stratum.size, np.intp)
        blocks: list[list[int]] = []
        for s in range(len(self.strata)):
            members = np.flatnonzero(stratum == s)
            n = min(n_blocks, members.size)
            first = sum(map(len, blocks))
            block[members] = first + random_state.permutation(members.size) % n
            blocks.append(list(range(first, first + n)))
        return block, blocks


def _draw_stratum(
    counts: Counts,
    members: NDArray[np.intp],
    sizes: NDArray[np.intp],
    of_large: np.random.Generator,
    of_small: np.random.Generator,
) -> None:
    """Draw as many rows as there are, each as likely as any other, and count them by unit."""
    total = int(sizes.sum())
    # A large unit's rows are counted by one binomial; those of the small ones, which are first
    # taken for one unit, are drawn one by one.
    large = np.flatnonzero(sizes >= _LARGE)
    small = np.flatnonzero(sizes < _LARGE)
    n_small = np.full(counts.shape[0], total)
    if large.size:
        pooled = [int(sizes[small].sum())] if small.size else []
        share = np.concatenate([sizes[large], pooled]) / total
        drawn_large = of_large.multinomial(total, share, counts.shape[0])
        counts[:, members[large]] = drawn_large[:, : large.size]
        n_small = drawn_large[:, -1]
    if small.size:
        of_place = np.repeat(np.arange(small.size), sizes[small])
        columns: Any = members[small]
        if columns[-1] - columns[0] == columns.size - 1:
            columns = slice(columns[0], columns[-1] + 1)  # without gaps, several times faster
        for row, n in zip(counts, n_small, strict=True):
            drawn = _draw_places(of_place.size, int(n), of_small)
            if of_place.size > small.size:  # else each unit is one row
                drawn = of_place.take(drawn)
            row[columns] = np.bincount(drawn, minlength=small.size)


def _draw_places(n_places: int, n: int, random_state: np.random.Generator) -> NDArray[np.intp]:
    """Draw n of the numbers below n_places, the odds of each off by n_places / 2**32 at most.

    Scales 32-bit words; `Generator.integers` takes more than twice as long to be exact.
    """
    words = random_state.integers(0, 2**64, (n + 1) // 2, np.uint64).view(np.uint32)[:n]
    scaled = words.astype(np.uint64)
    scaled *= np.uint64(n_places)
    scaled >>= np.uint64(32)
    return scaled.view(np.intp)
