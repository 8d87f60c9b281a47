"""Greedy selection of members with replacement, in bags.

Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models" (ICML
2004): start with nothing, add the member that helps the average most, again and again; a member
may be added several times, which is its weight. Over random halves of the members (their section
2.3) the weights are averaged, for with few positives one greedy path fits the rows it is judged on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.metrics import average_precision, log_loss_skill_score

Floats = NDArray[np.float64]

# Members with less than this are not worth a fit on all rows.
_LEAST_WEIGHT = 0.01


def usefulness(y: NDArray[Any], probability: Floats, weight: Floats | None) -> float:
    """Average precision plus the share of the prior's log loss that is saved.

    Both are 0 to 1 for useful models: one judges the order, the other the probabilities.
    """
    return average_precision(y, probability, sample_weight=weight) + log_loss_skill_score(
        y, probability, sample_weight=weight
    )


def greedy_weights(
    y: NDArray[Any],
    probabilities: Floats,
    weight: Floats | None,
    *,
    n_bags: int,
    n_rounds: int,
    random_state: np.random.RandomState,
) -> Floats:
    """Weight of each member, shape (n_members,), summing to 1.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    probabilities : ndarray of shape (n_members, n_rows)
        Out-of-fold and calibrated.
    weight : ndarray of shape (n_rows,) or None
    """
    n_members = probabilities.shape[0]
    total = np.zeros(n_members)
    for _ in range(n_bags):
        size = max(min(2, n_members), n_members // 2)
        bag = random_state.choice(n_members, size, replace=False)
        total[bag] += _greedy(y, probabilities[bag], weight, n_rounds)
    total /= total.sum()
    total[total < _LEAST_WEIGHT] = 0.0
    return np.asarray(total / total.sum())


def _greedy(y: NDArray[Any], probabilities: Floats, weight: Floats | None, n_rounds: int) -> Floats:
    """Shares of the members in the best average along one greedy path."""
    counts = np.zeros(probabilities.shape[0])
    so_far = np.zeros(probabilities.shape[1])
    best, shares = -np.inf, counts
    for round_ in range(1, n_rounds + 1):
        found = [usefulness(y, (so_far + p) / round_, weight) for p in probabilities]
        member = int(np.argmax(found))
        so_far = so_far + probabilities[member]
        counts[member] += 1
        if found[member] > best:
            best, shares = found[member], counts / round_
    return shares
