"""What boosters evaluate as they train: average precision, log loss, or a user's metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab.data import mean_average_precision, mean_log_loss
from focaltab.losses import FocalLoss

METRIC_NAME = "average_precision"
LOG_LOSS = "logloss"  # as XGBoost calls its own


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
            return mean_average_precision(y, np.asarray(y_score), sample_weight)
        return mean_average_precision(
            y, self.loss.predict_proba(np.asarray(y_score)), sample_weight
        )


class LogLoss:
    """Log loss of the probabilities that a loss's raw predictions stand for.

    Early stopping goes by it where average precision would be that of a few rows.
    """

    def __init__(self, loss: FocalLoss) -> None:
        self.loss = loss
        self.__name__ = LOG_LOSS

    def __call__(self, y_true: Any, y_score: Any, sample_weight: Any = None) -> float:
        """Log loss, of rows with weights if given."""
        y = np.asarray(y_true).astype(np.intp)
        probability = self.loss.predict_proba(np.asarray(y_score, dtype=np.float64))
        return mean_log_loss(y, probability, sample_weight)


class OnProbabilities:
    """A user's metric, handed probabilities where XGBoost would hand it margins."""

    def __init__(self, metric: Any, loss: FocalLoss) -> None:
        self.metric = metric
        self.loss = loss
        self.__name__ = name_of(metric)

    def __call__(self, y_true: Any, y_score: Any, **weight: Any) -> float:
        """The metric's value, of rows with ``sample_weight`` if given."""
        return float(self.metric(y_true, self.loss.inverse_link(y_score), **weight))


def on_probabilities(eval_metric: Any, loss: FocalLoss) -> Any:
    """XGBoost's ``eval_metric`` with every callable in it as `OnProbabilities`."""
    if isinstance(eval_metric, list | tuple):
        return [on_probabilities(metric, loss) for metric in eval_metric]
    return OnProbabilities(eval_metric, loss) if callable(eval_metric) else eval_metric


def name_of(metric: Any) -> str:
    """What XGBoost calls a callable metric in its log."""
    return str(getattr(metric, "__name__", "metric"))


def as_list(value: Any) -> list[Any]:
    """What may be given alone, as several or not at all, as a list."""
    if isinstance(value, list | tuple | set):
        return list(value)
    return [] if value is None else [value]
