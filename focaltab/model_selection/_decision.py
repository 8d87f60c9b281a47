"""What classifiers that decide over another one's probabilities share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples, check_is_fitted


class DecisionClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose probabilities are another's and whose decisions are its own."""

    estimator: Any
    pos_label: Any

    def _fit_estimator(self, X: Any, y: Any, **fit_params: Any) -> None:
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        self._find_positive()

    def _find_positive(self) -> None:
        if len(self.estimator_.classes_) != 2:
            raise ValueError(
                "Only binary classification is supported. The estimator has the classes "
                f"{list(self.estimator_.classes_)}."
            )
        classes = list(self.estimator_.classes_)
        if self.pos_label is not None and self.pos_label not in classes:
            raise ValueError(f"pos_label={self.pos_label!r} is not one of the classes {classes}.")
        self._positive = 1 if self.pos_label is None else classes.index(self.pos_label)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))

    def _check(self, y: Any) -> None:
        if not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"{type(self.estimator).__name__} has no predict_proba: wrap it in "
                "sklearn.calibration.CalibratedClassifierCV."
            )
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels in sorted order, shape (2,)."""
        return self.estimator_.classes_

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """The estimator's probabilities, shape (n_samples, 2)."""
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict_proba(X)

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


def per_row(name: str, source: Any, X: Any) -> NDArray[Any]:
    """Values that belong to the rows of `X`: a column of it by name, or a callable's result.

    Raises
    ------
    ValueError
        Names what is missing or does not fit.
    """
    if callable(source):
        values = np.asarray(source(X))
    elif not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"{name}={source!r} names a column, but X is a {type(X).__name__} without column "
            "names: pass a DataFrame, or a callable."
        )
    elif source not in X.columns:
        raise ValueError(f"{name}={source!r} is no column of X: {list(X.columns)[:10]}.")
    else:
        values = X[source].to_numpy()
    n_rows = _num_samples(X)
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} must give one value for each of {n_rows} rows, got {values.shape}."
        )
    return values
