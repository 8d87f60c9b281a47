"""What lies at and above each distinct score: the one sort that all ranking metrics share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focaltab.metrics._validation import BinaryRows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Weighted counts of rows that score at least each threshold, thresholds going down.

    Rows of equal score enter together, so no order among them is made up.
    """

    threshold: Floats
    true_positive: Floats
    false_positive: Floats

    @classmethod
    def of(cls, rows: BinaryRows) -> Curve:
        """Sort rows by score and count."""
        order = np.argsort(rows.score)[::-1]
        score, y = rows.score[order], rows.y[order]
        last = np.append(np.flatnonzero(score[1:] != score[:-1]), score.size - 1)
        if rows.weight is None:
            true = np.cumsum(y, dtype=np.intp)[last].astype(np.float64)
            called = (last + 1).astype(np.float64)
        else:
            weight = rows.weight[order]
            true = np.cumsum(weight * y)[last]
            called = np.cumsum(weight)[last]
        return cls(score[last].astype(np.float64), true, np.maximum(called - true, 0.0))

    @property
    def called(self) -> Floats:
        """Weight of all rows at or above each threshold."""
        return self.true_positive + self.false_positive

    @property
    def positives(self) -> float:
        """Weight of all positive rows."""
        return float(self.true_positive[-1])

    @property
    def negatives(self) -> float:
        """Weight of all negative rows."""
        return float(self.false_positive[-1])

    @property
    def prevalence(self) -> float:
        """Weighted share of positive rows."""
        return self.positives / (self.positives + self.negatives)

    @property
    def precision(self) -> Floats:
        """Share of positives among the rows called; 1 where none of positive weight is."""
        called = self.called
        return np.divide(self.true_positive, called, out=np.ones(called.size), where=called > 0)

    @property
    def recall(self) -> Floats:
        """Share of the positives that are called."""
        return self.true_positive / self.positives

    @property
    def false_positive_rate(self) -> Floats:
        """Share of the negatives that are called."""
        return self.false_positive / self.negatives

    def hits(self, k: float | Floats) -> Floats:
        """Expected positives among the `k` highest rows, ties at the border drawn evenly."""
        called = np.append(0.0, self.called)
        return np.asarray(np.interp(k, called, np.append(0.0, self.true_positive)))


def equal_mass_bins(curve: Curve, n_bins: int) -> NDArray[np.intp]:
    """Bin of each distinct score of a curve, from 0 at the top to ``n_bins - 1``.

    Rows of equal score stay in one bin: the one that holds the middle of their weight. Some bins
    may therefore be empty.
    """
    called = curve.called
    middle = called - 0.5 * np.diff(called, prepend=0.0)
    return np.minimum(n_bins * middle / called[-1], n_bins - 1).astype(np.intp)
