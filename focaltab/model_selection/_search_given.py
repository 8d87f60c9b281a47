"""The estimator of a search as it was given, and what is said of candidates that fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import FitFailedWarning

from focaltab._errors import first_line
from focaltab.model_selection._search_evaluation import Candidate, Evaluator
from focaltab.model_selection._search_journal import Journal
from focaltab.model_selection._search_space import SearchSpace, plain_twin


def best_has(name: str) -> Callable[[Any], bool]:
    """Whether a search's best estimator, or before `fit` the given one, has a method."""
    return lambda search: hasattr(getattr(search, "best_estimator_", search.estimator), name)


def missing_seeds(estimator: Any, seed: int) -> dict[str, int]:
    """A number for each random state that has none: the same for every candidate and fold."""
    given = estimator.get_params(deep=True)
    names = sorted(n for n, v in given.items() if n.split("__")[-1] == "random_state" and v is None)
    drawn = np.random.RandomState(seed).randint(np.iinfo(np.int32).max, size=len(names))
    return {name: int(value) for name, value in zip(names, drawn, strict=True)}


def first_candidates(
    space: SearchSpace, given: dict[str, Any], prefix: str | None
) -> list[tuple[str, dict[str, Any]]]:
    """The estimator without focal loss, and as it was given."""
    names = set(space.distributions)
    if prefix is not None:
        names |= {prefix + "focal_gamma", prefix + "focal_alpha"}
    as_given = {name: given.get(name) for name in sorted(names) if name in given}
    if prefix is None:
        return [("given", as_given)]
    plain = plain_twin(as_given, prefix)
    found = [("given without focal loss", plain)]
    return found if are_same(plain, as_given) else [*found, ("given", as_given)]


def are_same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two candidates have the same parameters."""
    return repr(sorted(a.items())) == repr(sorted(b.items()))


def scored(evaluator: Evaluator, journal: Journal, name: str, params: dict[str, Any]) -> Candidate:
    """A candidate of given parameters, scored on all folds or remembered by the journal."""
    found = journal.recall(name, params)
    if found is not None:
        return found
    candidate = Candidate(dict(params))
    evaluator.score([candidate], [])
    journal.add(name, candidate, {}, {})
    return candidate


def report_failures(
    candidates: list[Candidate], fit_all_rows: Callable[[Candidate], object]
) -> None:
    """Warn of candidates that failed.

    Raises
    ------
    ValueError
        Where no candidate is left; quotes the first's error on all rows, whose numbers the user
        knows, if it has one there too.
    """
    failed = [k for k, c in enumerate(candidates) if c.state == "failed"]
    if not failed:
        return
    first = candidates[failed[0]]
    if not any(c.state == "complete" for c in candidates):
        said = first.error
        try:
            fit_all_rows(first)
        except Exception as error:
            said = f"{type(error).__name__}: {first_line(error)}"
        raise ValueError(f"all {len(candidates)} candidates failed; the first with {said}")
    warnings.warn(
        f"{len(failed)} of {len(candidates)} candidates failed; candidate {failed[0]} with "
        f"{first.error} The others stand in cv_results_['error'].",
        FitFailedWarning,
        stacklevel=3,
    )
