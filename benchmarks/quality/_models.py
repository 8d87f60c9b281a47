"""The contenders, each made for one seed. Tuned ones get the same search and the same budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from imblearn.ensemble import (
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from lightgbm import LGBMClassifier
from scipy.stats import loguniform, randint
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from xgboost import XGBClassifier

from benchmarks.quality._others import CatBoost, ImbalanceXGBoost, ImLightGBM
from focaltab import (
    FocalEnsembleClassifier,
    FocalLGBMClassifier,
    FocalSearchCV,
    FocalXGBClassifier,
)
from focaltab.model_selection import default_param_distributions
from focaltab.pipeline import TableFeatures, make_pipeline

N_TRIALS, N_INNER_FOLDS = 10, 3
XGBOOST = {"n_jobs": 1, "tree_method": "hist"}
LIGHTGBM = {"n_jobs": 1, "verbosity": -1}
# The search's first candidate is the model as given: like all others, in the middle of its space.
CATBOOST_START = {"iterations": 300, "depth": 6, "l2_leaf_reg": 3.0}
CATBOOST_SPACE = {
    "iterations": randint(50, 400),
    "learning_rate": loguniform(0.02, 0.3),
    "depth": randint(3, 8),
    "l2_leaf_reg": loguniform(1.0, 20.0),
}


def _searched(model: Any, space: dict[str, Any], seed: int) -> Any:
    return FocalSearchCV(
        model,
        space,
        n_trials=N_TRIALS,
        scoring="log_loss",
        cv=N_INNER_FOLDS,
        random_state=seed,
    )


def _focal(model: Any, seed: int) -> Any:
    return _searched(model, default_param_distributions(model), seed)


def _plain(model: Any, focal_twin: Any, seed: int) -> Any:
    """The library's own objective over the space of our estimator, gamma and alpha apart."""
    space = default_param_distributions(focal_twin)
    return _searched(
        model, {name: s for name, s in space.items() if not name.startswith("focal")}, seed
    )


def _balance(y: Any) -> float:
    return float(np.sum(y == 0) / np.sum(y == 1))


MODELS: dict[str, Callable[[int, Any], Any]] = {
    "FocalEnsemble": lambda seed, y: FocalEnsembleClassifier(random_state=seed),
    "FocalXGB tuned": lambda seed, y: _focal(FocalXGBClassifier(**XGBOOST), seed),
    "FocalLGBM tuned": lambda seed, y: _focal(FocalLGBMClassifier(**LIGHTGBM), seed),
    "XGBoost tuned": lambda seed, y: _plain(
        XGBClassifier(enable_categorical=True, **XGBOOST), FocalXGBClassifier(), seed
    ),
    "XGBoost tuned, weighted": lambda seed, y: _plain(
        XGBClassifier(enable_categorical=True, scale_pos_weight=_balance(y), **XGBOOST),
        FocalXGBClassifier(),
        seed,
    ),
    "LightGBM tuned": lambda seed, y: _plain(
        LGBMClassifier(**LIGHTGBM), FocalLGBMClassifier(), seed
    ),
    "LightGBM tuned, weighted": lambda seed, y: _plain(
        LGBMClassifier(scale_pos_weight=_balance(y), **LIGHTGBM), FocalLGBMClassifier(), seed
    ),
    "CatBoost tuned": lambda seed, y: _searched(CatBoost(**CATBOOST_START), CATBOOST_SPACE, seed),
    "CatBoost tuned, weighted": lambda seed, y: _searched(
        CatBoost(**CATBOOST_START, auto_class_weights="Balanced"), CATBOOST_SPACE, seed
    ),
    "CatBoost Focal": lambda seed, y: CatBoost(
        loss_function="Focal:focal_alpha=0.5;focal_gamma=2.0", random_state=seed
    ),
    "imbalance-xgboost focal": lambda seed, y: make_pipeline(ImbalanceXGBoost()),
    "imlightgbm focal": lambda seed, y: make_pipeline(ImLightGBM()),
    "BalancedRandomForest": lambda seed, y: make_pipeline(
        BalancedRandomForestClassifier(random_state=seed)
    ),
    "EasyEnsemble": lambda seed, y: make_pipeline(EasyEnsembleClassifier(random_state=seed)),
    "RUSBoost": lambda seed, y: make_pipeline(RUSBoostClassifier(random_state=seed)),
    "SMOTE + XGBoost": lambda seed, y: make_resampling_pipeline(
        TableFeatures("scaled"),
        SMOTE(k_neighbors=max(1, min(5, int(np.sum(y)) - 1)), random_state=seed),
        XGBClassifier(random_state=seed, **XGBOOST),
    ),
    "MLPClassifier": lambda seed, y: make_pipeline(MLPClassifier(random_state=seed)),
    "HistGradientBoosting": lambda seed, y: HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=seed
    ),
}
