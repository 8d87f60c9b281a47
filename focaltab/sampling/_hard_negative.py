"""``HardNegativeSampling``: which negatives are worth training on."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

# Steps that halve the range of the acceptance factor, in logarithms, until a budget is met.
_HALVINGS = 40


class HardNegativeSampling(BaseEstimator):  # type: ignore[misc]
    """Keep all positives, and the negatives that a small model finds likely to be positive.

    A pilot model, trained on all positives and few negatives, gives every row a probability ``p``.
    All positives are kept, and a negative with probability ``a = clip(factor * p, least, 1)``
    (Fithian and Hastie, "Local case-control sampling", Annals of Statistics 2014). Among the kept
    rows the log-odds at a point are the true ones minus ``log a``. Training adds this offset to
    the margin, so that what the model learns is the true log-odds: nothing is weighted by large
    numbers, and nothing has to be corrected afterwards.

    Parameters
    ----------
    pilot : classifier, default=None
        Fitted on a uniform sample, whose probabilities are corrected for it. None for a small
        booster. A ``sklearn.frozen.FrozenEstimator`` around yesterday's model is used as it is.
    pilot_fraction : float in (0, 1], default=0.02
        Share of negatives that the pilot is trained on; more where that would be fewer than five
        for each positive.
    acceptance_factor : float, default=20.0
        Negatives with ``p`` of at least ``1 / acceptance_factor`` are all kept. Not used with a
        budget.
    min_acceptance : float in (0, 1], default=0.01
        Least acceptance of a negative, whatever the pilot thinks of it: what the pilot misses is
        still seen.
    negatives_per_positive : float, default=None
        Budget: expected number of kept negatives by positive row.
    max_rows : int, default=None
        Budget: expected number of kept rows in all.
    random_state : int, RandomState instance, Generator or None, default=None
        None for that of the estimator that samples.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab import FocalXGBClassifier
    >>> from focaltab.sampling import HardNegativeSampling
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
        pilot_fraction: float = 0.02,
        acceptance_factor: float = 20.0,
        min_acceptance: float = 0.01,
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

    def check(self) -> None:
        """Refuse parameters that cannot be used.

        Raises
        ------
        ValueError
            Names the parameter and what it may be.
        """
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

    def factor_for(self, p: NDArray[np.float32], negative: NDArray[np.bool_]) -> float:
        """Acceptance for each unit of probability, from the parameter or the budget.

        Parameters
        ----------
        p : ndarray of shape (n_samples,), float32
            Probability of being positive, by the pilot.
        negative : ndarray of bool of shape (n_samples,)

        Raises
        ------
        ValueError
            Where `min_acceptance` alone exceeds the budget.
        """
        n_negatives = int(negative.sum())
        budget = self._budget(n_negatives, int(negative.size - n_negatives))
        if budget is None:
            return float(self.acceptance_factor)
        own = p[negative]
        low, high = -20.0, 60.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            expected = self.acceptance(own, math.exp(middle)).sum(dtype=np.float64)
            low, high = (low, middle) if expected > budget else (middle, high)
        return math.exp(low)

    def acceptance(self, p: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
        """Probability with which each row would be kept, were it negative."""
        least, most = np.float32(self.min_acceptance), np.float32(1.0)
        return np.clip(np.float32(factor) * p, least, most)

    def _budget(self, n_negatives: int, n_positives: int) -> float | None:
        """Expected number of negatives to keep; None where there is no budget."""
        if self.negatives_per_positive is not None:
            budget = float(self.negatives_per_positive) * n_positives
            name = f"negatives_per_positive={self.negatives_per_positive}"
        elif self.max_rows is not None:
            budget, name = float(self.max_rows) - n_positives, f"max_rows={self.max_rows}"
        else:
            return None
        least = self.min_acceptance * n_negatives
        if budget < least:
            raise ValueError(
                f"sampling: {name} leaves room for {max(0.0, budget):,.0f} of {n_negatives:,} "
                f"negatives beside {n_positives:,} positives, but min_acceptance="
                f"{self.min_acceptance} keeps {least:,.0f}: lower it, or raise the budget."
            )
        return budget


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
    found = HardNegativeSampling() if given == "hard_negative" else given
    if not isinstance(found, HardNegativeSampling):
        raise ValueError(
            f"sampling must be None, 'hard_negative' or a HardNegativeSampling, got {given!r}."
        )
    found.check()
    return found
