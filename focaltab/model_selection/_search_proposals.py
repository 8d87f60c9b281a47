"""What a search tries next: Optuna's sampler or, without Optuna, successive halving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import effective_n_jobs  # type: ignore[import-untyped]
from sklearn.base import clone

from focaltab._progress import Advance
from focaltab.data import told_of_common_positive
from focaltab.model_selection._search_evaluation import Candidate, Evaluator
from focaltab.model_selection._search_journal import Journal, quiet_optuna
from focaltab.model_selection._search_space import SearchSpace

# Positives a fold should keep when halving starts on a part of the rows.
_POSITIVES_PER_FOLD = 10


def sampled_by_optuna(
    evaluator: Evaluator,
    space: SearchSpace,
    journal: Journal,
    before: list[Candidate],
    *,
    n_trials: int,
    seed: int,
    is_late: Callable[[], bool],
    advance: Advance,
) -> list[Candidate]:
    """Candidates from a tree-structured Parzen estimator, as many at a time as there are workers.

    A resumed search asks for every candidate again and takes the results of those that the journal
    holds. The sampler is seeded for each anew, so it then sees, and proposes, what it did before.
    """
    import optuna

    optuna_space = space.to_optuna()
    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
        done: list[Candidate] = []
        batch_size = effective_n_jobs(evaluator.n_jobs)
        while len(done) < n_trials and not (is_late() and (before or done)):
            numbers = range(len(done), min(len(done) + batch_size, n_trials))
            trials = []
            for number in numbers:
                sampler_seed = np.random.SeedSequence([seed, number]).generate_state(1)[0]
                study.sampler = optuna.samplers.TPESampler(seed=int(sampler_seed))
                trials.append(study.ask(optuna_space))
            batch, missing = [], []
            for number, trial in zip(numbers, trials, strict=True):
                params = space.values(trial.params)
                found = journal.recall(f"trial {number}", params)
                batch.append(found or Candidate(params))
                if found is None:
                    missing.append(batch[-1])
            evaluator.score(missing, before + done)
            for number, trial, candidate in zip(numbers, trials, batch, strict=True):
                if any(candidate is new for new in missing):
                    journal.add(f"trial {number}", candidate, trial.params, optuna_space)
                _tell(study, trial, candidate)
            done.extend(batch)
            advance(len(batch))
        return done


def _tell(study: Any, trial: Any, candidate: Candidate) -> None:
    from optuna.trial import TrialState

    running = np.cumsum(candidate.scores) / np.arange(1, len(candidate.scores) + 1)
    for step, mean in enumerate(running.tolist()):
        trial.report(mean, step)
    if candidate.state == "complete":
        study.tell(trial, candidate.mean)
    else:
        state = TrialState.PRUNED if candidate.state == "pruned" else TrialState.FAIL
        study.tell(trial, state=state)


def sampled_by_halving(
    evaluator: Evaluator,
    space: SearchSpace,
    *,
    n_trials: int,
    seed: int,
    n_positives: int,
    advance: Advance,
) -> list[Candidate]:
    """Random candidates, thinned on growing parts of the rows; survivors scored on all of them."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV

    n_rows, n_folds = len(evaluator.y), len(evaluator.folds)
    share = min(1.0, max(1 / 9, _POSITIVES_PER_FOLD * n_folds / n_positives))
    search = HalvingRandomSearchCV(
        clone(evaluator.estimator),
        space.distributions,
        n_candidates=n_trials,
        min_resources=max(int(share * n_rows), 4 * n_folds),
        cv=evaluator.folds,
        scoring=evaluator.scorer,
        error_score=np.nan,
        refit=False,
        random_state=seed,
        n_jobs=evaluator.n_jobs,
    )
    with told_of_common_positive():
        search.fit(evaluator.X, evaluator.y, **evaluator.fit_params)
    last = search.cv_results_["iter"] == search.n_iterations_ - 1
    survivors = [
        Candidate(dict(params))
        for params, is_last in zip(search.cv_results_["params"], last, strict=True)
        if is_last
    ]
    evaluator.score(survivors, [])
    advance(n_trials)
    return survivors
