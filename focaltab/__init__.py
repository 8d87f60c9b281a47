"""Focal loss for tables with rare positives: right probabilities, honest figures.

Public names are imported on first use, so that ``import focaltab`` loads no booster and no torch.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.boosting import (
        FocalLGBMClassifier,
        FocalXGBClassifier,
        lightgbm_objective,
        xgboost_objective,
    )
    from focaltab.comparison import compare_losses
    from focaltab.ensemble import FocalEnsembleClassifier
    from focaltab.explanation import explain
    from focaltab.external import ParquetTable
    from focaltab.losses import ClassBalanced, FocalLoss
    from focaltab.model_selection import FocalSearchCV
    from focaltab.neural import FocalMLPClassifier
    from focaltab.persistence import load, save
    from focaltab.sampling import HardNegativeSampling

__version__ = "0.1.0"

__all__ = [
    "ClassBalanced",
    "FocalEnsembleClassifier",
    "FocalLGBMClassifier",
    "FocalLoss",
    "FocalMLPClassifier",
    "FocalSearchCV",
    "FocalXGBClassifier",
    "HardNegativeSampling",
    "ParquetTable",
    "compare_losses",
    "explain",
    "lightgbm_objective",
    "load",
    "save",
    "xgboost_objective",
]

_HOME = {
    "ClassBalanced": "focaltab.losses",
    "FocalEnsembleClassifier": "focaltab.ensemble",
    "FocalLGBMClassifier": "focaltab.boosting",
    "FocalLoss": "focaltab.losses",
    "FocalMLPClassifier": "focaltab.neural",
    "FocalSearchCV": "focaltab.model_selection",
    "FocalXGBClassifier": "focaltab.boosting",
    "HardNegativeSampling": "focaltab.sampling",
    "ParquetTable": "focaltab.external",
    "compare_losses": "focaltab.comparison",
    "explain": "focaltab.explanation",
    "lightgbm_objective": "focaltab.boosting",
    "load": "focaltab.persistence",
    "save": "focaltab.persistence",
    "xgboost_objective": "focaltab.boosting",
}


if find_spec("torch") is None:
    # A star import would stop at it; asked for by its name, it says what is missing.
    __all__[:] = [name for name in __all__ if name != "FocalMLPClassifier"]


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'focaltab' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
