"""``FocalXGBClassifier``: XGBoost's classifier with focal loss and calibrated probabilities."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from xgboost import XGBClassifier

from focaltab._compat.xgboost import first_rounds, set_booster
from focaltab._saving import part_writer
from focaltab.boosting._early_stopping import early_stopping, with_direction
from focaltab.boosting._evaluation import AveragePrecision, LogLoss, as_list, on_probabilities
from focaltab.boosting._external_xgboost import ExternalMatrices, check_external
from focaltab.boosting._native_file import alpha_of, from_json, to_json
from focaltab.boosting._objective import own_threads, xgboost_objective
from focaltab.boosting._parameters import PILOT, check_spelling, warn_of_namesakes
from focaltab.boosting._reweighting import FocalReweighting
from focaltab.boosting._saved import xgboost_restored, xgboost_state
from focaltab.boosting._xgboost_columns import (
    LOSS,
    by_numbers,
    columns_of,
    describe_columns,
    model_to_continue,
)
from focaltab.data import (
    XGBOOST,
    Classes,
    InputColumns,
    Rows,
    TrainingSet,
    by_batch,
    check_continuation,
    check_margin,
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

_OWN_PARAMETERS = {
    "focal_gamma",
    "focal_alpha",
    "link",
    "normalize",
    "class_weight",
    "pos_label",
    "sampling",
    "validation_fraction",
    "early_stopping_folds",
    "refit",
}
# XGBoost's metrics that need no more than the order of two classes' margins.
_RANKING_METRICS = ("auc", "aucpr", "map", "ndcg", "pre")


class FocalXGBClassifier(XGBClassifier):  # type: ignore[misc]
    """XGBoost classifier trained on focal loss, with calibrated probabilities.

    Everything not listed here has the name and meaning it has in ``xgboost.XGBClassifier``.

    Parameters
    ----------
    focal_gamma : float or (float, float), default=2.0
        Focusing parameter of the loss (XGBoost's own ``gamma`` is a tree parameter). 0 with
        ``focal_alpha=None`` is XGBoost's logistic objective.
    focal_alpha : float, "balanced", ClassBalanced, dict, array-like or None, default=None
        Class weights inside the loss, as `FocalLoss` takes them, or ``{label: weight}``. Their
        effect on the probabilities is undone.
    link : {"logit", "focal"}, default="logit"
        Whether margins are true log-odds (so that SHAP values, saved models and other runtimes
        need no focaltab) or the paper's margins.
    normalize : bool, default=True
        Scale the loss so that its curvature at the prevalence is logistic loss's, and
        ``min_child_weight`` and ``reg_lambda`` keep their usual meaning.
    class_weight : dict, "balanced" or None, default=None
        Multiplies sample weights, as in scikit-learn. Unlike ``focal_alpha`` it changes the
        distribution that the probabilities are calibrated to.
    pos_label : str, int, float or bool, default=None
        Which of two labels is the positive class, that early stopping, ``focal_alpha``, pairs of
        ``focal_gamma`` and the booster's margin are about; None for the second in sorted order.
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
    enable_categorical : bool, default=True
        XGBoost's parameter, on by default so that pandas categories work.
    **kwargs
        Parameters of ``xgboost.XGBClassifier``. Evaluation sets are judged by average precision,
        and rows held out by log loss, unless ``eval_metric`` is given; a callable one is handed
        probabilities. After early stopping the booster keeps its best rounds alone.
        ``scale_pos_weight`` multiplies the weights of positive rows, as ``sample_weight`` would.

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
    With ``link="focal"`` the native model file holds the paper's margins: XGBoost alone would
    give their sigmoid, which is not a probability.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.boosting import FocalXGBClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 4))
    >>> y = np.where(X[:, 0] + rng.normal(size=2000) > 2.5, "fraud", "fine")
    >>> model = FocalXGBClassifier(n_estimators=20, focal_gamma=2.0).fit(X, y)
    >>> model.classes_.tolist()
    ['fine', 'fraud']
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
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        pos_label: Any = None,
        validation_fraction: float = 0.1,
        early_stopping_folds: Any = "auto",
        refit: bool = True,
        sampling: Sampling = None,
        enable_categorical: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(enable_categorical=enable_categorical, **kwargs)
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.link = link
        self.normalize = normalize
        self.class_weight = class_weight
        self.pos_label = pos_label
        self.validation_fraction = validation_fraction
        self.early_stopping_folds = early_stopping_folds
        self.refit = refit
        self.sampling = sampling

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        base_margin: Any = None,
        eval_set: Sequence[tuple[Any, Any]] | None = None,
        verbose: bool | int | None = False,
        xgb_model: Any = None,
        sample_weight_eval_set: Sequence[Any] | None = None,
        base_margin_eval_set: Sequence[Any] | None = None,
        feature_weights: Any = None,
    ) -> FocalXGBClassifier:
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
        eval_set : list of (X, y), default=None
            For early stopping, of any kind that X may be. Without it, see `early_stopping_folds`
            and `refit`.
        xgb_model : Booster, fitted estimator or path, default=None
            Model to continue; its intercept is kept.
        base_margin, verbose, sample_weight_eval_set, base_margin_eval_set, feature_weights
            As in ``xgboost.XGBClassifier.fit``; ``verbose`` is off by default.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For missing or continuous labels, a single class, infinite features, unusable
            weights or parameters, a class too rare to hold out, or a model to continue whose
            margins mean something else.
        OSError
            If the cache of a `ParquetTable` does not fit on its disk.
        """
        self._check_parameters()
        sampling = check_sampling(self.sampling, self.link, xgb_model)
        previous, previous_columns = model_to_continue(xgb_model)
        data = TrainingSet.read(
            self,
            X,
            y,
            XGBOOST,
            sample_weight=sample_weight,
            margin=base_margin,
            scale_pos_weight=self.scale_pos_weight,
            continued=previous_columns,
        )
        self._check_metrics(data.classes)
        if eval_set is not None:
            data = data.with_evaluation(
                eval_set,
                XGBOOST,
                weights=sample_weight_eval_set,
                margins=base_margin_eval_set,
                needs_positives=bool(self.early_stopping_rounds) and not self.eval_metric,
            )
        elif sample_weight_eval_set is not None or base_margin_eval_set is not None:
            raise ValueError("weights or margins of evaluation rows need an eval_set.")
        options = {
            "sampling": sampling,
            "xgb_model": xgb_model,
            "previous": previous,
            "verbose": verbose,
            "feature_weights": feature_weights,
        }
        with whole_or_unchanged(self):
            if eval_set is not None or not self.early_stopping_rounds:
                self._train(data, **options)
            elif self.refit and xgb_model is None:
                self._train_by_folds(data, options)
            else:
                data = data.with_rows_held_out(self.validation_fraction, self.random_state)
                self._train(data, metric=LogLoss, **options)
        if self.early_stopping_rounds:
            warn_of_early_stop(self.best_iteration + 1, self.get_num_boosting_rounds())
        return self

    def _train_by_folds(self, data: TrainingSet, options: dict[str, Any]) -> None:
        """Train on all rows, for as many rounds as folds say."""

        def stop(model: FocalXGBClassifier, fold: TrainingSet) -> Any:
            model._train(fold, metric=LogLoss, **options)
            return model.best_iteration + 1, model.evals_result_["validation_0"]

        folds = data.stopped_folds(self, stop)
        n_rounds = rounds_for_all_rows(folds, self.get_num_boosting_rounds())
        self._train(data, n_rounds=n_rounds, **options)
        scores = mean_best_scores(folds)
        # As XGBoost has it where it stopped early: the last metric is the one to go by.
        best = {"best_iteration": n_rounds - 1, "best_score": list(scores.values())[-1]}
        self.get_booster().set_attr(**{name: str(value) for name, value in best.items()})
        self.evals_result_ = histories_of(folds)

    def _train(
        self,
        data: TrainingSet,
        *,
        sampling: HardNegativeSampling | None,
        xgb_model: Any,
        previous: Any,
        verbose: bool | int | None,
        feature_weights: Any,
        metric: type[AveragePrecision | LogLoss] = AveragePrecision,
        n_rounds: int | None = None,
    ) -> None:
        """Train on rows that are read, and keep what came out.

        `metric` judges evaluation sets unless the user has one; `n_rounds` is for a fit that does
        not stop early.
        """
        sampled = None
        if sampling is not None:
            sampled = sample(sampling, self._pilot, data, self.random_state)
            # A callable of the user's may take no weights.
            by_callable = any(map(callable, as_list(self.eval_metric)))
            data = sampled.training_set(base_score=self.base_score, thins_held_out=not by_callable)
        loss, prevalence = data.loss(self)
        if sampled is not None:
            prevalence = sampled.prevalence
        check_continuation(xgb_model, loss, data.classes)
        warn_of_common_positive(data.classes, prevalence, self.pos_label)
        data = data.encoded()
        check_external(self, data)
        with self._as_focal_training(loss, prevalence, previous, metric(loss), n_rounds):
            super().fit(
                data.rows.X,
                data.rows.codes,
                sample_weight=data.rows.weight,
                base_margin=data.rows.margin,
                verbose=verbose,
                xgb_model=previous,
                feature_weights=feature_weights,
                **_evaluation_arguments(data.evaluation),
            )
        self._keep_best_rounds()
        self._keep(data.classes, data.columns, loss, prevalence)
        self.sampling_ = None if sampled is None else sampled.result

    sampling_: SamplingResult | None

    def _keep(
        self, classes: Classes, columns: InputColumns, loss: FocalLoss, prevalence: Any
    ) -> None:
        """Keep what predictions need beside the booster."""
        describe_columns(self.get_booster(), columns)
        self._label_order = classes
        self._columns = columns
        self.loss_ = loss
        self.prevalence_ = prevalence

    def set_params(self, **params: Any) -> FocalXGBClassifier:
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
        return state if writer is None else xgboost_state(self, state, writer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(xgboost_restored(state))

    def apply(self, X: Any, iteration_range: tuple[int, int] | None = None) -> NDArray[Any]:
        """Leaf of each row in each tree, as in ``xgboost.XGBClassifier.apply``."""
        leaves = partial(super().apply, iteration_range=iteration_range)
        return by_batch(leaves, self._read(X))

    def _read(self, X: Any, *, by_name: bool = True) -> Any:
        """Rows as the booster takes them."""
        self.get_booster()  # scikit-learn's NotFittedError, before anything else can fail
        table = read_table(X, XGBOOST)
        self._columns.check(table, type(self).__name__, by_name=by_name)
        return self._columns.encoded(table)

    def _pilot(self) -> FocalXGBClassifier:
        """A small model of the same library, for columns of the same kinds."""
        own = ("missing", "n_jobs", "device", "enable_categorical")
        return FocalXGBClassifier(**PILOT, **{name: getattr(self, name) for name in own})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False  # focal loss is defined for one label per row
        return tags

    def _check_parameters(self) -> None:
        if self.objective not in (None, "binary:logistic", "multi:softprob"):
            raise ValueError(
                f"objective={self.objective!r}: this estimator's objective is focal loss. Use "
                "xgboost.XGBClassifier for another one."
            )
        further = getattr(self, "kwargs", None) or {}
        check_spelling(self, further, lambda name, meant: False)
        warn_of_namesakes(
            {"gamma": self.gamma, "alpha": further.get("alpha")},
            {"focal_gamma": self.focal_gamma == 2.0, "focal_alpha": self.focal_alpha is None},
        )

    def _check_metrics(self, classes: Classes) -> None:
        """Refuse metrics of XGBoost's that would misread the focal margin."""
        if self.link != "focal" or self.eval_metric is None:
            return
        for metric in as_list(self.eval_metric):
            ranks = isinstance(metric, str) and metric.split("@")[0] in _RANKING_METRICS
            if isinstance(metric, str) and not (ranks and classes.labels.size == 2):
                raise ValueError(
                    f"eval_metric={metric!r} needs probabilities, but XGBoost takes the focal "
                    "margin for log-odds. Use a callable, or link='logit'."
                )

    def _keep_best_rounds(self) -> None:
        """Drop the rounds after the best, so that the model file predicts what `self` does."""
        booster = self.get_booster()
        stopped = booster.attr("best_iteration") is not None and self.booster != "gblinear"
        if stopped and self.best_iteration + 1 < booster.num_boosted_rounds():
            best = {name: booster.attr(name) for name in ("best_iteration", "best_score")}
            set_booster(self, first_rounds(booster, self.best_iteration + 1))
            self.get_booster().set_attr(**best)

    @contextmanager
    def _as_focal_training(
        self,
        loss: FocalLoss,
        prevalence: Any,
        previous: Any,
        metric: AveragePrecision | LogLoss,
        n_rounds: int | None,
    ) -> Iterator[None]:
        """Show XGBoost's own ``fit`` the objective, intercept, metric and rounds; then restore."""
        shown: dict[str, Any] = {
            "_fit_base_score": self._base_score(loss, prevalence) if previous is None else None,
            "_fit_external": ExternalMatrices(),
            # The library checks its own class numbers while it fits.
            "_label_order": None,
            "callbacks": [with_direction(c, self.eval_metric) for c in self.callbacks or []],
        }
        if self._can_reweight(loss):
            shown["_fit_reweighting"] = FocalReweighting(loss)
            shown["objective"] = "binary:logistic"
            shown["callbacks"].append(shown["_fit_reweighting"])
        else:
            threads = own_threads(self.n_jobs)
            shown["objective"] = xgboost_objective(loss, n_threads=threads)
            shown["eval_metric"] = on_probabilities(self.eval_metric, loss)
        if self.eval_metric is None:
            shown["eval_metric"] = metric
            if isinstance(metric, LogLoss) and loss.link_name == "logit":
                # XGBoost's own: it reads log-odds, and hands none to a metric under its objective.
                shown["eval_metric"] = "mlogloss" if loss.is_multiclass else "logloss"
        if n_rounds is not None:
            shown |= {"n_estimators": n_rounds, "early_stopping_rounds": None}
        elif stop := early_stopping(
            self.early_stopping_rounds, self.eval_metric or shown["eval_metric"]
        ):
            shown["early_stopping_rounds"] = None
            shown["callbacks"].append(stop)
        if self.tree_method == "exact":
            shown["enable_categorical"] = False  # which it would refuse, whatever the columns
        hidden = {name: getattr(self, name, None) for name in shown}
        try:
            self.__dict__.update(shown)
            yield
        finally:
            shown["_fit_external"].close()
            self.__dict__.update(hidden)
            self.__dict__.pop("_fit_base_score")
            self.__dict__.pop("_fit_external")
            self.__dict__.pop("_fit_reweighting", None)

    def _can_reweight(self, loss: FocalLoss) -> bool:
        """Whether row weights can carry the focal loss, which makes a custom objective needless.

        Not where cuts follow the weights of each round ("approx"), nor where the library draws
        the margins that it trains on anew (dart).
        """
        return (
            loss.link_name == "logit"
            and not loss.is_multiclass
            and self.booster in (None, "gbtree")
            and self.tree_method in (None, "auto", "hist")
        )

    def _create_dmatrix(self, ref: Any, **kwargs: Any) -> Any:
        if is_lazy(kwargs["data"]):
            data = self._fit_external.make(
                kwargs.pop("data"), ref=ref, nthread=self.n_jobs, max_bin=self.max_bin, **kwargs
            )
        else:
            data = super()._create_dmatrix(ref=ref, **kwargs)
        if ref is None and "_fit_reweighting" in self.__dict__:
            self._fit_reweighting.watch(data)
        return data

    def _base_score(self, loss: FocalLoss, prevalence: Any) -> Any:
        """Intercept as XGBoost wants it: a probability for two classes, margins for more.

        The user's is meant as XGBoost means it.
        """
        if self.base_score is None:
            intercept = loss.intercept(prevalence)
            return [float(z) for z in intercept] if loss.is_multiclass else float(expit(intercept))
        given = np.asarray(self.base_score, dtype=np.float64).ravel()
        if loss.is_multiclass:
            if given.size not in (1, loss.n_classes) or not np.isfinite(given).all():
                raise ValueError(
                    f"base_score={self.base_score!r} must be one finite margin for each of "
                    f"{loss.n_classes} classes."
                )
            return np.broadcast_to(given, loss.n_classes).tolist()
        if given.size != 1:
            raise ValueError(f"base_score={self.base_score!r} must be one probability.")
        return float(expit(loss.intercept(given.item())))

    def _wrapper_params(self) -> set[str]:
        return set(super()._wrapper_params()) | _OWN_PARAMETERS

    def get_xgb_params(self) -> dict[str, Any]:
        """XGBoost's own parameters, as in ``xgboost.XGBClassifier``."""
        params: dict[str, Any] = super().get_xgb_params()
        for name in [n for n in params if n.startswith("sampling__")]:
            del params[name]
        if getattr(self, "n_classes_", 2) > 2:
            params["objective"] = "multi:softprob"
        if "_fit_base_score" in self.__dict__:
            params.pop("scale_pos_weight", None)  # already in the rows' weights
            if self._fit_base_score is None:
                params.pop("base_score", None)
            else:
                params["base_score"] = self._fit_base_score
            if self.link == "focal":
                # XGBoost would report the log loss of the margin's sigmoid.
                params["disable_default_eval_metric"] = True
        return params

    _label_order: Classes | None

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels in sorted order, shape (n_classes,)."""
        classes = self.__dict__.get("_label_order")
        return np.arange(self.n_classes_) if classes is None else classes.labels

    def predict_proba(
        self,
        X: Any,
        validate_features: bool = True,
        base_margin: Any = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> NDArray[Any]:
        """Calibrated probability of each class.

        Parameters
        ----------
        X : DataFrame, array-like, sparse matrix or ParquetTable of shape (n_samples, n_features)
            Of a `ParquetTable` one batch is in memory at a time.
        validate_features, base_margin, iteration_range
            As in ``xgboost.XGBClassifier.predict_proba``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Columns in the order of `classes_`.
        """
        margins = self._margins(X, validate_features, base_margin, iteration_range)
        by_number = self.loss_.predict_proba(margins)
        return (
            by_number
            if self._label_order is None
            else self._label_order.columns_in_order(by_number)
        )

    def predict(  # type: ignore[override]
        self,
        X: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        base_margin: Any = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> NDArray[Any]:
        """Label of the most probable class, or the margin if ``output_margin``.

        Parameters and errors as in ``xgboost.XGBClassifier.predict``.
        """
        if output_margin:
            return self._margins(X, validate_features, base_margin, iteration_range)
        proba = self.predict_proba(X, validate_features, base_margin, iteration_range)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    def _margins(
        self,
        X: Any,
        validate_features: bool,
        base_margin: Any,
        iteration_range: tuple[int, int] | None,
    ) -> NDArray[Any]:
        """Margins of all rows; of a table in files one batch is in memory at a time."""
        rows = self._read(X, by_name=validate_features)
        library_margins = partial(
            super().predict,
            output_margin=True,
            validate_features=validate_features,
            iteration_range=iteration_range,
        )
        start = check_margin(base_margin, rows.shape[0], self.n_classes_, XGBOOST.margin)
        return by_batch(library_margins, rows, base_margin=start)

    def save_model(self, fname: str | os.PathLike[str]) -> None:
        """Save XGBoost's native model file, with the loss and the labels as an attribute of it.

        Parameters
        ----------
        fname : path
            Ending in ``.json`` or ``.ubj``.
        """
        booster = self.get_booster()
        classes = self._label_order or Classes(self.classes_)
        booster.set_attr(**{LOSS: to_json(self.loss_, classes, self.prevalence_)})
        try:
            super().save_model(fname)
        finally:
            booster.set_attr(**{LOSS: None})

    def load_model(self, fname: str | os.PathLike[str] | bytearray) -> None:
        """Load a model that `save_model` wrote, with its loss and its labels.

        The loss's parameters become those of the estimator; class weights that were found from
        data become numbers.

        Parameters
        ----------
        fname : path or bytearray
            A file without them, as plain XGBoost writes it, is taken to hold log-odds, and its
            classes are numbers.
        """
        super().load_model(fname)
        booster = self.get_booster()
        text = booster.attr(LOSS)
        self._columns = columns_of(booster)
        plain = by_numbers(booster)
        plain.set_attr(**{LOSS: None})
        set_booster(self, plain)
        if text is None:
            self.loss_, self._label_order = FocalLoss(link="logit", n_classes=self.n_classes_), None
            self.prevalence_ = None
        else:
            self.loss_, self._label_order, self.prevalence_ = from_json(text)
            self.pos_label = (
                self._label_order.by_number[1].item() if self._label_order.flipped else None
            )
            self.focal_gamma = self.loss_.gamma
            self.focal_alpha = alpha_of(self.loss_)
        self.link = self.loss_.link_name
        # XGBoost makes a parameter of the intercept, which a refit would then start from.
        self.base_score = None
        self.sampling_ = None


def _evaluation_arguments(evaluation: tuple[Rows, ...]) -> dict[str, Any]:
    """Evaluation sets as XGBoost's ``fit`` takes them."""
    if not evaluation:
        return {}
    weights = [rows.weight for rows in evaluation]
    margins = [rows.margin for rows in evaluation]
    return {
        "eval_set": [(rows.X, rows.codes) for rows in evaluation],
        "sample_weight_eval_set": _none_or_all(weights),
        "base_margin_eval_set": _none_or_all(margins),
    }


def _none_or_all(values: list[Any]) -> list[Any] | None:
    return None if all(value is None for value in values) else values
