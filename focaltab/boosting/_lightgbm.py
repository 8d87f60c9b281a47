"""``FocalLGBMClassifier``: LightGBM's classifier with focal loss and calibrated probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
from lightgbm import Booster, LGBMClassifier
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray

from focaltab._compat.lightgbm import (
    aliases_of,
    forget_class_weights,
    further_parameters,
    list_categories,
    nothing_to_split,
    set_best_iteration,
    set_labels,
)
from focaltab._saving import part_writer
from focaltab.boosting._evaluation import AveragePrecision, LogLoss, as_list
from focaltab.boosting._external_lightgbm import check_external, fit_from_table
from focaltab.boosting._lightgbm_continuation import (
    by_numbers,
    model_to_continue,
)
from focaltab.boosting._lightgbm_evaluation import (
    LightGBMMetric,
    arguments_of,
    by_class_number,
    evaluation_sets,
    on_probabilities,
)
from focaltab.boosting._objective import lightgbm_objective, own_threads
from focaltab.boosting._parameters import PILOT, check_spelling, warn_of_namesakes
from focaltab.boosting._saved import lightgbm_restored, lightgbm_state
from focaltab.data import (
    LIGHTGBM,
    Classes,
    InputColumns,
    TrainingSet,
    by_batch,
    check_continuation,
    histories_of,
    is_lazy,
    mean_best_scores,
    read_table,
    rounds_for_all_rows,
    warn_of_common_positive,
    warn_of_early_stop,
    whole_or_unchanged,
)
from focaltab.losses import FocalLoss
from focaltab.losses._focal import Alpha, LinkName
from focaltab.sampling import SamplingResult
from focaltab.sampling._hard_negative import HardNegativeSampling, Sampling
from focaltab.sampling._sampled import check_sampling, sample, with_sampling

_OWN_PARAMETERS = (
    "focal_gamma",
    "focal_alpha",
    "link",
    "normalize",
    "pos_label",
    "sampling",
    "validation_fraction",
    "early_stopping_folds",
    "refit",
)
# With a custom objective LightGBM hands its metrics raw scores; these need only their order.
_RANKING_METRICS = {"average_precision", "auc", "None", "none", "na", "null", "custom", ""}


class FocalLGBMClassifier(LGBMClassifier):  # type: ignore[misc]
    """LightGBM classifier trained on focal loss, with calibrated probabilities.

    Everything not listed here has the name and meaning it has in ``lightgbm.LGBMClassifier``.

    Parameters
    ----------
    focal_gamma : float or (float, float), default=2.0
        Focusing parameter of the loss. 0 with ``focal_alpha=None`` is LightGBM's own binary
        objective.
    focal_alpha : float, "balanced", ClassBalanced, dict, array-like or None, default=None
        Class weights inside the loss, as `FocalLoss` takes them, or ``{label: weight}``. Their
        effect on the probabilities is undone.
    link : {"logit", "focal"}, default="logit"
        Whether raw scores are true log-odds (so that SHAP values, saved models and other runtimes
        need no focaltab) or the paper's margins.
    normalize : bool, default=True
        Scale the loss so that its curvature at the prevalence is logistic loss's, and
        ``min_child_weight`` and ``reg_lambda`` keep their usual meaning.
    pos_label : str, int, float or bool, default=None
        Which of two labels is the positive class, that early stopping, ``focal_alpha``, pairs of
        ``focal_gamma`` and raw scores are about; None for the second in sorted order.
        ``classes_`` and the columns of `predict_proba` stay in sorted order.
    early_stopping_folds : "auto", int, splitter or list of splits, default="auto"
        Folds that ``early_stopping_rounds`` goes by when ``fit`` gets no ``eval_set``: the model of
        all rows has the rounds at which those of the folds were best by log loss (the geometric
        mean, for as many more rows as it has). "auto" is five stratified folds, three from 20,000
        rows, and one part of `validation_fraction` from 200,000.
    refit : bool, default=True
        Whether to train on all rows after that. With False, or a model to continue,
        `validation_fraction` of the rows is held out once and not trained on.
    validation_fraction : float, default=0.1
        Stratified part of the rows that is held out where folds are not.
    sampling : {"hard_negative"}, HardNegativeSampling or None, default=None
        Train on all positives and the negatives that a small pilot model finds hard, with the
        offset that keeps the probabilities those of all rows. Faster where positives are rare
        (below about 1 in 50). ``focal_alpha="balanced"`` and `normalize` go by the kept rows. What
        is held out for early stopping is thinned too, less, under inverse-probability weights,
        unless it is judged by a callable of yours. Two classes, ``link="logit"``.
    early_stopping_rounds : int or None, default=None
        Stop when the metric has not improved for this many rounds (LightGBM's parameter).
    class_weight : dict, "balanced" or None, default=None
        Multiplies sample weights, as in LightGBM. Unlike ``focal_alpha`` it changes the
        distribution that the probabilities are calibrated to.
    boosting_type, num_leaves, max_depth, learning_rate, n_estimators, subsample_for_bin, \
min_split_gain, min_child_weight, min_child_samples, subsample, subsample_freq, colsample_bytree, \
reg_alpha, reg_lambda, random_state, n_jobs, importance_type, **kwargs
        As in ``lightgbm.LGBMClassifier``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    loss_ : FocalLoss
        The loss that was minimised, class weights and scale included.
    prevalence_ : float, or ndarray of shape (n_classes,) for more than two classes
        Weighted share of the positive class, or of each class.
    sampling_ : SamplingResult or None
        The rows that were kept, and their acceptance.
    evals_result_ : dict
        Metrics by round: of each evaluation set, or of each fold, ``"fold_0"`` and so on.

    Notes
    -----
    The intercept is added to every leaf of the first tree of each class, as LightGBM's own
    objectives do, so the saved model file is complete.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.boosting import FocalLGBMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 4))
    >>> y = np.where(X[:, 0] + rng.normal(size=2000) > 2.5, "fraud", "fine")
    >>> model = FocalLGBMClassifier(n_estimators=20, verbosity=-1).fit(X, y)
    >>> model.predict_proba(X).shape
    (2000, 2)
    """

    def __init__(
        self,
        *,
        focal_gamma: float | tuple[float, float] = 2.0,
        focal_alpha: Alpha = None,
        link: LinkName = "logit",
        normalize: bool = True,
        pos_label: Any = None,
        validation_fraction: float = 0.1,
        early_stopping_folds: Any = "auto",
        refit: bool = True,
        sampling: Sampling = None,
        early_stopping_rounds: int | None = None,
        boosting_type: str = "gbdt",
        num_leaves: int = 31,
        max_depth: int = -1,
        learning_rate: float = 0.1,
        n_estimators: int = 100,
        subsample_for_bin: int = 200000,
        objective: str | None = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        min_split_gain: float = 0.0,
        min_child_weight: float = 1e-3,
        min_child_samples: int = 20,
        subsample: float = 1.0,
        subsample_freq: int = 0,
        colsample_bytree: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 0.0,
        random_state: Any = None,
        n_jobs: int | None = None,
        importance_type: str = "split",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            boosting_type=boosting_type,
            num_leaves=num_leaves,
            max_depth=max_depth,
            learning_rate=learning_rate,
            n_estimators=n_estimators,
            subsample_for_bin=subsample_for_bin,
            objective=objective,
            class_weight=class_weight,
            min_split_gain=min_split_gain,
            min_child_weight=min_child_weight,
            min_child_samples=min_child_samples,
            subsample=subsample,
            subsample_freq=subsample_freq,
            colsample_bytree=colsample_bytree,
            reg_alpha=reg_alpha,
            reg_lambda=reg_lambda,
            random_state=random_state,
            n_jobs=n_jobs,
            importance_type=importance_type,
            **kwargs,
        )
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.link = link
        self.normalize = normalize
        self.pos_label = pos_label
        self.validation_fraction = validation_fraction
        self.early_stopping_folds = early_stopping_folds
        self.refit = refit
        self.sampling = sampling
        self.early_stopping_rounds = early_stopping_rounds

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        init_score: Any = None,
        eval_set: Any = None,
        eval_sample_weight: Any = None,
        eval_init_score: Any = None,
        eval_metric: Any = None,
        init_model: Any = None,
        eval_X: Any = None,
        eval_y: Any = None,
        **fit_params: Any,
    ) -> FocalLGBMClassifier:
        """Fit the booster.

        Parameters
        ----------
        X : DataFrame, array-like, sparse matrix or ParquetTable of shape (n_samples, n_features)
            NaN is missing; pandas categories are used as such. Tables of polars and others that
            share Arrow data are read as frames. A `ParquetTable` need not fit into memory: see
            `focaltab.external`.
        y : array-like of shape (n_samples,)
            Labels of any type; see ``pos_label``.
        sample_weight : array-like of shape (n_samples,), default=None
        eval_X, eval_y : X and y of an evaluation set, or tuples of several, default=None
            For early stopping. Without them, see `early_stopping_folds` and `refit`.
        eval_set : list of (X, y), default=None
            The same in the form that LightGBM is retiring.
        eval_metric : str, callable or list, default=None
            Unless given, average precision for evaluation sets and log loss for rows that are held
            out. A callable is handed probabilities. Names of metrics
            that need them are refused: LightGBM computes those from raw scores under a custom
            objective.
        init_model : Booster, fitted estimator or path, default=None
            Model to continue; its intercept is kept.
        init_score, eval_sample_weight, eval_init_score, **fit_params
            As in ``lightgbm.LGBMClassifier.fit``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For missing or continuous labels, a single class, infinite features, unusable
            weights or parameters, a class too rare to hold out, or a model to continue whose
            margins mean something else.
        """
        self._check_parameters(eval_metric)
        sampling = check_sampling(self.sampling, self.link, init_model)
        previous, previous_columns = model_to_continue(init_model, X)
        data = TrainingSet.read(
            self,
            X,
            y,
            LIGHTGBM,
            sample_weight=sample_weight,
            margin=init_score,
            scale_pos_weight=further_parameters(self).get("scale_pos_weight"),
            continued=previous_columns,
            takes_new_categories=True,
        )
        stops = (self._given("early_stopping_round") or 0) > 0
        eval_set = evaluation_sets(eval_set, eval_X, eval_y)
        if eval_set is not None:
            data = data.with_evaluation(
                eval_set,
                LIGHTGBM,
                weights=eval_sample_weight,
                margins=eval_init_score,
                needs_positives=stops and eval_metric is None,
            )
        elif eval_sample_weight is not None or eval_init_score is not None:
            raise ValueError("weights or scores of evaluation rows need an eval_set.")
        options = {
            "sampling": sampling,
            "init_score": init_score,
            "init_model": init_model,
            "previous": previous,
            "eval_metric": eval_metric,
            "eval_class_weight": by_class_number(
                fit_params.pop("eval_class_weight", None), data.classes
            ),
            **fit_params,
        }
        with whole_or_unchanged(self):
            if eval_set is not None or not stops:
                self._train(data, **options)
            elif self._given("boosting") == "dart":
                warnings.warn(
                    "LightGBM does not stop dart early: all rounds are trained. Leave "
                    "early_stopping_rounds out.",
                    UserWarning,
                    stacklevel=2,
                )
                self._train(data, n_rounds=self._rounds_at_most(), **options)
            elif self.refit and init_model is None:
                self._train_by_folds(data, options)
            else:
                data = data.with_rows_held_out(self.validation_fraction, self.random_state)
                self._train(data, metric=LogLoss, **options)
        if stops and self.best_iteration_ > 0:
            warn_of_early_stop(self.best_iteration_, self._rounds_at_most())
        return self

    def _train_by_folds(self, data: TrainingSet, options: dict[str, Any]) -> None:
        """Train on all rows, for as many rounds as folds say."""

        def stop(model: FocalLGBMClassifier, fold: TrainingSet) -> Any:
            model._train(fold, metric=LogLoss, **options)
            # Without a column to split there is nothing to evaluate, and one round.
            return max(model.best_iteration_, 1), model.evals_result_.get("valid_0", {})

        folds = data.stopped_folds(self, stop)
        n_rounds = rounds_for_all_rows(folds, self._rounds_at_most())
        self._train(data, n_rounds=n_rounds, **options)
        set_best_iteration(self, n_rounds, {"folds": mean_best_scores(folds)}, histories_of(folds))

    def _rounds_at_most(self) -> int:
        return int(self._given("num_iterations"))

    def _train(
        self,
        data: TrainingSet,
        *,
        sampling: HardNegativeSampling | None,
        init_score: Any,
        init_model: Any,
        previous: Any,
        eval_metric: Any,
        eval_class_weight: Any,
        metric: type[AveragePrecision | LogLoss] = AveragePrecision,
        n_rounds: int | None = None,
        **fit_params: Any,
    ) -> None:
        """Train on rows that are read, and keep what came out.

        `metric` judges evaluation sets unless the user has one; `n_rounds` is for a fit that does
        not stop early.
        """
        # An offset for the margins takes part in the fit alone, an intercept in the model too.
        own_intercept = init_score is None and init_model is None
        sampled = None
        if sampling is not None:
            sampled = sample(sampling, self._pilot, data, self.random_state)
            by_callable = any(map(callable, as_list(eval_metric)))
            data = sampled.training_set(thins_held_out=not by_callable).in_memory()
        loss, prevalence = data.loss(self)
        if sampled is not None:
            prevalence = sampled.prevalence
        check_continuation(init_model, loss, data.classes)
        warn_of_common_positive(data.classes, prevalence, self.pos_label)
        intercept = np.atleast_1d(loss.intercept(prevalence))
        if own_intercept:
            data = data.starting_from(intercept)
        if eval_metric is None and self._given("metric") is None and data.evaluation:
            eval_metric = LightGBMMetric(metric(loss))
        check_external(data, init_model)
        data = data.encoded(unseen="missing")
        rows = data.rows
        library_fit = partial(fit_from_table, self) if is_lazy(rows.X) else super().fit
        with self._as_focal_training(loss, n_rounds):
            try:
                library_fit(
                    rows.X,
                    rows.codes,
                    sample_weight=rows.weight,
                    init_score=rows.margin,
                    eval_class_weight=eval_class_weight,
                    eval_metric=on_probabilities(eval_metric, loss),
                    init_model=by_numbers(previous, data.columns),
                    **arguments_of(data.evaluation),
                    **fit_params,
                )
            except LightGBMError as error:
                # LightGBM cannot start a custom objective when no feature can be split; its own
                # objectives then keep the intercept alone, and so does this one.
                if not nothing_to_split(error) or not own_intercept:
                    raise
                self._fit_objective = "multiclass" if loss.is_multiclass else "binary"
                library_fit(rows.X, rows.codes, sample_weight=rows.weight)
                _clear_first_trees(self.booster_)
        if own_intercept:
            _add_to_first_trees(self.booster_, intercept)
        self._keep(data.classes, data.columns, loss, prevalence)
        self.sampling_ = None if sampled is None else sampled.result

    sampling_: SamplingResult | None

    def _keep(
        self, classes: Classes, columns: InputColumns, loss: FocalLoss, prevalence: Any
    ) -> None:
        """Keep what predictions need beside the booster."""
        list_categories(self.booster_, columns.lists)
        # The library learned class numbers; its own predict is to give labels.
        set_labels(self, classes.labels)
        self._label_order = classes
        self._columns = columns
        self.loss_ = loss
        self.prevalence_ = prevalence

    def _pilot(self) -> FocalLGBMClassifier:
        """A small model of the same library, for columns of the same kinds."""
        return FocalLGBMClassifier(**PILOT, n_jobs=self.n_jobs, verbosity=-1)

    def set_params(self, **params: Any) -> FocalLGBMClassifier:
        """Set parameters, also those of `sampling` as ``sampling__acceptance_factor``.

        Returns
        -------
        self
        """
        super().set_params(**with_sampling(self, params))
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        writer = part_writer()
        return state if writer is None else lightgbm_state(self, state, writer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(lightgbm_restored(state))

    # While a fit runs: the objective, and the rounds of one that does not stop early.
    _fit_objective: Any
    _fit_rounds: int | None

    @contextmanager
    def _as_focal_training(self, loss: FocalLoss, n_rounds: int | None) -> Iterator[None]:
        """Show LightGBM's own ``fit`` objective and rounds, and no class weights; then restore."""
        class_weight: Any = self.class_weight
        n_estimators = self.n_estimators
        self.class_weight: Any = None
        self._fit_rounds = n_rounds
        if n_rounds is not None:
            self.n_estimators: int = n_rounds
        # A fit with class weights leaves them behind for the next.
        forget_class_weights(self)
        self._fit_objective = lightgbm_objective(loss, n_threads=own_threads(self.n_jobs))
        try:
            yield
        finally:
            self.class_weight = class_weight
            self.n_estimators = n_estimators
            del self._fit_objective, self._fit_rounds

    def _given(self, name: str) -> Any:
        """A parameter's value under whichever of LightGBM's names for it the user chose."""
        aliases = aliases_of(name)
        # A named argument has a default; what came by another name was chosen.
        chosen = [further_parameters(self).get(alias) for alias in aliases]
        named = [getattr(self, alias, None) for alias in aliases]
        return next((value for value in [*chosen, *named] if value is not None), None)

    def _check_parameters(self, eval_metric: Any) -> None:
        objective = self._given("objective")
        if objective not in (None, "binary", "multiclass"):
            raise ValueError(
                f"objective={objective!r}: this estimator's objective is focal loss. Use "
                "lightgbm.LGBMClassifier for another one."
            )
        further = further_parameters(self)
        if "gamma" in further:
            raise ValueError("LightGBM has no parameter 'gamma': is 'focal_gamma' meant?")
        check_spelling(
            self,
            further,
            lambda name, meant: name in aliases_of(meant) or meant in aliases_of(name),
        )
        warn_of_namesakes(
            {"alpha": further.get("alpha")}, {"focal_alpha": self.focal_alpha is None}
        )
        if self._given("boosting") in ("rf", "random_forest"):
            raise ValueError("boosting_type='rf' takes no custom objective in LightGBM.")
        if self._given("linear_tree"):
            raise ValueError("linear_tree=True: the intercept cannot be stored in linear leaves.")
        if self._given("is_unbalance"):
            raise ValueError("is_unbalance=True has no effect here: use class_weight='balanced'.")
        for metric in [*as_list(eval_metric), *as_list(self._given("metric"))]:
            if isinstance(metric, str) and metric not in _RANKING_METRICS:
                raise ValueError(
                    f"eval_metric={metric!r} needs probabilities, but LightGBM gives a metric raw "
                    "scores under a custom objective. Use 'average_precision', 'auc' or a "
                    "callable."
                )

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns as they were given, of which LightGBM replaces blanks."""
        names = self.__dict__["_columns"].names if "_columns" in self.__dict__ else None
        return super().feature_names_in_ if names is None else np.asarray(names, dtype=object)

    def _process_params(self, stage: str) -> dict[str, Any]:
        params: dict[str, Any] = super()._process_params(stage)
        for name in [n for n in params if n.split("__")[0] in _OWN_PARAMETERS]:
            del params[name]
        if params.get("early_stopping_rounds") is None:
            params.pop("early_stopping_rounds", None)
        if stage == "fit":
            params["objective"] = self._fit_objective
            for alias in aliases_of("objective") - {"objective"}:
                params.pop(alias, None)
            if isinstance(self._fit_objective, str) or self._fit_rounds is not None:
                for alias in aliases_of("early_stopping_round"):
                    params.pop(alias, None)
            if self._fit_rounds is not None:
                for alias in aliases_of("num_iterations"):
                    params.pop(alias, None)
            if self._given("metric") is None:
                params["metric"] = "None"
            params.pop("scale_pos_weight", None)
        return params

    def predict_proba(  # type: ignore[override]
        self,
        X: Any,
        raw_score: bool = False,
        start_iteration: int = 0,
        num_iteration: int | None = None,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        validate_features: bool = False,
        **kwargs: Any,
    ) -> NDArray[Any]:
        """Calibrated probability of each class.

        Parameters
        ----------
        X : DataFrame, array-like, sparse matrix or ParquetTable of shape (n_samples, n_features)
            Of a `ParquetTable` one batch is in memory at a time.
        raw_score, start_iteration, num_iteration, pred_leaf, pred_contrib, validate_features, \
**kwargs
            As in ``lightgbm.LGBMClassifier.predict_proba``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; what LightGBM returns for ``raw_score``,
            ``pred_leaf`` or ``pred_contrib``.
        """
        if self.__sklearn_is_fitted__():
            X = read_table(X, LIGHTGBM)
            self._columns.check(X, type(self).__name__)
            # In their order of training, which is the list that LightGBM compares them with.
            X = self._columns.encoded(X, unseen="missing", as_names=True)
        other = pred_leaf or pred_contrib
        options = {
            "raw_score": not other,
            "start_iteration": start_iteration,
            "num_iteration": num_iteration,
            "pred_leaf": pred_leaf,
            "pred_contrib": pred_contrib,
            # Names are checked above; LightGBM would compare its own, without blanks.
            "validate_features": False,
            **kwargs,
        }
        library_proba = super().predict_proba

        def result_of(rows: Any) -> Any:
            result = library_proba(rows, **options)
            if other or raw_score:
                return result
            return self._label_order.columns_in_order(self.loss_.predict_proba(result))

        # Of a table in files one batch is in memory at a time.
        return by_batch(result_of, X) if is_lazy(X) else result_of(X)


def _add_to_first_trees(booster: Booster, intercept: NDArray[np.float64]) -> None:
    """Store the intercept where LightGBM's own objectives do: in the first tree of each class."""
    trees = booster.dump_model(num_iteration=1)["tree_info"]
    for tree_id, (tree, value) in enumerate(zip(trees, intercept, strict=True)):
        for leaf in range(tree["num_leaves"]):
            output = booster.get_leaf_output(tree_id, leaf)
            booster.set_leaf_output(tree_id, leaf, output + float(value))


def _clear_first_trees(booster: Booster) -> None:
    """Take out the intercept that LightGBM found, whose trees are all single leaves."""
    for tree_id, _ in enumerate(booster.dump_model(num_iteration=1)["tree_info"]):
        booster.set_leaf_output(tree_id, 0, 0.0)
