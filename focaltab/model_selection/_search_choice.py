"""Which candidate a search takes, and what it says of focal loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.ma import MaskedArray
from scipy.stats import rankdata

from focaltab.model_selection._paired import FoldDifference, corrected_difference
from focaltab.model_selection._search_evaluation import Candidate

Focus = Callable[[Candidate], tuple[bool, float]]


def best(candidates: Sequence[Candidate], indices: Sequence[int]) -> int:
    """The first of the highest mean score among `indices`."""
    return max(indices, key=lambda k: (candidates[k].mean, -k))


def chosen(
    candidates: Sequence[Candidate], focus: Focus | None, test_to_train: float, *, simplest: bool
) -> int:
    """The best candidate or, with `simplest`, the simplest within one standard error of it.

    The error is that of the difference on the same folds, corrected for shared training rows.
    Simplest is no focal loss, then a smaller gamma; of equals the best.
    """
    complete = [k for k, c in enumerate(candidates) if c.state == "complete"]
    top = best(candidates, complete)
    if focus is None or not simplest:
        return top

    def is_as_good(k: int) -> bool:
        if k == top:
            return True
        lost = np.subtract(candidates[top].scores, candidates[k].scores)
        difference = corrected_difference(lost, test_to_train)
        return difference.value <= difference.standard_error  # False from one fold: NaN

    as_good = [k for k in complete if is_as_good(k)]
    least = min(focus(candidates[k]) for k in as_good)
    return best(candidates, [k for k in as_good if focus(candidates[k]) == least])


def gain(
    candidates: Sequence[Candidate], focus: Focus, test_to_train: float
) -> FoldDifference | None:
    """Best focal candidate minus best one without focal loss; None where either is absent."""
    focal, plain = by_loss(candidates, focus)
    if not focal or not plain:
        return None
    first, second = (candidates[best(candidates, found)] for found in (focal, plain))
    return corrected_difference(np.subtract(first.scores, second.scores), test_to_train)


def by_loss(candidates: Sequence[Candidate], focus: Focus) -> tuple[list[int], list[int]]:
    """Complete candidates with focal loss, and without."""
    complete = [k for k, c in enumerate(candidates) if c.state == "complete"]
    focal = [k for k in complete if focus(candidates[k])[0]]
    return focal, [k for k in complete if k not in set(focal)]


def verdict(difference: FoldDifference | None, scoring: str, n_folds: int) -> str:
    """What the folds say of focal loss, in plain sentences."""
    if difference is None:
        return "Focal loss was not compared: candidates with it, or without it, are missing."
    by = f"{abs(difference.value):.4g} in {scoring}"
    if math.isnan(difference.p_value):
        return (
            f"The best focal candidate differs by {difference.value:+.4g} in {scoring} from the "
            "best without focal loss. Whether that is chance "
            f"{'one fold does' if n_folds == 1 else 'these folds do'} not say."
        )
    interval = f"95% interval {difference.low:+.4g} to {difference.high:+.4g}, {n_folds} folds"
    if difference.value <= 0:
        how = "no better than" if difference.value == 0 else f"worse by {by} than"
        return (
            f"Focal loss won nothing: its best candidate is {how} the best without it ({interval})."
        )
    if difference.low > 0:
        return (
            f"Focal loss won: its best candidate is better by {by} than the best without it "
            f"({interval}). Both were picked on these folds; confirm it on rows that none has seen."
        )
    return (
        f"Focal loss won nothing that these folds can show: its best candidate is better by {by} "
        f"than the best without it, within chance ({interval})."
    )


def results_table(candidates: Sequence[Candidate], n_folds: int) -> dict[str, Any]:
    """``cv_results_`` in scikit-learn's layout, with the state and error of each candidate."""
    names = sorted({name for c in candidates for name in c.params})
    table: dict[str, Any] = {}
    for kind in ("fit", "score"):
        times = [getattr(c, f"{kind}_times") for c in candidates]
        table[f"mean_{kind}_time"] = np.array([np.mean(t) if t else math.nan for t in times])
        table[f"std_{kind}_time"] = np.array([np.std(t) if t else math.nan for t in times])
    for name in names:
        column: Any = MaskedArray(np.empty(len(candidates), dtype=object), mask=True)
        for k, candidate in enumerate(candidates):
            if name in candidate.params:
                column[k] = candidate.params[name]
        table[f"param_{name}"] = column
    table["params"] = [dict(c.params) for c in candidates]
    scores = np.full((len(candidates), n_folds), math.nan)
    for k, candidate in enumerate(candidates):
        scores[k, : len(candidate.scores)] = candidate.scores
    for fold in range(n_folds):
        table[f"split{fold}_test_score"] = scores[:, fold]
    means = np.array([c.mean for c in candidates])
    table["mean_test_score"] = means
    table["std_test_score"] = np.where(np.isnan(means), math.nan, scores.std(axis=1))
    # As scikit-learn ranks: candidates without a mean come last, together.
    lowest = np.nanmin(means) - 1.0
    ranks = rankdata(-np.where(np.isnan(means), lowest, means), method="min")
    table["rank_test_score"] = ranks.astype(np.int32)
    table["state"] = np.array([c.state for c in candidates])
    table["error"] = np.array([c.error for c in candidates], dtype=object)
    return table
