"""Plots for rare positives, as ``Display`` classes in scikit-learn's convention.

Matplotlib is imported when something is drawn, not before: ``pip install "focaltab[plots]"``.
"""

from focaltab.plots._alert_budget import AlertBudgetDisplay
from focaltab.plots._cost import CostDisplay
from focaltab.plots._drift import DriftDisplay
from focaltab.plots._focal_loss import FocalLossDisplay
from focaltab.plots._loss_comparison import LossComparisonDisplay
from focaltab.plots._pr_gain import PRGainDisplay
from focaltab.plots._precision_recall import PrecisionRecallDisplay
from focaltab.plots._reliability import ReliabilityDisplay
from focaltab.plots._score_distribution import ScoreDistributionDisplay

__all__ = [
    "AlertBudgetDisplay",
    "CostDisplay",
    "DriftDisplay",
    "FocalLossDisplay",
    "LossComparisonDisplay",
    "PRGainDisplay",
    "PrecisionRecallDisplay",
    "ReliabilityDisplay",
    "ScoreDistributionDisplay",
]
