"""Draw the rows to train on, and what their margins are offset by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from focaltab import _inputs
from focaltab.sampling._hard_negative import HardNegativeSampling
from focaltab.sampling._pilot import Pilot

# With fewer positives a pilot cannot tell hard negatives from easy ones.
FEWEST_POSITIVES = 25
_JUDGED_MORE = np.float32(10.0)


@dataclass(frozen=True)
class Drawn:
    """The rows that were kept of a training set, and what chose them.

    Parameters
    ----------
    rows : ndarray of int of shape (n_kept,)
        Row numbers, ascending.
    log_acceptance : ndarray of float64 of shape (n_kept,)
        Log of the probability with which each would be kept, were it negative.
    n_rows, n_positives : int
        Of the training set.
    pilot : Pilot
    """

    rows: NDArray[np.intp] = field(repr=False)
    log_acceptance: NDArray[np.float64] = field(repr=False)
    n_rows: int
    n_positives: int
    pilot: Pilot = field(repr=False)
    _acceptance: Callable[[NDArray[np.float32]], NDArray[np.float32]] = field(repr=False)
    _seed: int = field(repr=False)

    @property
    def n_kept(self) -> int:
        """Rows that were kept, positives included."""
        return int(self.rows.size)

    def thin(self, X: Any, codes: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Fewer of other rows, to judge by, and how many of them each stands for.

        Negatives are kept ten times as often as in training: weights, and the noise that large
        ones bring, are a tenth.
        """
        acceptance = np.minimum(_JUDGED_MORE * self._acceptance(self.pilot.probability(X)), 1.0)
        rng = np.random.default_rng(self._seed)
        rows = np.flatnonzero((codes == 1) | (rng.random(codes.size) < acceptance))
        return rows, np.where(codes[rows] == 1, 1.0, 1.0 / acceptance[rows])


def draw(
    sampling: HardNegativeSampling,
    make_pilot: Callable[[], Any],
    classes: _inputs.Classes,
    X: Any,
    codes: NDArray[Any],
    weight: NDArray[np.float64] | None,
    random_state: Any,
) -> Drawn:
    """Fit the pilot, score every row, and keep each by chance.

    Parameters
    ----------
    sampling : HardNegativeSampling
    make_pilot : callable
        The pilot where `sampling` has none.
    classes : Classes
    X : table of features
    codes : ndarray of shape (n_samples,)
        Class numbers, 0 and 1.
    weight : ndarray of shape (n_samples,) or None
        The pilot is fitted under it, where it can be.
    random_state : int, RandomState, Generator or None
        Where `sampling` has none.

    Raises
    ------
    ValueError
        For more than two classes, too few positives, an unattainable budget, or a pilot whose
        probabilities are no numbers.
    """
    if classes.labels.size != 2:
        raise ValueError(
            f"sampling='hard_negative' is for two classes, but y has {classes.labels.size}."
        )
    positive = codes == 1
    n_positives = int(positive.sum())
    if n_positives < FEWEST_POSITIVES:
        raise ValueError(
            f"sampling='hard_negative' needs at least {FEWEST_POSITIVES} positives for its pilot "
            f"model, but there are {n_positives}: set sampling=None."
        )
    rng = _generator(random_state if sampling.random_state is None else sampling.random_state)
    pilot = Pilot.fitted(sampling, make_pilot, classes, X, codes, weight, rng)
    p = pilot.probability(X)
    acceptance_of = partial(sampling.acceptance, factor=sampling.factor_for(p, ~positive))
    acceptance = acceptance_of(p)
    rows = np.flatnonzero(positive | (rng.random(codes.size, dtype=np.float32) < acceptance))
    return Drawn(
        rows,
        np.log(acceptance[rows].astype(np.float64)),
        int(codes.size),
        n_positives,
        pilot,
        acceptance_of,
        int(rng.integers(2**31)),
    )


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(int(check_random_state(random_state).randint(2**31)))
