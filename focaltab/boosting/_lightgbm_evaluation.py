"""Evaluation sets and metrics in the forms that LightGBM's scikit-learn classes take them."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np

from focaltab._compat.lightgbm import evaluation_arguments
from focaltab.boosting._evaluation import AveragePrecision, LogLoss
from focaltab.data import Classes, Rows, evaluation_pairs
from focaltab.losses import FocalLoss


class LightGBMMetric:
    """A figure of ours in the three-part form that LightGBM's scikit-learn classes ask of one."""

    def __init__(self, metric: AveragePrecision | LogLoss) -> None:
        self.metric = metric
        self.more_is_better = isinstance(metric, AveragePrecision)

    def __call__(self, y_true: Any, y_score: Any, weight: Any = None) -> Any:
        """Name, value and direction."""
        sample_weight = None if weight is None or np.size(weight) == 0 else weight
        value = self.metric(y_true, y_score, sample_weight)
        return self.metric.__name__, value, self.more_is_better


class LightGBMOnProbabilities:
    """A user's metric, handed probabilities where LightGBM would hand it raw scores."""

    def __init__(self, metric: Any, loss: FocalLoss) -> None:
        self.metric = metric
        self.loss = loss
        self.__signature__ = signature(metric)  # by which LightGBM counts what to pass

    def __call__(self, y_true: Any, y_score: Any, *rest: Any) -> Any:
        """What the metric returns: its name, value and direction."""
        return self.metric(y_true, self.loss.inverse_link(y_score), *rest)


def evaluation_sets(eval_set: Any, eval_X: Any, eval_y: Any) -> list[tuple[Any, Any]] | None:
    """Both of LightGBM's ways to give evaluation sets as one list."""
    if (eval_X is None) != (eval_y is None):
        raise ValueError("eval_X and eval_y must be given together.")
    if eval_X is None:
        if eval_set is None:
            return None
        return evaluation_pairs(eval_set)
    if eval_set is not None:
        raise ValueError("give either eval_set, or eval_X and eval_y, but not both.")
    if not isinstance(eval_X, tuple):
        return [(eval_X, eval_y)]
    if not isinstance(eval_y, tuple) or len(eval_X) != len(eval_y):
        raise ValueError("where eval_X is a tuple, eval_y must be one of the same length.")
    return list(zip(eval_X, eval_y, strict=True))


def arguments_of(evaluation: tuple[Rows, ...]) -> dict[str, Any]:
    """Evaluation sets as LightGBM's ``fit`` takes them."""
    return evaluation_arguments(
        [(rows.X, rows.codes) for rows in evaluation],
        {k: rows.weight for k, rows in enumerate(evaluation) if rows.weight is not None},
        {k: rows.margin for k, rows in enumerate(evaluation) if rows.margin is not None},
    )


def by_class_number(eval_class_weight: Any, classes: Classes) -> Any:
    """The user's weights by label as weights by class number."""
    if eval_class_weight is None:
        return None
    return [
        {int(classes.encode_more([label])[0]): w for label, w in weights.items()}
        if isinstance(weights, dict)
        else weights
        for weights in eval_class_weight
    ]


def on_probabilities(eval_metric: Any, loss: FocalLoss) -> Any:
    """``eval_metric`` with every callable of the user's as `LightGBMOnProbabilities`."""
    if isinstance(eval_metric, list | tuple):
        return [on_probabilities(metric, loss) for metric in eval_metric]
    if callable(eval_metric) and not isinstance(eval_metric, LightGBMMetric):
        return LightGBMOnProbabilities(eval_metric, loss)
    return eval_metric
