"""scikit-learn's interface for three rivals: what each needs to take a table and be cloned."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin


class CatBoost(ClassifierMixin, BaseEstimator):
    """CatBoost with categories named, on one thread and without files; None is its default."""

    def __init__(
        self,
        *,
        iterations: int | None = None,
        learning_rate: float | None = None,
        depth: int | None = None,
        l2_leaf_reg: float | None = None,
        auto_class_weights: str | None = None,
        loss_function: str = "Logloss",
        random_state: int | None = None,
    ) -> None:
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.depth = depth
        self.l2_leaf_reg = l2_leaf_reg
        self.auto_class_weights = auto_class_weights
        self.loss_function = loss_function
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> CatBoost:
        from catboost import CatBoostClassifier

        given = {name: value for name, value in self.get_params().items() if value is not None}
        self.model_ = CatBoostClassifier(
            **given,
            cat_features=list(X.select_dtypes("category").columns),
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        ).fit(_text(X), y)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Any:
        return self.model_.predict_proba(_text(X))

    def predict(self, X: Any) -> Any:
        return (self.predict_proba(X)[:, 1] > 0.5).astype(int)


def _text(X: pd.DataFrame) -> pd.DataFrame:
    """CatBoost takes no missing categories."""
    X = X.copy()
    for column in X.select_dtypes("category").columns:
        X[column] = X[column].astype(object).where(X[column].notna(), "missing").astype(str)
    return X


class ImbalanceXGBoost(ClassifierMixin, BaseEstimator):
    """imbalance-xgboost's focal objective at gamma 2, in its wrapper's rounds, depth and rate.

    The wrapper itself passes an argument that XGBoost 3 no longer has. The probability is the
    sigmoid of the margin, as its documentation has it.
    """

    def fit(self, X: Any, y: Any) -> ImbalanceXGBoost:
        import xgboost
        from imxgboost.focal_loss import Focal_Binary_Loss

        params = {"max_depth": 10, "eta": 0.3, "nthread": 1, "base_score": 0.0}
        loss = Focal_Binary_Loss(gamma_indct=2.0)
        data = xgboost.DMatrix(np.asarray(X, dtype=float), np.asarray(y))
        self.model_ = xgboost.train(params, data, 10, obj=loss.focal_binary_object)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Any:
        import xgboost

        return _from_margin(self.model_.predict(xgboost.DMatrix(np.asarray(X, dtype=float))))


class ImLightGBM(ClassifierMixin, BaseEstimator):
    """imlightgbm's focal objective at gamma 2 in 100 rounds; the sigmoid of the margin."""

    def fit(self, X: Any, y: Any) -> ImLightGBM:
        import lightgbm
        from imlightgbm.objective import binary_focal_lgb_objective

        params = {
            "objective": partial(binary_focal_lgb_objective, gamma=2.0),
            "verbosity": -1,
            "num_threads": 1,
        }
        data = lightgbm.Dataset(np.asarray(X, dtype=float), np.asarray(y))
        self.model_ = lightgbm.train(params, data, 100)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Any:
        return _from_margin(self.model_.predict(np.asarray(X, dtype=float)))


def _from_margin(margin: Any) -> Any:
    p = expit(np.asarray(margin, dtype=float).ravel())
    return np.stack([1.0 - p, p], axis=1)
