"""Average precision as the boosters' evaluation metric, on calibrated scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from focaltab.losses import FocalLoss

METRIC_NAME = "average_precision"


class AveragePrecision:
    """Average precision of a loss's raw predictions; the unweighted mean over several classes.

    With two classes the ranking of the margins is the ranking of the probabilities. With more,
    margins of different rows do not compare, so they become probabilities first.
    """

    def __init__(self, loss: FocalLoss) -> None:
        self.loss = loss
        self.__name__ = METRIC_NAME  # what XGBoost calls the metric in its log

    def __call__(self, y_true: Any, y_score: Any, sample_weight: Any = None) -> float:
        """Average precision, of rows with weights if given."""
        y = np.asarray(y_true).astype(np.intp)
        if not self.loss.is_multiclass:
            return float(average_precision_score(y, y_score, sample_weight=sample_weight))
        scores = self.loss.predict_proba(np.asarray(y_score))
        present = np.unique(y)
        return float(
            np.mean(
                [
                    average_precision_score(y == k, scores[:, k], sample_weight=sample_weight)
                    for k in present
                ]
            )
        )


class LightGBMAveragePrecision(AveragePrecision):
    """The same in the three-part form that LightGBM's scikit-learn classes ask of a metric."""

    def __call__(self, y_true: Any, y_score: Any, weight: Any = None) -> Any:
        sample_weight = None if weight is None or np.size(weight) == 0 else weight
        return METRIC_NAME, super().__call__(y_true, y_score, sample_weight), True
