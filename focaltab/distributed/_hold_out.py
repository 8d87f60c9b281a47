"""A part to stop early on, drawn over all partitions as if they were one table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from focaltab.data import check_hold_out


def rows_to_hold_out(
    counts: NDArray[np.intp], fraction: float, random_state: Any
) -> tuple[NDArray[np.int64], list[int]]:
    """How many rows of every class each partition gives away, and a seed for each to choose by.

    Parameters
    ----------
    counts : ndarray of shape (n_partitions, n_classes)
    fraction : float
    random_state : int, Generator, RandomState or None

    Returns
    -------
    n_held_out : ndarray of shape (n_partitions, n_classes)
        Drawn without replacement from all rows of a class, wherever they are.
    seeds : list of int

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), or a class has a single row.
    """
    per_class = counts.sum(axis=0)
    check_hold_out(per_class, fraction)
    if isinstance(random_state, np.random.Generator):
        rng = random_state
    else:
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    held = np.clip(np.rint(per_class * float(fraction)).astype(np.int64), 1, per_class - 1)
    by_class = [
        rng.multivariate_hypergeometric(counts[:, k], held[k], method="marginals")
        for k in range(held.size)
    ]
    seeds: Any = rng.integers(2**31, size=counts.shape[0])
    return np.stack(by_class, axis=1), seeds.tolist()
