"""XGBoost's early stopping, by the metric's own direction.

XGBoost knows the direction of its own metrics alone. It takes less of any other for better, and
then stops on the worst round where more is.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

from xgboost.callback import EarlyStopping

from focaltab.boosting._evaluation import LOG_LOSS, METRIC_NAME, as_list, name_of

# scikit-learn's rule for names ("functions ending with _score return a value to maximize"), and
# what focaltab.metrics calls its own.
_MORE_IS_BETTER = (
    "_score",
    "_gain",
    "_at_k",
    "_at_precision",
    "_at_recall",
    "_at_fpr",
    "_area",
    "_corrcoef",
    METRIC_NAME,
)
_LESS_IS_BETTER = ("_loss", LOG_LOSS, "_error", "_deviance", "_cost")


def early_stopping(rounds: int | None, eval_metric: Any) -> EarlyStopping | None:
    """The callback that stops an estimator's fit; None where XGBoost's own is right.

    Parameters
    ----------
    rounds : int or None
        The estimator's ``early_stopping_rounds``.
    eval_metric : object
        A name, a callable, or several; None for average precision.
    """
    name = _judging(eval_metric)
    if not rounds or name is None:
        return None
    if name.endswith(_MORE_IS_BETTER):
        return EarlyStopping(rounds=rounds, metric_name=name, maximize=True)
    if not name.endswith(_LESS_IS_BETTER):
        warnings.warn(
            f"Early stopping takes less of {name!r} for better. If more is, leave out "
            "early_stopping_rounds and pass callbacks=[xgboost.callback.EarlyStopping("
            f"rounds={rounds}, maximize=True)].",
            UserWarning,
            stacklevel=5,
        )
    return None


def with_direction(callback: Any, eval_metric: Any) -> Any:
    """The user's callback, or a copy that knows that more of its metric is better."""
    if not isinstance(callback, EarlyStopping) or callback.maximize is not None:
        return callback
    name = callback.metric_name or _judging(eval_metric)
    if name is None or not name.endswith(_MORE_IS_BETTER):
        return callback
    known = copy.copy(callback)
    known.maximize = True
    return known


def _judging(eval_metric: Any) -> str | None:
    """The name of the metric that early stopping goes by, unless it is XGBoost's own."""
    if eval_metric is None:
        return METRIC_NAME
    # Callables come last in XGBoost's log, after its own metrics.
    own = [metric for metric in as_list(eval_metric) if callable(metric)]
    return name_of(own[-1]) if own else None
