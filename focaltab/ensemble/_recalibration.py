"""A member's probabilities made right, by a line in log-odds that is slow to move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

Floats = NDArray[np.float64]

# Strength of the pull towards "as stated". With few positives the line is mostly the pull; with
# many it is the data's.
_PULL = 2.0
_LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class Recalibration:
    """``logit(p') = slope logit(p) + shift``, with `p` kept `edge` away from 0 and 1."""

    slope: float
    shift: float
    edge: float

    @classmethod
    def fit(cls, y: NDArray[Any], probability: Floats, weight: Floats | None) -> Recalibration:
        """Fit to labels and out-of-fold probabilities by penalised maximum likelihood.

        Platt scaling ("Probabilistic Outputs for Support Vector Machines", 1999) in log-odds, with
        a ridge towards slope 1 and shift 0 in place of Platt's smoothed labels.
        """
        # A forest states 0 where no tree saw a positive: one in ten times as many rows as there
        # are is as far as the data can speak.
        edge = min(1e-4, 0.1 / y.size)
        f = _log_odds(probability, edge)
        w = np.ones(y.size) if weight is None else weight / weight.mean()

        def loss(change: Floats) -> tuple[float, Floats]:
            z = (1.0 + change[0]) * f + change[1]
            residual = w * (expit(z) - y)
            value = w @ (np.logaddexp(0.0, z) - y * z) + _PULL * change @ change
            return float(value), np.array([residual @ f, residual.sum()]) + 2.0 * _PULL * change

        bounds = [(_LEAST_SLOPE - 1.0, None), (None, None)]
        change = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
        return cls(1.0 + float(change[0]), float(change[1]), edge)

    def __call__(self, probability: Floats) -> Floats:
        """Probabilities that may be averaged with other members'."""
        return np.asarray(expit(self.slope * _log_odds(probability, self.edge) + self.shift))


def _log_odds(probability: Floats, edge: float) -> Floats:
    return np.asarray(logit(np.clip(probability, edge, 1.0 - edge)))
