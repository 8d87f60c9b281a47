"""Figures that tell the truth on rare positives, their intervals, and scorers by name."""

from focaltab.metrics._bootstrap import (
    Difference,
    FewRowsWarning,
    bootstrap_distribution,
    bootstrap_interval,
    paired_difference,
)
from focaltab.metrics._decisions import (
    BestThreshold,
    expected_cost,
    max_f_beta,
    max_matthews_corrcoef,
    savings_score,
)
from focaltab.metrics._named import get_scorer, get_scorer_names
from focaltab.metrics._probability import (
    brier_skill_score,
    calibration_error,
    log_loss_skill_score,
)
from focaltab.metrics._ranking import (
    average_precision,
    average_precision_gain,
    lift_at_k,
    partial_pr_area,
    precision_at_k,
    precision_at_recall,
    recall_at_fpr,
    recall_at_k,
    recall_at_precision,
)
from focaltab.metrics._sample import Interval

__all__ = [
    "BestThreshold",
    "Difference",
    "FewRowsWarning",
    "Interval",
    "average_precision",
    "average_precision_gain",
    "bootstrap_distribution",
    "bootstrap_interval",
    "brier_skill_score",
    "calibration_error",
    "expected_cost",
    "get_scorer",
    "get_scorer_names",
    "lift_at_k",
    "log_loss_skill_score",
    "max_f_beta",
    "max_matthews_corrcoef",
    "paired_difference",
    "partial_pr_area",
    "precision_at_k",
    "precision_at_recall",
    "recall_at_fpr",
    "recall_at_k",
    "recall_at_precision",
    "savings_score",
]
