"""Figures that tell the truth on rare positives."""

from focaltab.metrics._bootstrap import average_precision_interval, paired_average_precision
from focaltab.metrics._ranking import (
    average_precision,
    precision_at_k,
    recall_at_k,
    recall_at_precision,
)

__all__ = [
    "average_precision",
    "average_precision_interval",
    "paired_average_precision",
    "precision_at_k",
    "recall_at_k",
    "recall_at_precision",
]
