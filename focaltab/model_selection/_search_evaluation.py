"""One candidate of a search: fitted and scored fold by fold."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from focaltab._errors import first_line
from focaltab.data import take_rows, told_of_common_positive
from focaltab.losses._validation import check_weight
from focaltab.model_selection._folds import Folds

# A median over fewer candidates prunes at random.
_COMPLETED_BEFORE_PRUNING = 5


@dataclass
class Candidate:
    """Parameters, and what became of them: state "complete", "pruned" or "failed"."""

    params: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    fit_times: list[float] = field(default_factory=list)
    score_times: list[float] = field(default_factory=list)
    state: str = "complete"
    error: str = ""

    @property
    def mean(self) -> float:
        """Mean score, NaN unless all folds are scored."""
        return float(np.mean(self.scores)) if self.state == "complete" else math.nan

    def result(self) -> dict[str, Any]:
        """What became of it, for a file."""
        return {name: value for name, value in asdict(self).items() if name != "params"}


class _FoldResult(NamedTuple):
    score: float
    fit_time: float
    score_time: float
    error: str


@dataclass(frozen=True)
class Evaluator:
    """All that scoring a candidate needs besides its parameters."""

    estimator: Any
    X: Any
    y: Any
    folds: Folds
    scorer: Any
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]
    n_jobs: int | None

    def score(self, candidates: Sequence[Candidate], before: Sequence[Candidate]) -> None:
        """Score candidates side by side, pruning after each fold those below the median.

        Parameters
        ----------
        candidates
            Filled in place.
        before
            Candidates done earlier, whose running means set the median; none, no pruning.
        """
        with Parallel(n_jobs=self.n_jobs) as parallel:
            for k, (train, test) in enumerate(self.folds):
                running = [c for c in candidates if c.state == "complete"]
                results = parallel(
                    delayed(_score_fold)(self, candidate.params, train, test)
                    for candidate in running
                )
                for candidate, result in zip(running, results, strict=True):
                    candidate.fit_times.append(result.fit_time)
                    candidate.score_times.append(result.score_time)
                    if result.error:
                        candidate.state, candidate.error = "failed", result.error
                        continue
                    candidate.scores.append(result.score)
                    if k + 1 < len(self.folds) and _is_behind(candidate, before):
                        candidate.state = "pruned"


def _is_behind(candidate: Candidate, before: Sequence[Candidate]) -> bool:
    done = [c for c in before if c.state == "complete"]
    if len(done) < _COMPLETED_BEFORE_PRUNING:
        return False
    n = len(candidate.scores)  # the same folds for all, so that a hard one is no one's fault
    return float(np.mean(candidate.scores)) < float(
        np.median([np.mean(c.scores[:n]) for c in done])
    )


def _score_fold(evaluator: Evaluator, params: Mapping[str, Any], train: Any, test: Any) -> Any:
    start = time.perf_counter()
    fitted_at = start
    try:
        estimator = with_params(evaluator.estimator, params)
        X, y = evaluator.X, evaluator.y
        with told_of_common_positive():
            estimator.fit(
                take_rows(X, train),
                take_rows(y, train),
                **of_rows(evaluator.fit_params, train, len(y)),
            )
        fitted_at = time.perf_counter()
        score = float(
            evaluator.scorer(
                estimator,
                take_rows(X, test),
                take_rows(y, test),
                **of_rows(evaluator.score_params, test, len(y)),
            )
        )
        error = "" if math.isfinite(score) else f"ValueError: the score of a fold is {score}."
    except Exception as failure:
        score, error = math.nan, f"{type(failure).__name__}: {first_line(failure)}"
    end = time.perf_counter()
    return _FoldResult(score, fitted_at - start, end - fitted_at, error)


def with_params(estimator: Any, params: Mapping[str, Any]) -> Any:
    """An unfitted copy with other parameters, whose values are copies as well."""
    return clone(estimator).set_params(**{k: clone(v, safe=False) for k, v in params.items()})


def of_rows(params: Mapping[str, Any], rows: Any, n_rows: int) -> dict[str, Any]:
    """Values of the rows' length cut to some of them."""

    def cut(value: Any) -> Any:
        per_row = hasattr(value, "__len__") and not isinstance(value, str | bytes | Mapping)
        return take_rows(value, rows) if per_row and len(value) == n_rows else value

    return {name: cut(value) for name, value in params.items()}


def check_weights(sample_weight: Any, positive: NDArray[np.bool_], folds: Folds) -> None:
    """Refuse weights that leave a part of a fold without one of the classes.

    Raises
    ------
    ValueError
        Also for weights that are negative, not finite, or not one per row.
    """
    if sample_weight is None:
        return
    weight = np.asarray(sample_weight, dtype=np.float64)
    check_weight(weight, positive.size)
    for k, parts in enumerate(folds, start=1):
        for part, rows in zip(("train", "test"), parts, strict=True):
            for kind, of_class in (("positive", positive), ("negative", ~positive)):
                if not (weight[rows][of_class[rows]] > 0).any():
                    raise ValueError(
                        f"sample_weight is zero in every row of the {kind} class in the {part} "
                        f"part of fold {k}: drop such rows or use fewer folds."
                    )
