"""``FocalLGBMClassifier``: LightGBM's classifier with focal loss and calibrated probabilities."""

from __future__ import annotations

from inspect import signature
from typing import Any, Literal

import numpy as np
from lightgbm import Booster, LGBMClassifier
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray

from focaltab.boosting import _door
from focaltab.boosting._evaluation import LightGBMAveragePrecision
from focaltab.boosting._objective import lightgbm_objective
from focaltab.losses._focal import Alpha, LinkName

_OWN_PARAMETERS = ("focal_gamma", "focal_alpha", "link", "normalize", "validation_fraction")
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
    validation_fraction : float, default=0.1
        Stratified part of the rows held out for ``early_stopping_rounds`` when ``fit`` gets no
        ``eval_set``.
    early_stopping_rounds : int or None, default=None
        Stop when average precision has not improved for this many rounds (LightGBM's parameter).
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
        validation_fraction: float = 0.1,
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
        self.validation_fraction = validation_fraction
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
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
            NaN is missing; pandas categories are used as such.
        y : array-like of shape (n_samples,)
            Labels of any type; the second in sorted order is the positive class.
        sample_weight : array-like of shape (n_samples,), default=None
        eval_X, eval_y : X and y of an evaluation set, or tuples of several, default=None
            For early stopping. Without them, `validation_fraction` of the rows is held out.
        eval_set : list of (X, y), default=None
            The same in the form that LightGBM is retiring.
        eval_metric : str, callable or list, default=None
            Average precision unless given. Names of metrics that need probabilities are refused:
            LightGBM computes them from raw scores under a custom objective.
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
            weights or parameters, or a class too rare to hold out.
        """
        self._check_parameters(eval_metric)
        classes, codes = _door.encode_target(y)
        _door.check_features(X)
        factor = self._other_params.get("scale_pos_weight")
        weight = _door.training_weight(sample_weight, self.class_weight, factor, y, codes)
        # LightGBM multiplies class_weight in by itself.
        passed_weight = _door.training_weight(sample_weight, None, factor, y, codes)
        eval_set = _evaluation_sets(eval_set, eval_X, eval_y)
        if eval_set is not None:
            for X_eval, y_eval in eval_set:
                _door.check_features(X_eval)
                _door.encode_eval_target(y_eval, classes)
        elif self.early_stopping_rounds is not None:
            train, held_out = _door.validation_rows(
                codes, self.validation_fraction, self.random_state
            )
            eval_set = [(_door.take_rows(X, held_out), classes[codes[held_out]])]
            if weight is not None:
                eval_sample_weight = [weight[held_out]]
            weight, passed_weight = (_door.take_rows(w, train) for w in (weight, passed_weight))
            if init_score is not None:
                eval_init_score = [_door.take_rows(init_score, held_out)]
                init_score = _door.take_rows(init_score, train)
            X, y, codes = _door.take_rows(X, train), classes[codes[train]], codes[train]
        elif not (isinstance(y, np.ndarray) and y.ndim == 1):
            y = classes[codes]  # lists, columns and frames as plain labels
        loss, prevalence = _door.prepare_loss(self, classes, codes, weight)
        intercept = np.atleast_1d(loss.intercept(prevalence))
        own_intercept = init_score is None and init_model is None
        if own_intercept:
            init_score = _constant_score(intercept, codes.size)
            if eval_set is not None and eval_init_score is None:
                eval_init_score = [_constant_score(intercept, len(y_)) for _, y_ in eval_set]
        # A fit with class_weight leaves its class numbers behind; the next must not reuse them.
        self._class_weight = None
        self._fit_objective: Any = lightgbm_objective(
            loss, n_threads=_door.own_threads(self.n_jobs)
        )
        if eval_metric is None and "metric" not in self._other_params and eval_set is not None:
            eval_metric = LightGBMAveragePrecision(loss)
        try:
            super().fit(
                X,
                y,
                sample_weight=passed_weight,
                init_score=init_score,
                **_as_the_library_takes_them(eval_set, classes),
                eval_sample_weight=eval_sample_weight,
                eval_init_score=eval_init_score,
                eval_metric=eval_metric,
                init_model=init_model,
                **fit_params,
            )
        except LightGBMError as error:
            # LightGBM cannot start a custom objective when no feature can be split; its own
            # objectives then keep the intercept alone, and so does this one.
            if "num_features()) > (0)" not in str(error) or not own_intercept:
                raise
            self._fit_objective = "multiclass" if loss.is_multiclass else "binary"
            super().fit(X, y, sample_weight=passed_weight)
            _clear_first_trees(self.booster_)
        finally:
            del self._fit_objective
        if own_intercept:
            _add_to_first_trees(self.booster_, intercept)
        self.loss_ = loss
        self.prevalence_ = prevalence
        return self

    def _check_parameters(self, eval_metric: Any) -> None:
        if self.objective not in (None, "binary", "multiclass"):
            raise ValueError(
                f"objective={self.objective!r}: this estimator's objective is focal loss. Use "
                "lightgbm.LGBMClassifier for another one."
            )
        if self.boosting_type in ("rf", "random_forest"):
            raise ValueError("boosting_type='rf' takes no custom objective in LightGBM.")
        if self._other_params.get("linear_tree"):
            raise ValueError("linear_tree=True: the intercept cannot be stored in linear leaves.")
        for name in ("is_unbalance", "unbalance", "unbalanced_sets"):
            if self._other_params.get(name):
                raise ValueError(f"{name}=True has no effect here: use class_weight='balanced'.")
        metrics = eval_metric if isinstance(eval_metric, list | tuple) else [eval_metric]
        configured = self._other_params.get("metric", [])
        for metric in [*metrics, *([configured] if isinstance(configured, str) else configured)]:
            if isinstance(metric, str) and metric not in _RANKING_METRICS:
                raise ValueError(
                    f"eval_metric={metric!r} needs probabilities, but LightGBM gives a metric raw "
                    "scores under a custom objective. Use 'average_precision', 'auc' or a "
                    "callable."
                )

    def _process_params(self, stage: str) -> dict[str, Any]:
        params: dict[str, Any] = super()._process_params(stage)
        for name in _OWN_PARAMETERS:
            params.pop(name, None)
        if params.get("early_stopping_rounds") is None:
            params.pop("early_stopping_rounds", None)
        if stage == "fit":
            params["objective"] = self._fit_objective
            if isinstance(self._fit_objective, str):
                params.pop("early_stopping_rounds", None)
            if "metric" not in self._other_params:
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
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        raw_score, start_iteration, num_iteration, pred_leaf, pred_contrib, validate_features, \
**kwargs
            As in ``lightgbm.LGBMClassifier.predict_proba``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; what LightGBM returns for ``raw_score``,
            ``pred_leaf`` or ``pred_contrib``.
        """
        other = pred_leaf or pred_contrib
        if self.__sklearn_is_fitted__():
            _door.check_features(X)
        result = super().predict_proba(
            X,
            raw_score=not other,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
            pred_leaf=pred_leaf,
            pred_contrib=pred_contrib,
            validate_features=validate_features,
            **kwargs,
        )
        if other or raw_score:
            return np.asarray(result) if isinstance(result, np.ndarray) else result
        return self.loss_.predict_proba(result)


def _evaluation_sets(eval_set: Any, eval_X: Any, eval_y: Any) -> list[tuple[Any, Any]] | None:
    """Both of LightGBM's ways to give evaluation sets as one list."""
    if (eval_X is None) != (eval_y is None):
        raise ValueError("eval_X and eval_y must be given together.")
    if eval_X is None:
        if eval_set is None:
            return None
        return [eval_set] if isinstance(eval_set, tuple) else list(eval_set)
    if eval_set is not None:
        raise ValueError("give either eval_set, or eval_X and eval_y, but not both.")
    if not isinstance(eval_X, tuple):
        return [(eval_X, eval_y)]
    if not isinstance(eval_y, tuple) or len(eval_X) != len(eval_y):
        raise ValueError("where eval_X is a tuple, eval_y must be one of the same length.")
    return list(zip(eval_X, eval_y, strict=True))


def _as_the_library_takes_them(
    eval_set: list[tuple[Any, Any]] | None, classes: NDArray[Any]
) -> dict[str, Any]:
    # LightGBM 4.7 deprecated eval_set in favour of a pair of arguments that 4.6 does not know.
    if eval_set is None or "eval_X" not in signature(LGBMClassifier.fit).parameters:
        return {"eval_set": eval_set}
    X, y = zip(*eval_set, strict=True)
    # It encodes the labels of eval_set, but takes those of eval_y as they are.
    return {"eval_X": X, "eval_y": tuple(_door.encode_eval_target(y_, classes) for y_ in y)}


def _constant_score(intercept: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    return np.full(n_rows, intercept[0]) if intercept.size == 1 else np.tile(intercept, (n_rows, 1))


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
