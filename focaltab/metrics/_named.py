"""Metrics by name, as functions of scores and as scikit-learn scorers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, NamedTuple

from sklearn.metrics import get_scorer as sklearn_scorer
from sklearn.metrics import get_scorer_names as sklearn_names
from sklearn.metrics import make_scorer

from focaltab.metrics import _decisions, _probability, _ranking

Metric = Callable[..., float]

_SCORE = ("predict_proba", "decision_function")


class _Named(NamedTuple):
    function: Callable[..., Any]
    response: str | tuple[str, ...]
    greater_is_better: bool = True


def max_f_beta_value(
    y_true: Any,
    y_score: Any,
    *,
    beta: float = 1.0,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    """The value of `max_f_beta`, without its threshold."""
    return _decisions.max_f_beta(
        y_true, y_score, beta=beta, sample_weight=sample_weight, pos_label=pos_label
    ).value


def max_matthews_value(
    y_true: Any, y_score: Any, *, sample_weight: Any = None, pos_label: Any = None
) -> float:
    """The value of `max_matthews_corrcoef`, without its threshold."""
    return _decisions.max_matthews_corrcoef(
        y_true, y_score, sample_weight=sample_weight, pos_label=pos_label
    ).value


_METRICS = {
    "average_precision": _Named(_ranking.average_precision, _SCORE),
    "average_precision_gain": _Named(_ranking.average_precision_gain, _SCORE),
    "precision_at_k": _Named(_ranking.precision_at_k, _SCORE),
    "recall_at_k": _Named(_ranking.recall_at_k, _SCORE),
    "lift_at_k": _Named(_ranking.lift_at_k, _SCORE),
    "recall_at_precision": _Named(_ranking.recall_at_precision, _SCORE),
    "precision_at_recall": _Named(_ranking.precision_at_recall, _SCORE),
    "recall_at_fpr": _Named(_ranking.recall_at_fpr, _SCORE),
    "partial_pr_area": _Named(_ranking.partial_pr_area, _SCORE),
    "max_f_beta": _Named(max_f_beta_value, _SCORE),
    "max_matthews_corrcoef": _Named(max_matthews_value, _SCORE),
    "brier_skill_score": _Named(_probability.brier_skill_score, "predict_proba"),
    "log_loss_skill_score": _Named(_probability.log_loss_skill_score, "predict_proba"),
    "calibration_error": _Named(_probability.calibration_error, "predict_proba", False),
    "expected_cost": _Named(_decisions.expected_cost, "predict", False),
    "savings_score": _Named(_decisions.savings_score, "predict"),
}


def get_scorer_names() -> list[str]:
    """Names that `get_scorer` knows in addition to scikit-learn's, in alphabetical order.

    Examples
    --------
    >>> from focaltab.metrics import get_scorer_names
    >>> "average_precision_gain" in get_scorer_names()
    True
    """
    return sorted(_METRICS)


def get_scorer(name: str, **options: Any) -> Any:
    """Scorer for ``cross_validate``, ``GridSearchCV`` and the like.

    Parameters
    ----------
    name : str
        A metric of `focaltab.metrics`, or a scorer name of scikit-learn. Figures that are better
        when small are negated, as scikit-learn's are, under their plain name or with ``neg_``
        before it.
    **options
        Passed to the metric: ``k=100``, ``precision=0.8``, ``fn_cost=50.0``,
        ``pos_label="fraud"``.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``. One cost per row reaches it through metadata routing:
        ``scorer.set_score_request(fn_cost=True)``.

    Raises
    ------
    ValueError
        For an unknown name, an option that is missing or that the metric does not have, or options
        to one of scikit-learn's scorers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from focaltab.metrics import get_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2)); y = (X[:, 0] + rng.normal(size=500) > 2).astype(int)
    >>> result = cross_validate(LogisticRegression(), X, y,
    ...                         scoring={"r": get_scorer("recall_at_precision", precision=0.5)})
    >>> result["test_r"].shape
    (5,)
    """
    key = name.removeprefix("neg_")
    if key not in _METRICS or (name != key and _METRICS[key].greater_is_better):
        if name in sklearn_names():
            if options:
                raise ValueError(f"scikit-learn's scorer {name!r} takes no options: {options}.")
            return sklearn_scorer(name)
        raise ValueError(f"no scorer named {name!r}; there are {', '.join(sorted(_METRICS))}.")
    named = _METRICS[key]
    check_options(key, options)
    return make_scorer(
        named.function,
        response_method=named.response,
        greater_is_better=named.greater_is_better,
        **options,
    )


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the metric of this name lacks, and say which one it must have.

    Raises
    ------
    ValueError
        Names the option.
    """
    parameters = signature(_METRICS[name].function).parameters.values()
    known = {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY}
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}; it has {', '.join(known)}.")
    for option, is_required in known.items():
        if is_required and option not in options:
            raise ValueError(f"{name} needs the option {option!r}, as in {option}=...")


def metric_named(name: str) -> Metric:
    """The function of a name; of a best threshold, the value.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name not in _METRICS:
        raise ValueError(f"no metric named {name!r}; there are {', '.join(sorted(_METRICS))}.")
    return _METRICS[name].function


def judges_decisions(function: Metric) -> bool:
    """Whether a function is one of ours that takes decisions for scores."""
    return any(m.function is function and m.response == "predict" for m in _METRICS.values())
