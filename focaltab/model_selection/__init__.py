"""Folds for rare positives, searches on them, and decisions from probabilities."""

from focaltab.model_selection._alert_budget import AlertBudgetClassifier
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
    "TimeGapSplit",
    "default_param_distributions",
]
