"""Focal loss for XGBoost and LightGBM: objectives for their own APIs, and estimators."""

from typing import TYPE_CHECKING, Any

from focaltab.boosting._objective import BoosterObjective, lightgbm_objective, xgboost_objective
from focaltab.data import EarlyStopWarning

if TYPE_CHECKING:
    from focaltab.boosting._lightgbm import FocalLGBMClassifier
    from focaltab.boosting._xgboost import FocalXGBClassifier

__all__ = [
    "BoosterObjective",
    "EarlyStopWarning",
    "FocalLGBMClassifier",
    "FocalXGBClassifier",
    "lightgbm_objective",
    "xgboost_objective",
]


def __getattr__(name: str) -> Any:
    # Each estimator imports its library only when it is asked for.
    if name == "FocalXGBClassifier":
        from focaltab.boosting._xgboost import FocalXGBClassifier

        return FocalXGBClassifier
    if name == "FocalLGBMClassifier":
        from focaltab.boosting._lightgbm import FocalLGBMClassifier

        return FocalLGBMClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
