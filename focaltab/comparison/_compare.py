"""``compare_losses``: does focal loss, or anything else, beat cross-entropy on these data."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed

from focaltab._progress import progress_bar
from focaltab.comparison import _verdict as judge
from focaltab.comparison._candidates import FOREST, Candidate, candidates, label_told
from focaltab.comparison._fit import (
    Outcome,
    Rows,
    fit_and_judge,
    metric_names,
)
from focaltab.comparison._results import StoredResults, fingerprint
from focaltab.data import Classes, refuse_lazy, warn_of_common_positive
from focaltab.losses._validation import check_weight
from focaltab.model_selection._folds import Folds, checked_folds, positive_rows


@dataclass(frozen=True, eq=False)
class LossComparison:
    """Figures of several losses on the same folds; what `compare_losses` returns.

    Attributes
    ----------
    table : DataFrame
        One row per candidate, by model and loss: the mean of each figure over folds, and of
        average precision the difference to the same model's cross-entropy with its interval
        (95%), its p-value, and the p-value corrected for all comparisons. ``fit_time`` is in
        seconds on one thread, encoding included.
    differences : DataFrame
        The same differences for every figure: one row per model, loss and metric.
    folds : DataFrame
        One row per candidate and fold, with the fold's rows and positives.
    failures : dict of str to str
        Candidates that are in no table, each with the first line of its error.
    verdict : str
        Which loss, if any, beats cross-entropy beyond noise: a line per model.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    folds: pd.DataFrame
    failures: dict[str, str]
    verdict: str

    def __repr__(self) -> str:
        shown = self.table.round(4).to_string()
        return f"{shown}\n\n{self.verdict}"

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.verdict.splitlines())
        failed = "".join(
            f"<li><b>{escape(name)}</b> failed: {escape(error)}</li>"
            for name, error in self.failures.items()
        )
        table = self.table.to_html(float_format="{:.4f}".format, na_rep="")
        return f"<div>{table}{lines}{f'<ul>{failed}</ul>' if failed else ''}</div>"


def compare_losses(
    X: Any,
    y: Any,
    *,
    models: Iterable[str] | Mapping[str, Any] = ("xgb", "lgbm"),
    losses: Iterable[str] | None = None,
    cv: Any = 5,
    n_repeats: int = 2,
    budgets: float | Sequence[float] = (0.01, 0.05),
    pos_label: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    verbose: int = 0,
    results: str | Path | None = None,
) -> LossComparison:
    """Compare losses and resampling on the same folds of your data, with intervals.

    On small tables the choice of loss moves average precision by less than the noise of one split,
    so each candidate is fitted on every fold and compared with cross-entropy of the same model
    there. Intervals and p-values are those of the corrected resampled t-test (Nadeau and Bengio
    2003), which allows for training rows that folds share.

    Parameters
    ----------
    X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
        Columns are encoded for each model (`focaltab.pipeline.TableFeatures`), on training rows.
    y : array-like of shape (n_samples,)
        Two labels.
    models : iterable of {"xgb", "lgbm", "mlp"}, or dict, default=("xgb", "lgbm")
        Boosters of 100 rounds at a rate of 0.1, and a network of 30 epochs (torch). Or a dict of
        names to focaltab's classifiers, whose other parameters are kept as they are.
    losses : iterable of str, default=None
        None for all but "hard_negatives"; "cross_entropy" is always among them.

        - "cross_entropy"
        - "weighted_cross_entropy": balanced class weights. Its probabilities are reported as
          people use them, without taking the weights back, so its calibration is poor.
        - "focal": gamma 2.
        - "class_balanced_focal": gamma 2 and weights by the effective number of rows (beta 0.999).
        - "over_sampling", "under_sampling": cross-entropy on as many positives as negatives, with
          the prior of the probabilities put right (`focaltab.pipeline.ResampledClassifier`).
        - "hard_negatives": cross-entropy on all positives and the negatives that a pilot finds hard
          (`focaltab.sampling`); it needs 25 positives in every training part.
        - "balanced_random_forest": imbalanced-learn's, once, whatever the models.
    cv : int, splitter or iterable of (train, test), default=5
        A number makes stratified, shuffled folds, of whole groups where `groups` are given. A
        column that a splitter reads (``TimeGapSplit(time="day")``) stays a feature, unless you
        split beforehand and pass the rows.
    n_repeats : int, default=2
        How often a number of folds is dealt anew; other `cv` are used once.
    budgets : float or sequence of float in (0, 1), default=(0.01, 0.05)
        Shares of rows that can be alerted: the columns "recall_at_1%" and so on.
    pos_label : label, default=None
        The positive label; None for the one that `models` are told, else the second in sorted
        order.
    groups : array-like of shape (n_samples,), default=None
        Whose row it is; no group stands on both sides of a fold.
    sample_weight : array-like of shape (n_samples,), default=None
        For fits and figures.
    n_jobs : int, default=None
        Processes, by joblib, each with one fit at a time. Results do not depend on it.
    random_state : int, default=0
        Seed of folds, samplers and models.
    verbose : int, default=0
        Above 0 a progress bar is shown on stderr.
    results : path, default=None
        File of JSON lines to which every finished fit is added. A comparison that was killed goes
        on from it; a file of other data, folds or budgets is refused.

    Returns
    -------
    LossComparison

    Raises
    ------
    ValueError
        For unknown names, a target that is not binary, different positive labels told to it and
        its models, too few positives for the folds, unusable weights or budgets, another
        comparison's `results`, or if every candidate fails.
    ImportError
        For "mlp" without torch.

    Warns
    -----
    UserWarning
        For every column of text that is left out, since it hardly repeats.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.comparison import compare_losses
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 3)); y = (X[:, 0] + rng.normal(size=600) > 2).astype(int)
    >>> comparison = compare_losses(X, y, models=["lgbm"], losses=["focal"], cv=3, n_repeats=1)
    >>> comparison.table.index.tolist()
    [('lgbm', 'cross_entropy'), ('lgbm', 'focal')]
    >>> print(comparison.verdict.splitlines()[1])
    Focal loss won nothing on these data.
    """
    budgets = _checked_budgets(budgets)
    if isinstance(random_state, bool) or not isinstance(random_state, Integral):
        raise ValueError(f"random_state must be a whole number, got {random_state!r}.")
    chosen = candidates(models, losses, int(random_state))
    refuse_lazy(X, "compare_losses")
    X, y, groups = indexable(X, y, groups)
    pos_label = label_told(models, pos_label)
    positive, labels = positive_rows(y, pos_label)
    classes = Classes(np.asarray(labels))
    warn_of_common_positive(classes, float(positive.mean()), pos_label)
    if not (hasattr(X, "iloc") or sparse.issparse(X)):
        X = np.asarray(X)
    weight = None if sample_weight is None else check_weight(sample_weight, positive.size)
    rows = Rows(X, positive.astype(np.int8), weight)
    folds = _folds(cv, n_repeats, X, y, groups, pos_label, int(random_state))
    _check_weights_of(folds, rows)
    notes = _notes_on(rows)
    stored = None
    if results is not None:
        stored = StoredResults(results, fingerprint(rows, folds, budgets, int(random_state)))
    tasks = [(candidate, fold) for fold in range(len(folds)) for candidate in chosen]
    outcomes = []
    with progress_bar(len(tasks), verbose, "fits") as advance:
        for outcome in _outcomes(tasks, rows, folds, budgets, stored, n_jobs):
            outcomes.append(outcome)
            advance()
    notes += [note for outcome in outcomes for note in outcome.notes]
    for note in dict.fromkeys(notes):
        warnings.warn(note, UserWarning, stacklevel=2)
    return _collected(outcomes, chosen, rows, folds, metric_names(budgets))


def _outcomes(
    tasks: list[tuple[Candidate, int]],
    rows: Rows,
    folds: Folds,
    budgets: Sequence[float],
    stored: StoredResults | None,
    n_jobs: int | None,
) -> Iterator[Outcome]:
    """Outcomes as they are finished, those of the file first."""
    left = []
    for candidate, fold in tasks:
        figures = None if stored is None else stored.figures(candidate, fold)
        if figures is None:
            left.append(delayed(fit_and_judge)(candidate, rows, fold, *folds[fold], budgets))
        else:
            yield Outcome(candidate, fold, figures)
    for outcome in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(left):
        if stored is not None:
            stored.add(outcome)
        yield outcome


def _collected(
    outcomes: list[Outcome],
    chosen: list[Candidate],
    rows: Rows,
    folds: Folds,
    metrics: list[str],
) -> LossComparison:
    # In the order of the folds, whichever process was first.
    outcomes = sorted(outcomes, key=lambda outcome: outcome.fold)
    failures: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.failure is not None:
            failures.setdefault(outcome.candidate.name, outcome.failure)
    kept = [candidate for candidate in chosen if candidate.name not in failures]
    if not kept:
        name, failure = next(iter(failures.items()))
        raise ValueError(f"every candidate failed; {name}: {failure}")
    found = {(o.candidate.name, o.fold): o.figures for o in outcomes}
    table = pd.DataFrame(
        [
            {
                "model": candidate.model,
                "loss": candidate.loss,
                "fold": fold,
                "n_train": train.size,
                "n_test": test.size,
                "positives_train": int(rows.y[train].sum()),
                "positives_test": int(rows.y[test].sum()),
                **found[candidate.name, fold],
            }
            for candidate in kept
            for fold, (train, test) in enumerate(folds)
        ]
    )
    apart = judge.differences(table, metrics)
    models = list(dict.fromkeys(c.model for c in chosen if c.loss != FOREST))
    return LossComparison(
        table=judge.summary(table, apart, metrics),
        differences=apart,
        folds=table,
        failures=failures,
        verdict=judge.verdict(apart, models, failures, int(table["positives_test"].min())),
    )


def _folds(
    cv: Any, n_repeats: int, X: Any, y: Any, groups: Any, pos_label: Any, seed: int
) -> Folds:
    if isinstance(n_repeats, bool) or not isinstance(n_repeats, Integral) or n_repeats < 1:
        raise ValueError(f"n_repeats must be a whole number of at least 1, got {n_repeats!r}.")
    repeats = int(n_repeats) if isinstance(cv, Integral) else 1
    return [
        fold
        for repeat in range(repeats)
        for fold in checked_folds(cv, X, y, groups, pos_label=pos_label, random_state=seed + repeat)
    ]


def _notes_on(rows: Rows) -> list[str]:
    """Refuse a table once, and not in every fit; what is to be told of it."""
    from focaltab.pipeline import TableFeatures

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        TableFeatures().fit(rows.X, rows.y)
    return [str(w.message) for w in caught if "is left out" in str(w.message)]


def _checked_budgets(budgets: Any) -> tuple[float, ...]:
    budgets = (budgets,) if isinstance(budgets, Real) else tuple(budgets)
    for budget in budgets:
        if not (isinstance(budget, Real) and 0.0 < float(budget) < 1.0):
            raise ValueError(f"budgets must be shares of rows in (0, 1), got {budget!r}.")
    return tuple(dict.fromkeys(float(budget) for budget in budgets))


def _check_weights_of(folds: Folds, rows: Rows) -> None:
    """Refuse a fold in which one class has no weight: no figure could be computed."""
    if rows.weight is None:
        return
    for k, fold in enumerate(folds, start=1):
        for part, numbers in zip(("train", "test"), fold, strict=True):
            total = np.bincount(rows.y[numbers], rows.weight[numbers], minlength=2)
            if not (total > 0).all():
                kind = "positive" if total[1] <= 0 else "negative"
                raise ValueError(
                    f"sample_weight is zero in every {kind} row of the {part} part of fold {k}: "
                    "give such rows weight, or use fewer folds."
                )
