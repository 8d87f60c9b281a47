"""From a pipeline's probabilities to decisions: one threshold, a tuned one, or one per row."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from numbers import Real
from typing import Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    jaccard_score,
    make_scorer,
    matthews_corrcoef,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.utils.metadata_routing import UNUSED

from focaltab._compat.sklearn import scorer_options, scorer_parts
from focaltab.data import checked_labels, refuse_lazy
from focaltab.metrics import expected_cost, savings_score
from focaltab.model_selection import CostThresholdClassifier
from focaltab.model_selection._scorers import asks_for_label, told
from focaltab.pipeline._weights import requesting_weights, weighing

_COSTS = ("fp_cost", "fn_cost", "tp_cost", "tn_cost")
# Metrics of decisions, and whether more is better.
_METRICS: dict[str, tuple[Any, bool]] = {
    "f1": (f1_score, True),
    "jaccard": (jaccard_score, True),
    "balanced_accuracy": (balanced_accuracy_score, True),
    "matthews_corrcoef": (matthews_corrcoef, True),
    "expected_cost": (expected_cost, False),
    "savings_score": (savings_score, True),
}
# scikit-learn spreads thresholds evenly over the scores, of which nearly all are close to 0 where
# positives are rare: half of these are below 0.1, by equal factors.
_THRESHOLDS = np.concatenate([np.geomspace(1e-5, 0.1, 50, endpoint=False), np.linspace(0.1, 1, 46)])


def with_threshold(
    pipeline: Any, threshold: Any, *, pos_label: Any, random_state: int | None
) -> Any:
    """Put a decision on top of a pipeline.

    Raises
    ------
    ValueError
        For a number outside [0, 1], a metric that is unknown or judges no decisions, or costs of
        unknown names.
    """
    if isinstance(threshold, Mapping):
        unknown = [name for name in threshold if name not in _COSTS]
        if unknown or not threshold:
            raise ValueError(f"threshold takes the costs {', '.join(_COSTS)}; got {unknown}.")
        return CostThresholdClassifier(pipeline, **threshold, pos_label=pos_label)
    if isinstance(threshold, Real) and not isinstance(threshold, bool):
        if not 0.0 <= float(threshold) <= 1.0:
            raise ValueError(f"threshold must lie in [0, 1], got {threshold}.")
        return FixedThreshold(
            pipeline,
            threshold=float(threshold),
            pos_label=pos_label,
            response_method="predict_proba",
        )
    if isinstance(threshold, str):
        if threshold not in _METRICS:
            raise ValueError(
                f"threshold={threshold!r} names no metric of decisions: there are "
                f"{', '.join(_METRICS)}."
            )
        function, more_is_better = _METRICS[threshold]
        scoring = make_scorer(function, greater_is_better=more_is_better)
        with config_context(enable_metadata_routing=True):
            scoring = scoring.set_score_request(sample_weight=True)
    elif scorer_parts(threshold) is not None:
        scoring = threshold
    elif callable(threshold):
        raise ValueError(
            f"threshold={threshold!r} is no scorer: make it one, as in "
            "sklearn.metrics.make_scorer(metric)."
        )
    else:
        raise ValueError(
            "threshold must be None, a number in [0, 1], the name of a metric, a scorer or a dict "
            f"of costs, got {threshold!r}."
        )
    if pos_label is not None and "pos_label" not in scorer_options(scoring):
        # Also where the metric is the same for both: the threshold is of one's probability.
        scoring = told(scoring, pos_label)
    return TunedThreshold(
        pipeline,
        scoring=scoring,
        response_method="predict_proba",
        thresholds=_THRESHOLDS,
        cv=StratifiedKFold(5, shuffle=True, random_state=random_state),
        random_state=random_state,
    )


class _TakesWeights:
    """``fit(X, y, sample_weight=w)`` without routing being switched on, as estimators have it."""

    estimator: Any
    scoring: Any

    # They are routers: what the estimator requests is what counts.
    __metadata_request__fit = {"sample_weight": UNUSED}  # noqa: RUF012

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Any:
        """Fit the classifier; see scikit-learn's class.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            For the estimator and what it wraps; under metadata routing as they request.
        **params
            Further metadata, under metadata routing.

        Returns
        -------
        self
        """
        checked_labels(y)
        refuse_lazy(X, type(self).__name__)
        fit = super().fit  # type: ignore[misc]
        if sample_weight is None:
            return fit(X, y, **params)
        if get_config()["enable_metadata_routing"]:
            return fit(X, y, sample_weight=sample_weight, **params)
        is_fitted = getattr(self, "cv", None) == "prefit"
        given = {n: getattr(self, n) for n in ("estimator", "scoring") if hasattr(self, n)}
        try:
            own = self.estimator
            self.estimator = requesting_weights(deepcopy(own) if is_fitted else clone(own))
            if "scoring" in given:
                self.scoring = weighing(given["scoring"])
            with config_context(enable_metadata_routing=True):
                return fit(X, y, sample_weight=sample_weight, **params)
        finally:
            for name, value in given.items():
                setattr(self, name, value)


class FixedThreshold(_TakesWeights, FixedThresholdClassifier):  # type: ignore[misc]
    """scikit-learn's ``FixedThresholdClassifier`` that takes ``sample_weight`` without routing."""


class TunedThreshold(_TakesWeights, TunedThresholdClassifierCV):  # type: ignore[misc]
    """scikit-learn's ``TunedThresholdClassifierCV`` that takes ``sample_weight`` without routing.

    It refuses fewer rows of a class than folds: a threshold found on folds without positives is
    noise.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Any:
        """Tune the threshold on out-of-fold probabilities and fit on all rows.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            For the estimator and, where the scorer requests it, for the score.
        **params
            Further metadata, under metadata routing.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For fewer rows of a class than folds, or labels that leave open which is positive.
        """
        refuse_lazy(X, type(self).__name__)
        labels, counts = np.unique(checked_labels(y), return_counts=True)
        folds = getattr(self.cv, "n_splits", self.cv)
        if labels.size == 2 and isinstance(folds, int) and counts.min() < folds:
            raise ValueError(
                f"the rarer class has {counts.min()} rows, fewer than the {folds} folds that tune "
                "the threshold: set a number, or find more of them."
            )
        options = scorer_options(self.scoring)
        known = set(labels.tolist()) <= {0, 1} or set(labels.tolist()) <= {-1, 1}
        if labels.size == 2 and not known and asks_for_label(self.scoring):
            raise ValueError(
                f"y holds the labels {labels.tolist()}: say which is positive with pos_label."
            )
        if "pos_label" in options and options["pos_label"] not in labels.tolist():
            raise ValueError(
                f"pos_label={options['pos_label']!r} is not one of the classes {labels.tolist()}."
            )
        return super().fit(X, y, sample_weight=sample_weight, **params)
