"""Scorers that know which label is positive."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from inspect import signature
from typing import Any

from sklearn import get_config
from sklearn.metrics import check_scoring, make_scorer

from focaltab._compat.sklearn import copy_requests, scorer_parts, scorer_with
from focaltab.metrics import get_scorer, get_scorer_names

# Losses that searches know under these names too, and that treat both classes alike.
_ALIKE = ("log_loss", "brier_score")


class OfEitherClass:
    """A metric that treats both classes alike, where a positive label has to be told.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred, **options)``
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    @property
    def __name__(self) -> str:
        """The metric's, which scikit-learn shows a scorer by."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __call__(self, y_true: Any, y_pred: Any, *, pos_label: Any, **options: Any) -> Any:
        """The metric, whatever the label."""
        return self.function(y_true, y_pred, **options)


def scorer_of(scoring: Any, estimator: Any, pos_label: Any) -> Any:
    """A scorer that knows the positive label.

    Raises
    ------
    ValueError
        For an unknown name, or what is no scorer.
    """
    if isinstance(scoring, str) and scoring in _ALIKE:
        scoring = f"neg_{scoring}"
    if isinstance(scoring, str):
        named = scoring.removeprefix("neg_")
        ours = named in get_scorer_names()
        scoring = get_scorer(scoring, pos_label=pos_label) if ours else get_scorer(scoring)
        if get_config()["enable_metadata_routing"]:
            # A name cannot say what it wants; as without routing, it weighs if it can.
            scoring = deepcopy(scoring).set_score_request(sample_weight=takes_weights(scoring))
        if ours:
            return scoring
    elif scoring is not None and not callable(scoring):
        raise ValueError(f"scoring must be one scorer or its name, got {scoring!r}.")
    scorer = check_scoring(estimator, scoring=scoring)
    return told(scorer, pos_label) if asks_for_label(scorer) else scorer


def asks_for_label(scorer: Any) -> bool:
    """Whether a scorer's metric is about one label that it has not been told."""
    parts = scorer_parts(scorer)
    if parts is None or "pos_label" not in signature(parts.function).parameters:
        return False
    options = parts.options
    return "pos_label" not in options and options.get("average", "binary") == "binary"


def told(scorer: Any, pos_label: Any) -> Any:
    """A scorer with a positive label, which a metric that treats both classes alike is spared."""
    parts = scorer_parts(scorer)
    assert parts is not None
    function, options, sign, response_method = parts
    result = make_scorer(
        function if asks_for_label(scorer) else OfEitherClass(function),
        response_method=response_method,
        greater_is_better=sign > 0,
        **{**options, "pos_label": pos_label},
    )
    copy_requests(scorer, result)
    return result


def scoring_told(scoring: Any, pos_label: Any) -> Any:
    """`scoring` of any form that searches take; what is about one label is told this one.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if isinstance(scoring, str):
        if scoring in _ALIKE:
            return scoring
        scorer = get_scorer(scoring)
        return told(scorer, pos_label) if asks_for_label(scorer) else scoring
    if isinstance(scoring, Mapping):
        return {name: scoring_told(one, pos_label) for name, one in scoring.items()}
    if isinstance(scoring, list | tuple | set):
        return {str(one): scoring_told(one, pos_label) for one in scoring}
    return told(scoring, pos_label) if asks_for_label(scoring) else scoring


def takes_weights(scorer: Any) -> bool:
    """Whether a scorer can weigh rows."""
    parts = scorer_parts(scorer)
    function = scorer if parts is None else parts.function
    if isinstance(function, OfEitherClass):
        function = function.function
    return "sample_weight" in signature(function).parameters


def relabelled(scorer: Any, pos_label: Any) -> Any:
    """A scorer that was told a label, told another one."""
    return scorer_with(scorer, pos_label=pos_label)
