"""Bins that hold equally much weight, whatever the scores' scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from focaltab.metrics._curve import Curve


def equal_mass_bins(curve: Curve, n_bins: int) -> NDArray[np.intp]:
    """Bin of each distinct score of a curve, from 0 at the top to ``n_bins - 1``.

    Rows of equal score stay in one bin: the one that holds the middle of their weight. Some bins
    may therefore be empty.
    """
    called = curve.called
    middle = called - 0.5 * np.diff(called, prepend=0.0)
    return np.minimum(n_bins * middle / called[-1], n_bins - 1).astype(np.intp)
