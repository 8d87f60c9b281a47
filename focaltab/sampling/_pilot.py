"""The small models that tell hard negatives from easy ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from focaltab.data import Classes, by_batch, in_memory, take_rows
from focaltab.sampling._hard_negative import HardNegativeSampling

# A pilot sees at least as many negatives for each positive.
_MIN_NEGATIVES_PER_POSITIVE = 5


@dataclass(frozen=True)
class Pilot:
    """A fitted classifier and what its probabilities are to be corrected for.

    Parameters
    ----------
    model : classifier
    column : int
        Of the positive class in its probabilities.
    negatives_seen : float
        Share of the negatives that it was trained on.
    """

    model: Any
    column: int
    negatives_seen: float

    def probability(self, X: Any) -> NDArray[np.float32]:
        """Probability of being positive for each row, as if all negatives had been seen.

        Raises
        ------
        ValueError
            If the model states one that is no number.
        """
        p = np.asarray(self.model.predict_proba(X)[:, self.column], dtype=np.float32)
        finite = np.isfinite(p)
        if not finite.all():
            raise ValueError(
                f"sampling: the pilot's probability of row {int(np.argmin(finite))} is no number."
            )
        seen = np.float32(self.negatives_seen)
        # The odds among the seen rows are the true ones divided by the share of negatives seen.
        return np.asarray(p * seen / (1.0 - p + p * seen), dtype=np.float32)


class CrossFittedPilots:
    """Pilots that score the half of the training rows that they were not fitted on.

    A pilot that has seen a positive is surer of it than of the negatives around it. Acceptance
    would then depend on labels, and probabilities come out too high.

    Parameters
    ----------
    sampling : HardNegativeSampling
    make_pilot : callable
        The pilot where `sampling` has none.
    classes : Classes
    X : table of features
    codes : ndarray of shape (n_samples,)
        Class numbers, 0 and 1.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        For a frozen pilot of other classes, or one inside of another estimator.
    """

    def __init__(
        self,
        sampling: HardNegativeSampling,
        make_pilot: Callable[[], Any],
        classes: Classes,
        X: Any,
        codes: NDArray[Any],
        rng: np.random.Generator,
    ) -> None:
        self._half = np.zeros(codes.size, dtype=np.int8)
        if isinstance(sampling.pilot, FrozenEstimator):
            check_is_fitted(sampling.pilot)
            self._pilots = [Pilot(sampling.pilot, _column(sampling.pilot, classes), 1.0)]
            return
        pilot = make_pilot() if sampling.pilot is None else clone(sampling.pilot)
        parts = pilot.get_params(deep=True).values()
        if any(isinstance(part, FrozenEstimator) for part in parts):
            raise ValueError(
                "sampling: a frozen model inside of a pilot would be corrected for a training that "
                "it did not have: put the whole fitted pilot into FrozenEstimator."
            )
        _seed(pilot, classes, rng)
        for k in (0, 1):
            members = rng.permutation(np.flatnonzero(codes == k))
            self._half[members[: members.size // 2]] = 1
        self._pilots = [
            _fitted(clone(pilot), sampling, classes, X, codes, self._half != own, rng)
            for own in (0, 1)
        ]

    def of_training_rows(self, X: Any) -> NDArray[np.float32]:
        """Probabilities of the rows that the pilots were made from, each by the one unseen."""
        return by_batch(self._by_half, X, half=self._half)

    def of_other_rows(self, X: Any) -> NDArray[np.float32]:
        """Mean of the pilots' probabilities."""
        return by_batch(
            lambda rows: np.mean([pilot.probability(rows) for pilot in self._pilots], axis=0), X
        )

    def _by_half(self, X: Any, half: NDArray[np.int8]) -> NDArray[np.float32]:
        if len(self._pilots) == 1:
            return self._pilots[0].probability(X)
        p = np.empty(half.size, dtype=np.float32)
        for own, pilot in enumerate(self._pilots):
            rows = np.flatnonzero(half == own)
            if rows.size:
                p[rows] = pilot.probability(take_rows(X, rows))
        return p


def _fitted(
    model: Any,
    sampling: HardNegativeSampling,
    classes: Classes,
    X: Any,
    codes: NDArray[Any],
    may_see: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Pilot:
    """A pilot fitted on the positives that it may see and a uniform part of the negatives."""
    positives = np.flatnonzero(may_see & (codes == 1))
    negatives = np.flatnonzero(may_see & (codes == 0))
    n_wanted = max(
        sampling.pilot_fraction * negatives.size, _MIN_NEGATIVES_PER_POSITIVE * positives.size
    )
    n_seen = min(negatives.size, int(np.ceil(n_wanted)))
    seen = rng.choice(negatives, n_seen, replace=False, shuffle=False)
    rows = np.sort(np.concatenate([positives, seen]))
    # Labels as the user has them, since a pilot of the user's may be told of them by name.
    model.fit(in_memory(take_rows(X, rows)), classes.by_number[codes[rows]])
    return Pilot(model, _column(model, classes), n_seen / negatives.size)


def _column(model: Any, classes: Classes) -> int:
    known = np.asarray(model.classes_).tolist()
    if set(known) != set(classes.labels.tolist()):
        raise ValueError(
            f"sampling: the pilot knows the classes {known}, but y has {classes.labels.tolist()}."
        )
    return int(known.index(classes.by_number.tolist()[1]))


def _seed(pilot: Any, classes: Classes, rng: np.random.Generator) -> None:
    """Give a pilot the seeds and the positive label that it leaves open."""
    given = pilot.get_params(deep=True)
    changed: dict[str, Any] = {}
    for name in sorted(given):
        if given[name] is None and name.split("__")[-1] == "random_state":
            changed[name] = int(rng.integers(2**31))
        elif given[name] is None and name.split("__")[-1] == "pos_label":
            changed[name] = classes.by_number.tolist()[1]
    pilot.set_params(**changed)
