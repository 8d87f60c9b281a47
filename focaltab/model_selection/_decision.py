"""What classifiers that decide over another one's probabilities share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.ensemble import StackingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from focaltab._compat.sklearn import count_rows
from focaltab.data import refuse_lazy
from focaltab.model_selection._folds import positive_rows
from focaltab.model_selection._positive import pos_label_of


class DecisionClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose probabilities are another's and whose decisions are its own."""

    estimator: Any
    pos_label: Any

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata of `fit` go under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        MetadataRouter
            To the estimator's ``fit``, as the estimator requests.
        """
        mapping = MethodMapping().add(callee="fit", caller="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)

    def _routed(self, params: dict[str, Any]) -> dict[str, Any]:
        """What of the parameters of `fit` the estimator is given: all, unless routing is on."""
        return params if (routed := self._routing(params)) is None else dict(routed.estimator.fit)

    def _routing(self, params: dict[str, Any]) -> Any:
        """Where each parameter of `fit` goes, if metadata routing is on."""
        is_on = get_config()["enable_metadata_routing"]
        return process_routing(self, "fit", **params) if is_on else None

    def _take(self, estimator: Any) -> None:
        """Stand over a fitted estimator."""
        self.estimator_ = estimator
        self._positive = self._place(list(estimator.classes_))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimator, name):
                setattr(self, name, getattr(estimator, name))
            elif hasattr(self, name):
                delattr(self, name)

    def _check(self, X: Any, y: Any) -> int:
        """Refuse what cannot be decided between; the place of the positive class in `y`'s."""
        if not states_probabilities(self.estimator):
            raise ValueError(
                f"{type(self.estimator).__name__} has no predict_proba: wrap it in "
                "sklearn.calibration.CalibratedClassifierCV."
            )
        refuse_lazy(X, type(self).__name__)
        _, labels = positive_rows(y)
        return self._place(labels)

    def _place(self, classes: list[Any]) -> int:
        label = pos_label_of(self)
        if label is not None and label not in classes:
            raise ValueError(f"pos_label={label!r} is not one of the classes {classes}.")
        return 1 if label is None else classes.index(label)

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels in sorted order, shape (2,)."""
        return self.estimator_.classes_

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """The estimator's probabilities, shape (n_samples, 2)."""
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict_proba(self._features(X))

    def _features(self, X: Any) -> Any:
        """What of `X` the estimator sees."""
        return X

    def _positive_proba(self, X: Any) -> NDArray[Any]:
        return np.asarray(self.predict_proba(X))[:, self._positive]

    def _labels(self, called: NDArray[np.bool_]) -> NDArray[Any]:
        return np.asarray(self.classes_[np.where(called, self._positive, 1 - self._positive)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        return tags


def states_probabilities(estimator: Any) -> bool:
    """Whether a classifier has, or will have once it is fitted, ``predict_proba``."""
    if isinstance(estimator, StackingClassifier):  # it asks its last model, which fit makes
        last = estimator.final_estimator
        return last is None or states_probabilities(last)
    if isinstance(estimator, Pipeline) and estimator.steps:
        return states_probabilities(estimator.steps[-1][1])
    return hasattr(estimator, "predict_proba")


def per_row(name: str, source: Any, X: Any) -> NDArray[Any]:
    """Values that belong to the rows of `X`: a column of it by name, or a callable's result.

    Raises
    ------
    ValueError
        Names what is missing or does not fit.
    """
    if callable(source):
        values = np.asarray(source(X))
    elif np.ndim(source) > 0 or source is None:
        raise ValueError(
            f"{name} must be a number, the name of a column of X or a callable, got a "
            f"{type(source).__name__}: values of the rows would not fit other rows."
        )
    elif not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"{name}={source!r} names a column, but X is a {type(X).__name__} without column "
            "names: pass a DataFrame, or a callable."
        )
    elif source not in X.columns:
        raise ValueError(f"{name}={source!r} is no column of X: {list(X.columns)[:10]}.")
    else:
        values = X[source].to_numpy()
    n_rows = count_rows(X)
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} must give one value for each of {n_rows} rows, got {values.shape}."
        )
    return values
