"""How far two distributions lie apart: population stability index, its noise, and KS."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from focaltab.monitoring._summary import N_QUANTILES

Floats = NDArray[np.float64]
Level = Literal["stable", "moderate", "large"]

MODERATE = 0.1
LARGE = 0.25
# Added to each count of rows, so that an empty bin has a logarithm.
_HALF_A_ROW = 0.5


class Stability(NamedTuple):
    """A population stability index beside what chance alone makes of it."""

    psi: float
    by_chance: float
    limit: float

    @property
    def beyond_chance(self) -> bool:
        """Whether chance alone is hardly as large."""
        return self.psi > self.limit

    @property
    def level(self) -> Level:
        """The rule of thumb's word, whatever chance would make."""
        return level_of(self.psi)


def level_of(psi: float) -> Level:
    """What the rule of thumb calls a PSI (Siddiqi, "Credit Risk Scorecards", 2006).

    "stable" below 0.1, "moderate" below 0.25, "large" from there on. It knows nothing of how many
    rows there are.
    """
    return "stable" if psi < MODERATE else "moderate" if psi < LARGE else "large"


def stability(
    reference: Floats, new: Floats, n_reference: float, n_new: float, significance: float
) -> Stability:
    """Population stability index of shares over the same bins.

    ``sum((new - reference) log(new / reference))`` over bins that either has rows in. Half a row
    is added to every count, the usual correction of log ratios of counts (Haldane 1956, Anscombe
    1956), since an empty bin would else make it infinite.

    Where nothing changed PSI is about ``1/n_reference + 1/n_new`` times a chi-squared variable of
    ``bins - 1`` degrees of freedom (Yurdakul, "Statistical Properties of Population Stability
    Index", 2018; Yurdakul and Naranjo, Journal of Risk Model Validation 14, 2020).

    Parameters
    ----------
    reference, new : ndarray of shape (n_bins,)
        Shares, each of which sum to 1.
    n_reference, n_new : float
        Rows.
    significance : float
        Probability that chance alone exceeds `limit`.

    Returns
    -------
    Stability
        `psi`, its mean by chance alone, and the limit that chance hardly exceeds.
    """
    used = (reference > 0) | (new > 0)
    counts = [reference[used] * n_reference, new[used] * n_new]
    p, q = ((c + _HALF_A_ROW) / (c + _HALF_A_ROW).sum() for c in counts)
    psi = float(((q - p) * np.log(q / p)).sum())
    degrees = int(used.sum()) - 1
    noise = 1.0 / n_reference + 1.0 / n_new
    limit = float(chi2.isf(significance, degrees)) * noise if degrees > 0 else 0.0
    return Stability(psi, degrees * noise, limit)


def kolmogorov_smirnov(quantiles: Floats, values: Floats, weight: Floats | None) -> float:
    """Largest difference of two distribution functions, exact to 0.01.

    The reference's is known at its percentiles alone: between two of them it rises by less than
    0.01, and so much may the difference be larger, or smaller at a value that many rows share.

    Parameters
    ----------
    quantiles : ndarray of shape (101,)
        Percentiles 0 to 100 of the reference, as values that occur in it.
    values : ndarray of shape (n_new,)
    weight : ndarray of shape (n_new,) or None

    Returns
    -------
    float
    """
    knots, first = np.unique(quantiles, return_index=True)
    last = np.append(first[1:], N_QUANTILES) - 1
    place = np.searchsorted(knots, values, side="left")
    total = float(values.size if weight is None else weight.sum())
    up_to = np.cumsum(np.bincount(place, weight, minlength=knots.size + 1))[:-1] / total
    at = np.append(knots, np.nan)[place] == values
    own_weight = None if weight is None else weight[at]
    on = np.bincount(place[at], own_weight, minlength=knots.size)[: knots.size] / total
    highest = N_QUANTILES - 1
    above, below = up_to - last / highest, (up_to - on) - first / highest
    return float(min(max(np.abs(above).max(), np.abs(below).max()), 1.0))
