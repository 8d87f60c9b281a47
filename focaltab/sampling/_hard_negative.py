"""``HardNegativeSampling``: which negatives are worth training on."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

# Steps that halve the range of the acceptance factor, in logarithms, until a budget is met.
_HALVINGS = 50
# Whatever is kept of them, no training set has fewer negatives (or fewer than positives).
_MIN_NEGATIVES = 25


class HardNegativeSampling(BaseEstimator):  # type: ignore[misc]
    """Keep all positives, and the negatives that a small model finds likely to be positive.

    A pilot model gives every row a probability ``p`` of being positive; a negative is kept with
    probability ``a = clip(factor * p, least, 1)``. Among the kept rows the log-odds at a point are
    the true ones minus ``log a``. Training adds this offset to the margin, so that what the model
    learns is the log-odds of all rows, without weights. After Fithian and Hastie, "Local
    case-control sampling: efficient subsampling in imbalanced data sets", Annals of Statistics
    42(5), 2014, who also thin the easy positives; here all are kept.

    The offset is exact for an acceptance that depends on features alone. So the rows are split
    into halves, and each half is scored by a pilot that was trained on the other.

    Parameters
    ----------
    pilot : classifier, default=None
        Fitted without weights on the positives of a half and a uniform sample of its negatives;
        its probabilities are corrected for that. None for a small model of the estimator's own
        kind. A ``sklearn.frozen.FrozenEstimator`` is used as it is: it must have been trained on
        other rows than these, or the probabilities come out too high.
    pilot_fraction : float in (0, 1], default=0.05
        Share of negatives that a pilot is trained on; more where that would be fewer than five
        for each positive.
    acceptance_factor : float, default=50.0
        Negatives with ``p`` of at least ``1 / acceptance_factor`` are all kept. Not used with a
        budget.
    min_acceptance : float in (0, 1], default=0.02
        Least acceptance of a negative, so that what the pilot misses is still seen. More where
        fewer negatives than positives, or than 25, would be expected.
    negatives_per_positive : float, default=None
        Budget: expected number of kept negatives by positive row.
    max_rows : int, default=None
        Budget: expected number of kept rows in all.
    random_state : int, RandomState instance, Generator or None, default=None
        None for that of the estimator that samples.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab import FocalXGBClassifier, HardNegativeSampling
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50_000, 4))
    >>> y = X[:, 0] + rng.normal(size=50_000) > 4.0
    >>> sampling = HardNegativeSampling(negatives_per_positive=20)
    >>> model = FocalXGBClassifier(n_estimators=20, sampling=sampling, random_state=0).fit(X, y)
    >>> model.sampling_.n_kept < 0.1 * len(y)
    True
    >>> bool(0.8 < model.predict_proba(X)[:, 1].mean() / y.mean() < 1.2)
    True
    """

    def __init__(
        self,
        pilot: Any = None,
        *,
        pilot_fraction: float = 0.05,
        acceptance_factor: float = 50.0,
        min_acceptance: float = 0.02,
        negatives_per_positive: float | None = None,
        max_rows: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.pilot = pilot
        self.pilot_fraction = pilot_fraction
        self.acceptance_factor = acceptance_factor
        self.min_acceptance = min_acceptance
        self.negatives_per_positive = negatives_per_positive
        self.max_rows = max_rows
        self.random_state = random_state

    def _check(self) -> None:
        for name in ("pilot_fraction", "min_acceptance"):
            value = getattr(self, name)
            if not (isinstance(value, Real) and 0.0 < float(value) <= 1.0):
                raise ValueError(f"sampling: {name} must lie in (0, 1], got {value!r}.")
        for name in ("acceptance_factor", "negatives_per_positive"):
            value = getattr(self, name)
            if value is None and name == "negatives_per_positive":
                continue
            if not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
                raise ValueError(f"sampling: {name} must be positive and finite, got {value!r}.")
        if self.max_rows is not None:
            if not isinstance(self.max_rows, Integral) or self.max_rows < 1:
                raise ValueError(
                    f"sampling: max_rows must be a whole number of at least 1, got "
                    f"{self.max_rows!r}."
                )
            if self.negatives_per_positive is not None:
                raise ValueError(
                    "sampling: negatives_per_positive and max_rows are both a budget: set one."
                )
        if self.pilot is not None and (
            isinstance(self.pilot, type) or not hasattr(self.pilot, "predict_proba")
        ):
            raise ValueError(
                f"sampling: pilot must be a classifier with predict_proba, got {self.pilot!r:.80}."
            )


Sampling = Literal["hard_negative"] | HardNegativeSampling | None


def sampling_of(given: Any) -> HardNegativeSampling | None:
    """The sampling that a parameter asks for.

    Raises
    ------
    ValueError
        For anything but None, "hard_negative" or a `HardNegativeSampling`, or for its parameters.
    """
    if given is None:
        return None
    named = isinstance(given, str) and given == "hard_negative"
    found = HardNegativeSampling() if named else given
    if not isinstance(found, HardNegativeSampling):
        raise ValueError(
            f"sampling must be None, 'hard_negative' or a HardNegativeSampling, got {given!r}."
        )
    found._check()
    return found


class Acceptance:
    """``clip(factor p, least, 1)``, with the factor that the parameters or their budget ask for.

    Parameters
    ----------
    sampling : HardNegativeSampling
    p : ndarray of shape (n_samples,), float32
        Probability of being positive, by a pilot.
    negative : ndarray of bool of shape (n_samples,)

    Raises
    ------
    ValueError
        Where the least acceptance alone exceeds the budget.
    """

    def __init__(
        self, sampling: HardNegativeSampling, p: NDArray[np.float32], negative: NDArray[np.bool_]
    ) -> None:
        n_negatives = int(negative.sum())
        n_positives = int(negative.size - n_negatives)
        fewest = max(_MIN_NEGATIVES, n_positives) / n_negatives
        self.least = np.float32(min(1.0, max(sampling.min_acceptance, fewest)))
        self.factor = float(sampling.acceptance_factor)
        budget = _budget(sampling, n_negatives, n_positives, float(self.least))
        if budget is not None:
            self.factor = self._factor_for(min(budget, n_negatives), p[negative])

    def __call__(self, p: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability with which a row is kept, were it negative, by its pilot probability."""
        return self._at(self.factor, p)

    def _at(self, factor: float, p: NDArray[np.float32]) -> NDArray[np.float32]:
        # A pilot's zeros are no zeros: a budget that has room must reach them as well.
        possible = np.maximum(p, np.float32(1e-9))
        return np.clip(np.float32(factor) * possible, self.least, np.float32(1.0))

    def _factor_for(self, budget: float, p: NDArray[np.float32]) -> float:
        low, high = -20.0, 30.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            expected = self._at(math.exp(middle), p).sum(dtype=np.float64)
            low, high = (low, middle) if expected > budget else (middle, high)
        return math.exp(low)


def _budget(
    sampling: HardNegativeSampling, n_negatives: int, n_positives: int, least: float
) -> float | None:
    """Expected number of negatives to keep; None where there is no budget."""
    if sampling.negatives_per_positive is not None:
        budget = float(sampling.negatives_per_positive) * n_positives
        name = f"negatives_per_positive={sampling.negatives_per_positive}"
    elif sampling.max_rows is not None:
        budget, name = float(sampling.max_rows) - n_positives, f"max_rows={sampling.max_rows}"
    else:
        return None
    if budget < least * n_negatives:
        raise ValueError(
            f"sampling: {name} leaves room for {max(0.0, budget):,.0f} of {n_negatives:,} "
            f"negatives beside {n_positives:,} positives, but an acceptance of at least "
            f"{least:.3g} keeps {least * n_negatives:,.0f}: lower min_acceptance="
            f"{sampling.min_acceptance}, or raise the budget."
        )
    return budget
