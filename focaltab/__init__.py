"""Focal loss for tables with rare positives: right probabilities, honest figures.

Public names are imported on first use, so that ``import focaltab`` loads no booster and no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.boosting import (
        FocalLGBMClassifier,
        FocalXGBClassifier,
        lightgbm_objective,
        xgboost_objective,
    )
    from focaltab.losses import ClassBalanced, FocalLoss
    from focaltab.neural import FocalMLPClassifier

__version__ = "0.1.0"

__all__ = [
    "ClassBalanced",
    "FocalLGBMClassifier",
    "FocalLoss",
    "FocalMLPClassifier",
    "FocalXGBClassifier",
    "lightgbm_objective",
    "xgboost_objective",
]

_HOME = {
    "ClassBalanced": "focaltab.losses",
    "FocalLGBMClassifier": "focaltab.boosting",
    "FocalLoss": "focaltab.losses",
    "FocalMLPClassifier": "focaltab.neural",
    "FocalXGBClassifier": "focaltab.boosting",
    "lightgbm_objective": "focaltab.boosting",
    "xgboost_objective": "focaltab.boosting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'focaltab' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
