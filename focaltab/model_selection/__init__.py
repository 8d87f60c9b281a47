"""Folds for rare positives, searches and comparisons on them, and decisions from probabilities."""

from focaltab.model_selection._alert_budget import AlertBudgetClassifier
from focaltab.model_selection._comparison import LossComparison, compare_losses
from focaltab.model_selection._cost_threshold import CostThresholdClassifier
from focaltab.model_selection._group_split import GroupPrevalenceKFold
from focaltab.model_selection._search import FocalSearchCV
from focaltab.model_selection._search_space import default_param_distributions
from focaltab.model_selection._time_gap_split import TimeGapSplit

__all__ = [
    "AlertBudgetClassifier",
    "CostThresholdClassifier",
    "FocalSearchCV",
    "GroupPrevalenceKFold",
    "LossComparison",
    "TimeGapSplit",
    "compare_losses",
    "default_param_distributions",
]
