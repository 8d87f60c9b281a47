"""Folds for rare positives, losses compared on them, and from probabilities to decisions."""

from focaltab.model_selection._alert_budget import AlertBudgetClassifier
from focaltab.model_selection._comparison import LossComparison, compare_losses
from focaltab.model_selection._cost_threshold import CostThresholdClassifier
from focaltab.model_selection._group_split import GroupPrevalenceKFold
from focaltab.model_selection._time_gap_split import TimeGapSplit

__all__ = [
    "AlertBudgetClassifier",
    "CostThresholdClassifier",
    "GroupPrevalenceKFold",
    "LossComparison",
    "TimeGapSplit",
    "compare_losses",
]
