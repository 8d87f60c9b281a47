"""Which members are tried, on how many rows, so that an ensemble ends when its time is up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# From so many rows on, members are first tried on fewer of them.
_MANY_ROWS, _FIRST_ROWS = 20_000, 10_000
# A second trial must promise this much.
_WORTH_IT = 1.5
# Seconds grow faster than rows, and other programs take their share.
_CAUTION = 1.25


@dataclass
class Schedule:
    """Time and rows of an ensemble's trials.

    Each trial is one of all folds. A member that is chosen is fitted on all rows in the end, which
    takes about as long as one fold more: that time is reserved.

    Parameters
    ----------
    time_budget : float or None
        Seconds; None tries every member on all rows, in the order that they are given in.
    codes : ndarray of shape (n_rows,)
        0 or 1.
    n_folds : int
    costs : dict of str to float
        Seconds of members, relative to each other. What is not in it counts as 1.
    """

    time_budget: float | None
    codes: NDArray[np.integer]
    n_folds: int
    costs: Mapping[str, float]
    _begun: float = field(default_factory=time.perf_counter)
    _reserved: dict[str, float] = field(default_factory=dict)
    _seconds_per_cost: list[float] = field(default_factory=list)

    def order(self, names: Iterable[str]) -> list[str]:
        """The cheapest first, where time is short."""
        if self.time_budget is None:
            return list(names)
        return sorted(names, key=self._cost)

    @property
    def first_rows(self) -> int | None:
        """Rows of a first trial; None for all."""
        n_rows = self.codes.size
        if self.time_budget is None or n_rows <= _MANY_ROWS:
            return None
        return self._with_all_positives(_FIRST_ROWS)

    def left(self) -> float:
        """Seconds that are neither gone nor reserved."""
        if self.time_budget is None:
            return np.inf
        gone = time.perf_counter() - self._begun
        return self.time_budget - gone - sum(self._reserved.values())

    def allows(self, name: str) -> bool:
        """Whether a member's first trial would end in time; the first one of all always may."""
        if not self._seconds_per_cost:
            return True
        seconds = self._cost(name) * float(np.median(self._seconds_per_cost))
        return _CAUTION * seconds * self._with_last_fit <= self.left()

    def rows_of_second_trial(self, name: str, seconds: float, rows: int) -> int | None:
        """As many rows as there is time for, or None if too few to be worth it.

        Parameters
        ----------
        name : str
        seconds, rows : float, int
            Of the first trial.
        """
        # A second trial's last fit takes the place of the first one's.
        left = self.left() + self._reserved[name]
        times = left / (_CAUTION * seconds * self._with_last_fit)
        if times < _WORTH_IT:
            return None
        wanted = int(min(times * rows, self.codes.size))
        chosen = self._with_all_positives(wanted)
        if chosen is None:
            return self.codes.size if wanted == self.codes.size else None
        return chosen if chosen >= _WORTH_IT * rows else None

    def note(self, name: str, seconds: float, *, first: bool) -> None:
        """Take in how long a trial took."""
        self._reserved[name] = seconds / (self.n_folds - 1)
        if first:
            self._seconds_per_cost.append(seconds / self._cost(name))

    @property
    def _with_last_fit(self) -> float:
        return self.n_folds / (self.n_folds - 1)

    def _cost(self, name: str) -> float:
        return self.costs.get(name, 1.0)

    def _with_all_positives(self, rows: int) -> int | None:
        """At most so many rows, but all positives and as many negatives; None for all rows."""
        positives = int(self.codes.sum())
        rows = max(rows, 2 * positives)
        return None if rows >= self.codes.size else rows
