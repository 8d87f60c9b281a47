"""The scikit-learn-compatible multilayer perceptron with focal loss (torch)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.data import EarlyStopWarning
    from focaltab.neural._estimator import FocalMLPClassifier

__all__ = ["EarlyStopWarning", "FocalMLPClassifier"]


def __getattr__(name: str) -> Any:
    if name == "EarlyStopWarning":
        from focaltab.data import EarlyStopWarning

        return EarlyStopWarning
    if name != "FocalMLPClassifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    require("torch", "FocalMLPClassifier", extra="torch")
    from focaltab.neural._estimator import FocalMLPClassifier

    return FocalMLPClassifier
