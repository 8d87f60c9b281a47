"""From probabilities to decisions."""

from focaltab.model_selection._alert_budget import AlertBudgetClassifier
from focaltab.model_selection._cost_threshold import CostThresholdClassifier

__all__ = ["AlertBudgetClassifier", "CostThresholdClassifier"]
