"""Which values of a category or text a summary keeps, and their shares."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Values of text that are kept: none that is rare, so that identifiers of persons stay where they
# are, and none that is long.
MAX_VALUES = 50
_LEAST_SHARE = 0.005
_LEAST_ROWS = 5
_LONGEST = 100


def known_values(
    names: Sequence[str], rows: NDArray[np.intp], weight: Floats, *, is_text: bool
) -> tuple[list[tuple[str, float]], float]:
    """Values with their shares, the most common first, and the share of all others.

    Where not all are kept, one random half of the rows chooses them, and the other half says how
    common they are. Of the rows that chose them they hold too much: many values that are equally
    rare would seem to become rarer in any new rows.

    Parameters
    ----------
    names : sequence of str
    rows : ndarray of shape (n_values,)
        How many rows hold each.
    weight : ndarray of shape (n_values,)
        What they weigh together.
    is_text : bool
        Whether rare values are left out.

    Returns
    -------
    list of (str, float), and float
    """
    kept = _kept(names, rows, weight, is_text)
    if len(kept) == len(names):
        return [(names[k], float(weight[k] / weight.sum())) for k in kept], 0.0
    first = _half(names, rows)
    chosen = _kept(names, first, weight * first / rows, is_text)
    second = weight * (rows - first) / rows
    shares = second / second.sum()
    other = math.fsum(np.delete(shares, chosen))  # exact, whatever the order of rows
    if other == 0.0:  # none of them came up in the second half: as in half a row
        other = 0.5 / float((rows - first).sum())
        shares *= 1.0 - other
    return [(names[k], float(shares[k])) for k in _most_common(names, weight, chosen)], other


def _kept(names: Sequence[str], rows: NDArray[np.intp], weight: Floats, is_text: bool) -> list[int]:
    least = _LEAST_SHARE * weight.sum() if is_text else 0.0
    least_rows = _LEAST_ROWS if is_text else 1
    return [
        k
        for k in _most_common(names, weight, range(len(names)))
        if weight[k] >= least and rows[k] >= least_rows and len(names[k]) <= _LONGEST
    ]


def _most_common(names: Sequence[str], weight: Floats, places: Iterable[int]) -> list[int]:
    """At most `MAX_VALUES`; of equally common ones the first in the alphabet come first."""
    return heapq.nsmallest(MAX_VALUES, places, key=lambda k: (-weight[k], names[k]))


def _half(names: Sequence[str], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many rows of each value are in a random half, the same in whatever order they come."""
    order = np.argsort(np.asarray(names, dtype=object))
    half = np.empty_like(rows)
    random = np.random.default_rng(0)
    half[order] = random.multivariate_hypergeometric(
        rows[order], int(rows.sum()) // 2, method="marginals"
    )
    return half
