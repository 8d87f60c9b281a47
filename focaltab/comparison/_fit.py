"""One fit of a comparison: a candidate on one fold, and its figures on the rows left out."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from focaltab._errors import first_line
from focaltab.comparison._candidates import Candidate
from focaltab.data import take_rows
from focaltab.metrics import average_precision, brier_skill_score, calibration_error, recall_at_k

# Whether more of a figure is better.
HIGHER_IS_BETTER = {
    "average_precision": True,
    "log_loss": False,
    "brier_skill": True,
    "calibration_error": False,
    "fit_time": False,
}


@dataclass(frozen=True)
class Rows:
    """What all candidates are fitted on: features, labels of 0 and 1, weights or None."""

    X: Any
    y: NDArray[np.int8]
    weight: NDArray[np.float64] | None


@dataclass
class Outcome:
    """Figures of one fit, or the first line of its error; and what it warned of."""

    candidate: Candidate
    fold: int
    figures: dict[str, float] = field(default_factory=dict)
    failure: str | None = None
    notes: list[str] = field(default_factory=list)


def metric_names(budgets: Sequence[float]) -> list[str]:
    """Columns of figures, in order."""
    names = list(HIGHER_IS_BETTER)
    return [*names[:-1], *map(budget_name, budgets), names[-1]]


def budget_name(budget: float) -> str:
    """Column of the recall when this share of the rows is alerted."""
    return f"recall_at_{100 * budget:g}%"


def fit_and_judge(
    candidate: Candidate,
    rows: Rows,
    fold: int,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    budgets: Sequence[float],
) -> Outcome:
    """Fit a candidate and judge it on a fold's test rows; an error is an outcome as well."""
    outcome = Outcome(candidate, fold)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome.figures = _figures(candidate, rows, train, test, budgets)
        except Exception as error:
            # Whatever a library raises, one candidate must not take the others with it.
            outcome.failure = f"{type(error).__name__}: {first_line(error)}"
    # Of all that libraries warn of on every fold, what the user can act on.
    outcome.notes = [str(w.message) for w in caught if "is left out" in str(w.message)]
    return outcome


def _figures(
    candidate: Candidate,
    rows: Rows,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    budgets: Sequence[float],
) -> dict[str, float]:
    from sklearn.base import clone

    model = clone(candidate.estimator)
    weight = rows.weight
    options = {} if weight is None else {"sample_weight": weight[train]}
    with _one_thread():
        start = time.perf_counter()
        model.fit(take_rows(rows.X, train), rows.y[train], **options)
        took = time.perf_counter() - start
        stated = model.predict_proba(take_rows(rows.X, test))[:, 1]
    p, y = np.asarray(stated, dtype=np.float64), rows.y[test]
    w = None if weight is None else weight[test]
    total = float(y.size if w is None else w.sum())
    least = 1.0 if w is None else 0.0
    figures = {
        "average_precision": average_precision(y, p, sample_weight=w),
        "log_loss": float(log_loss(y, p, sample_weight=w, labels=[0, 1])),
        "brier_skill": brier_skill_score(y, p, sample_weight=w),
        "calibration_error": calibration_error(y, p, sample_weight=w),
    }
    for budget in budgets:
        k = max(budget * total, least)
        figures[budget_name(budget)] = recall_at_k(y, p, k=k, sample_weight=w)
    return {name: float(value) for name, value in figures.items()} | {"fit_time": took}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of several threads round otherwise: results must not depend on how many there are."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
