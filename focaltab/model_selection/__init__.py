"""Folds for rare positives, and from probabilities to decisions."""

from focaltab.model_selection._alert_budget import AlertBudgetClassifier
from focaltab.model_selection._cost_threshold import CostThresholdClassifier
from focaltab.model_selection._group_split import GroupPrevalenceKFold
from focaltab.model_selection._time_gap_split import TimeGapSplit

__all__ = [
    "AlertBudgetClassifier",
    "CostThresholdClassifier",
    "GroupPrevalenceKFold",
    "TimeGapSplit",
]
