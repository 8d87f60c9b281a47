"""``FocalSearchCV``: tune a classifier, and learn whether focal loss is worth having."""

from __future__ import annotations

import time
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from focaltab._optional import require
from focaltab._progress import progress_bar
from focaltab._saving import part_writer
from focaltab.data import described, encode_target, fingerprint_of, refuse_lazy, weight_keyword
from focaltab.model_selection._folds import checked_folds
from focaltab.model_selection._positive import pos_label_of
from focaltab.model_selection._scorers import scorer_of, takes_weights
from focaltab.model_selection._search_choice import (
    best,
    by_loss,
    chosen,
    gain,
    results_table,
    verdict,
)
from focaltab.model_selection._search_evaluation import (
    Candidate,
    Evaluator,
    check_weights,
    with_params,
)
from focaltab.model_selection._search_given import (
    are_same,
    best_has,
    first_candidates,
    missing_seeds,
    report_failures,
    scored,
)
from focaltab.model_selection._search_journal import opened_journal
from focaltab.model_selection._search_proposals import sampled_by_halving, sampled_by_optuna
from focaltab.model_selection._search_space import (
    SearchSpace,
    default_param_distributions,
    focal_prefix,
    focus,
    plain_twin,
)


class FocalSearchCV(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Search the parameters of a classifier, with no focal loss always among the candidates.

    Candidates are scored on the same folds. The first are the estimator as it was given, without
    focal loss and with it; the last is the best focal candidate's twin without it. Of candidates
    that the folds cannot tell from the best, the simplest is taken: focal loss stays only where it
    earns its place, and `verdict_` says whether it did. The search also tunes classifiers that know
    no focal loss, given `param_distributions`.

    Parameters
    ----------
    estimator : classifier or Pipeline
    param_distributions : dict, default=None
        By parameter name a list of values, or ``scipy.stats.uniform``, ``loguniform`` or
        ``randint`` with its bounds. None for `default_param_distributions`.
    n_trials : int, default=40
        Candidates, the given ones included; the twin comes on top.
    scoring : str or callable, default="average_precision"
        Name of a metric of `focaltab.metrics` or of scikit-learn (``"log_loss"`` is negated), or a
        scorer. The positive label is the estimator's ``pos_label``, else the second.
    cv : int, splitter or iterable, default=5
        A number makes shuffled stratified folds, of whole groups where `fit` gets ``groups``.
    one_standard_error : bool, default=True
        Take the simplest of the candidates that are not worse than the best by more than one
        standard error of the difference over folds, corrected for shared training rows: one
        without focal loss, else one of the smallest gamma. Otherwise the best, and for
        estimators without focal loss always.
    timeout : float, default=None
        Seconds after which no candidate is begun (with Optuna alone). What is found then depends
        on the machine.
    storage : str or path, default=None
        Journal file (Optuna's format). A search that was killed goes on where it was, to the very
        result of an unbroken one; one that is done can be given more `n_trials`.
    n_jobs : int, default=None
        Candidates fitted side by side. The sampler then proposes as many at once: the result
        depends on this number, and on nothing else about the machine.
    refit : bool, default=True
        Fit the chosen candidate on all rows.
    random_state : int, RandomState instance or None, default=None
        Folds, candidates and, where it is given, each ``random_state`` of the estimator that is
        None. `storage` needs a number.
    verbose : int, default=0
        From 1 a progress bar on stderr.

    Attributes
    ----------
    best_estimator_ : classifier
        Only with `refit`.
    best_params_ : dict
    best_score_ : float
        Mean score over folds of the chosen candidate. It was chosen by it: expect a little less.
    best_index_ : int
    cv_results_ : dict of arrays
        In the layout of ``GridSearchCV``, with ``state`` ("complete", "pruned", "failed") and
        ``error``. Candidates that are not complete have a NaN mean.
    focal_gain_ : FoldDifference or None
        Best focal candidate minus best one without: value, standard error, 95% interval and
        p-value (Nadeau and Bengio 2003). None where either is missing.
    verdict_ : str
        The same in sentences.
    folds_ : list of (ndarray, ndarray)
    n_splits_ : int
    scorer_ : callable
    refit_time_ : float
    classes_ : ndarray of shape (2,)

    Notes
    -----
    Optuna's sampler proposes candidates, and one whose mean over the folds so far is below the
    median is given up. Without Optuna (the extra ``tune``) scikit-learn's
    ``HalvingRandomSearchCV`` proposes: it draws at random, thins on growing parts of the rows, and
    its survivors are scored on all folds.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab import FocalLGBMClassifier
    >>> from focaltab.model_selection import FocalSearchCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 3)); y = (X[:, 0] + rng.normal(size=600) > 2).astype(int)
    >>> model = FocalLGBMClassifier(n_estimators=10, n_jobs=1, verbosity=-1)
    >>> search = FocalSearchCV(model, {"focal_gamma": [1.0, 2.0], "num_leaves": [3, 7]},
    ...                        n_trials=4, cv=3, random_state=0).fit(X, y)
    >>> search.predict_proba(X).shape, len(search.cv_results_["params"]) >= 4
    ((600, 2), True)
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any = None,
        *,
        n_trials: int = 40,
        scoring: Any = "average_precision",
        cv: Any = 5,
        one_standard_error: bool = True,
        timeout: float | None = None,
        storage: Any = None,
        n_jobs: int | None = None,
        refit: bool = True,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.scoring = scoring
        self.cv = cv
        self.one_standard_error = one_standard_error
        self.timeout = timeout
        self.storage = storage
        self.n_jobs = n_jobs
        self.refit = refit
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, **params: Any) -> FocalSearchCV:
        """Search, then fit the chosen candidate on all rows.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two labels.
        groups : array-like of shape (n_samples,), default=None
            Whose row it is, for the folds.
        **params
            Passed to the estimator's ``fit``; values of the rows' length are split with them. A
            ``sample_weight`` also weighs scores where the scorer can, and reaches the last step of
            a pipeline. Under metadata routing estimator and scorer get what they request.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For folds that cannot be made (see `checked_folds`), unknown parameters or
            distributions, a `storage` of another search, or where every candidate fails.
        ImportError
            For `storage` without Optuna.
        """
        refuse_lazy(X, "FocalSearchCV")
        X, y = indexable(X, y)
        has_optuna = find_spec("optuna") is not None
        self._check_parameters()
        if self.storage is not None:
            require("optuna", "storage=", extra="tune")
        y = y if y is None else column_or_1d(y, warn=True)
        pos_label = pos_label_of(self.estimator)
        random = check_random_state(self.random_state)
        seed = int(random.randint(np.iinfo(np.int32).max))
        folds = checked_folds(self.cv, X, y, groups, pos_label=pos_label, random_state=seed)
        classes, codes = encode_target(y, pos_label)
        estimator = self.estimator
        if self.random_state is not None:
            estimator = with_params(estimator, missing_seeds(estimator, seed))
        distributions = self.param_distributions
        if distributions is None:
            distributions = default_param_distributions(estimator)
        space = SearchSpace(distributions, estimator)
        scorer = scorer_of(self.scoring, estimator, classes.by_number.tolist()[1])
        check_weights(params.get("sample_weight"), codes == 1, folds)
        fit_params, score_params = self._shared_out(params, scorer)
        evaluator = Evaluator(estimator, X, y, folds, scorer, fit_params, score_params, self.n_jobs)
        fingerprint = "" if self.storage is None else self._fingerprint(evaluator, space, groups)
        started = time.monotonic()
        given = estimator.get_params(deep=True)
        prefix = focal_prefix(given)
        candidates = []
        shown = progress_bar(self.n_trials, self.verbose, "candidates")
        with opened_journal(self.storage, fingerprint) as journal, shown as advance:
            for name, values in first_candidates(space, given, prefix)[: self.n_trials]:
                candidates.append(scored(evaluator, journal, name, values))
                advance()
            n_left = self.n_trials - len(candidates)
            if n_left and has_optuna:
                candidates += sampled_by_optuna(
                    evaluator,
                    space,
                    journal,
                    candidates,
                    n_trials=n_left,
                    seed=seed,
                    is_late=lambda: (
                        self.timeout is not None and time.monotonic() - started > self.timeout
                    ),
                    advance=advance,
                )
            elif n_left:
                candidates += sampled_by_halving(
                    evaluator,
                    space,
                    n_trials=n_left,
                    seed=seed,
                    n_positives=int((codes == 1).sum()),
                    advance=advance,
                )

            def whole(candidate: Candidate) -> dict[str, Any]:
                """Parameters of the candidate itself, whose model may not be the given one."""
                return dict(with_params(estimator, candidate.params).get_params(deep=True))

            judge = None if prefix is None else lambda c: focus(whole(c))
            if judge is not None and (focal := by_loss(candidates, judge)[0]):
                top = candidates[best(candidates, focal)]
                twin = plain_twin(top.params, str(focal_prefix(whole(top))))
                if not any(are_same(twin, c.params) for c in candidates):
                    # Named by its parameters: with more trials the best may be another.
                    name = f"twin {fingerprint_of(repr(sorted(twin.items())))}"
                    candidates.append(scored(evaluator, journal, name, twin))
        report_failures(
            candidates, lambda c: with_params(estimator, c.params).fit(X, y, **fit_params)
        )
        ratio = float(np.mean([test.size / train.size for train, test in folds]))
        index = chosen(candidates, judge, ratio, simplest=self.one_standard_error)
        values = candidates[index].params
        start = time.perf_counter()
        fitted = with_params(estimator, values).fit(X, y, **fit_params) if self.refit else None
        self._forget()
        if fitted is not None:
            self.best_estimator_ = fitted
            self.refit_time_: float = time.perf_counter() - start
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(fitted, name):
                    setattr(self, name, getattr(fitted, name))
        self.best_index_: int = index
        self.best_params_: dict[str, Any] = dict(values)
        self.best_score_: float = candidates[index].mean
        self.cv_results_ = results_table(candidates, len(folds))
        self.focal_gain_ = None if judge is None else gain(candidates, judge, ratio)
        scoring = self.scoring if isinstance(self.scoring, str) else "the score"
        self.verdict_: str = (
            "This estimator has no focal loss."
            if judge is None
            else verdict(self.focal_gain_, scoring, len(folds))
        )
        self.folds_, self.n_splits_, self.scorer_ = folds, len(folds), scorer
        self.classes_: NDArray[Any] = classes.labels
        return self

    def _check_parameters(self) -> None:
        if not isinstance(self.n_trials, Integral) or self.n_trials < 1:
            raise ValueError(f"n_trials must be a whole number of at least 1, got {self.n_trials}.")
        if self.timeout is not None and not (isinstance(self.timeout, Real) and self.timeout > 0):
            raise ValueError(f"timeout must be seconds above 0 or None, got {self.timeout!r}.")
        if self.storage is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                "storage needs random_state as a number: a search without one cannot be resumed to "
                "the same result."
            )

    def _shared_out(
        self, params: dict[str, Any], scorer: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the estimator's ``fit`` is given, and the scorer."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params)
            return dict(routed.estimator.fit), dict(routed.scorer.score)
        params = {name: value for name, value in params.items() if value is not None}
        weight = params.get("sample_weight")
        if weight is not None:
            keyword = weight_keyword(self.estimator) or "sample_weight"
            params[keyword] = params.pop("sample_weight")
        weighs = weight is not None and takes_weights(scorer)
        return params, {"sample_weight": weight} if weighs else {}

    def _fingerprint(self, evaluator: Evaluator, space: SearchSpace, groups: Any) -> str:
        fit_params, scored = evaluator.fit_params, evaluator.score_params
        return fingerprint_of(
            evaluator.X,
            evaluator.y,
            groups,
            evaluator.folds,
            described(space.description()),
            described(evaluator.scorer),
            type(self.estimator).__qualname__,
            [
                (name, described(value))
                for name, value in sorted(self.estimator.get_params(deep=True).items())
            ],
            *[part for name in sorted(fit_params) for part in (name, fit_params[name])],
            *[part for name in sorted(scored) for part in (name, scored[name])],
            self.random_state,
            self.n_jobs,
        )

    def _forget(self) -> None:
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            delattr(self, name)

    def _best(self) -> Any:
        check_is_fitted(self, "cv_results_")
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                "FocalSearchCV was fitted with refit=False, and has no model to predict with: fit "
                "one with best_params_, or refit."
            )
        return self.best_estimator_

    @available_if(best_has("predict"))  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> NDArray[Any]:
        """Labels by the best estimator, shape (n_samples,)."""
        return self._best().predict(X)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if part_writer() is None:
            return state
        # Row numbers of the training set are of no use without it.
        return {name: value for name, value in state.items() if name != "folds_"}

    @available_if(best_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities by the best estimator, shape (n_samples, 2)."""
        return self._best().predict_proba(X)

    @available_if(best_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Decision values by the best estimator, shape (n_samples,)."""
        return self._best().decision_function(X)

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Score of the best estimator by `scoring`, as the search scored it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        **params
            Of the scorer, such as ``sample_weight``; under metadata routing, as it requests.
        """
        best = self._best()
        if get_config()["enable_metadata_routing"] and params:
            params = dict(process_routing(self, "score", **params).scorer.score)
        return float(self.scorer_(best, X, y, **params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata go under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        MetadataRouter
            To the estimator's ``fit`` and the scorer, as each requests; ``groups`` to this search.
        """
        fit = MethodMapping().add(caller="fit", callee="fit")
        score = MethodMapping().add(caller="fit", callee="score")
        score = score.add(caller="score", callee="score")
        scorer = scorer_of(self.scoring, self.estimator, None)
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=fit)
            .add(scorer=scorer, method_mapping=score)
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.classifier_tags.multi_class = False
        tags.input_tags = inner.input_tags
        tags.no_validation = inner.no_validation  # features are the estimator's to check
        return tags
