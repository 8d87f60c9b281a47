"""A training set of fewer rows, and what its estimator must know of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.utils import check_random_state

from focaltab.data import Rows, TrainingSet, in_memory
from focaltab.losses._focal import LinkName
from focaltab.sampling._hard_negative import Acceptance, HardNegativeSampling, sampling_of
from focaltab.sampling._pilot import CrossFittedPilots

# With fewer, a pilot cannot tell hard negatives from easy ones.
MIN_POSITIVES = 25
# What is judged is thinned so much less than what is trained on: inverse-probability weights, and
# the noise that large ones bring, are a tenth.
_ACCEPTANCE_OF_JUDGED = np.float32(10.0)


@dataclass(frozen=True, eq=False)
class SamplingResult:
    """Which rows of a training set were kept.

    Parameters
    ----------
    rows : ndarray of int of shape (n_kept,)
        Row numbers, ascending.
    log_acceptance : ndarray of float64 of shape (n_kept,)
        Log of the probability with which each would be kept, were it negative: what the margins
        of the kept rows are offset by.
    n_rows, n_positives : int
        Of the training set.
    """

    rows: NDArray[np.intp] = field(repr=False)
    log_acceptance: NDArray[np.float64] = field(repr=False)
    n_rows: int
    n_positives: int

    def __repr__(self) -> str:
        return (
            f"SamplingResult(n_kept={self.n_kept}, n_rows={self.n_rows}, "
            f"n_positives={self.n_positives})"
        )

    @property
    def n_kept(self) -> int:
        """Rows that were kept, positives included."""
        return int(self.rows.size)


@dataclass(frozen=True, eq=False)
class SampledSet:
    """Rows of a training set that were kept, and what goes with them.

    Parameters
    ----------
    result : SamplingResult
    prevalence : float
        Weighted, of all rows.
    whole : TrainingSet
        What was sampled from.
    rows : Rows
        The kept ones, in memory; their margin is the one that the user gave.
    """

    result: SamplingResult
    prevalence: float
    whole: TrainingSet
    rows: Rows
    _acceptance_of: Callable[[Any], NDArray[np.float32]]
    _seed: int

    def training_set(self, *, base_score: Any = None, thins_held_out: bool) -> TrainingSet:
        """What a booster trains on: the kept rows, from margins less the log acceptance.

        Parameters
        ----------
        base_score : float, default=None
            Probability to start from; None for the prevalence.
        thins_held_out : bool
            Whether rows that were held out may be judged by fewer of them.
        """
        margin = self.rows.margin
        if margin is None:
            start = self.prevalence if base_score is None else np.asarray(base_score).item()
            margin = logit(start)
        margin = np.asarray(margin - self.result.log_acceptance, dtype=np.float64)
        evaluation = self.whole.evaluation
        if self.whole.held_out and thins_held_out:
            evaluation = tuple(self.thinned(rows) for rows in evaluation)
        return replace(self.whole, rows=replace(self.rows, margin=margin), evaluation=evaluation)

    def thinned(self, rows: Rows) -> Rows:
        """Fewer rows that no pilot has seen, under inverse-probability weights."""
        acceptance = np.minimum(_ACCEPTANCE_OF_JUDGED * self._acceptance_of(rows.X), 1.0)
        drawn = np.random.default_rng(self._seed).random(len(rows)) < acceptance
        chosen = np.flatnonzero((rows.codes == 1) | drawn)
        kept = rows.take(chosen)
        weight = np.where(kept.codes == 1, 1.0, 1.0 / acceptance[chosen].astype(np.float64))
        if kept.weight is not None:
            weight = weight * kept.weight
        return replace(kept, X=in_memory(kept.X), weight=weight)


def check_sampling(
    sampling: Any, link: LinkName, continued: Any = None
) -> HardNegativeSampling | None:
    """The sampling that is asked for.

    Parameters
    ----------
    sampling : {"hard_negative"}, HardNegativeSampling or None
    link : {"logit", "focal"}
        Of the estimator.
    continued : model or None
        Whose training is to go on.

    Raises
    ------
    ValueError
        Where it is none, or cannot go with the other parameters.
    """
    found = sampling_of(sampling)
    if found is not None and link != "logit":
        raise ValueError(
            f"sampling needs link='logit', got {link!r}: the kept rows differ from all by an "
            "offset of the log-odds, which a focal margin is not."
        )
    if found is not None and continued is not None:
        raise ValueError(
            "sampling cannot go with a model to continue, whose margins start elsewhere: set "
            "sampling=None."
        )
    return found


def with_sampling(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Set what `params` say of an estimator's sampling; the rest of them.

    The boosters' own ``set_params`` take any name for one of their library's.

    Raises
    ------
    ValueError
        If the estimator has no `HardNegativeSampling` whose parameters could be set.
    """
    rest = {name: value for name, value in params.items() if not name.startswith("sampling__")}
    nested = {name: value for name, value in params.items() if name not in rest}
    if not nested:
        return rest
    sampling = rest.get("sampling", estimator.sampling)
    if not isinstance(sampling, HardNegativeSampling):
        raise ValueError(
            f"{min(nested)} is a parameter of HardNegativeSampling, but sampling={sampling!r}: set "
            "sampling=HardNegativeSampling()."
        )
    sampling.set_params(**{k.removeprefix("sampling__"): v for k, v in nested.items()})
    return rest


def sample(
    sampling: HardNegativeSampling,
    make_pilot: Callable[[], Any],
    data: TrainingSet,
    random_state: Any,
) -> SampledSet:
    """Fit the pilots, score every row, keep each by chance, and take what belongs to it.

    Parameters
    ----------
    sampling : HardNegativeSampling
    make_pilot : callable
        The pilot where `sampling` has none.
    data : TrainingSet
        Weights have no part in what is kept: any acceptance is right, and this one stays near the
        share that it is meant to be.
    random_state : int, RandomState, Generator or None
        Where `sampling` has none.

    Raises
    ------
    ValueError
        For more than two classes, too few positives, an unattainable budget, or pilots whose
        probabilities are no numbers.
    """
    codes, classes = data.rows.codes, data.classes
    if classes.labels.size != 2:
        raise ValueError(
            f"sampling='hard_negative' is for two classes, but y has {classes.labels.size}."
        )
    positive = codes == 1
    n_positives = int(positive.sum())
    if n_positives < MIN_POSITIVES:
        raise ValueError(
            f"sampling='hard_negative' needs at least {MIN_POSITIVES} positives for its pilot "
            f"model, but there are {n_positives}: set sampling=None."
        )
    rng = _generator(random_state if sampling.random_state is None else sampling.random_state)
    pilots = CrossFittedPilots(sampling, make_pilot, classes, data.rows.X, codes, rng)
    p = pilots.of_training_rows(data.rows.X)
    acceptance_of = Acceptance(sampling, p, ~positive)
    acceptance = acceptance_of(p)
    rows = np.flatnonzero(positive | (rng.random(codes.size, dtype=np.float32) < acceptance))
    shares = np.bincount(codes, data.rows.weight)
    kept = data.rows.take(rows)
    return SampledSet(
        SamplingResult(
            rows, np.log(acceptance[rows].astype(np.float64)), int(codes.size), n_positives
        ),
        float(shares[1] / shares.sum()),
        data,
        # Few enough to be in memory, whatever the table was.
        replace(kept, X=in_memory(kept.X)),
        lambda other: acceptance_of(pilots.of_other_rows(other)),
        int(rng.integers(2**31)),
    )


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(int(check_random_state(random_state).randint(2**31)))
