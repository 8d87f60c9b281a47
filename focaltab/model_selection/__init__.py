"""From probabilities to decisions."""

from focaltab.model_selection._alert_budget import AlertBudgetClassifier
from focaltab.model_selection._comparison import LossComparison, compare_losses
from focaltab.model_selection._cost_threshold import CostThresholdClassifier

__all__ = [
    "AlertBudgetClassifier",
    "CostThresholdClassifier",
    "LossComparison",
    "compare_losses",
]
