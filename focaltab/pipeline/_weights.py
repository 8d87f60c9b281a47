"""``sample_weight`` for what stands inside of other estimators."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from inspect import signature
from typing import Any

from sklearn import config_context
from sklearn.metrics import get_scorer
from sklearn.utils.validation import has_fit_parameter

from focaltab._compat.sklearn import has_requests, is_search
from focaltab.model_selection._scorers import takes_weights


def requesting_weights(model: Any) -> Any:
    """Have a model and what it wraps request ``sample_weight``, unless they said what they want.

    In place. What stands before the last step of a pipeline counts rows, not weights.
    """
    with config_context(enable_metadata_routing=True):
        for part, counts_rows in _wrapped(model):
            if not has_requests(part) and _can_ask(part):
                part.set_fit_request(sample_weight=not counts_rows)
                ask = getattr(part, "set_score_request", None)
                # LogisticRegressionCV has the method, but nothing that could be asked for by it.
                if ask is not None and "sample_weight" in signature(ask).parameters:
                    ask(sample_weight=True)
            if is_search(part) and isinstance(part.scoring, str):
                # As without routing: its weights are for fits.
                part.scoring = get_scorer(part.scoring).set_score_request(sample_weight=False)
    return model


def weighing(scorer: Any) -> Any:
    """A scorer that requests ``sample_weight`` if it can use it, unless it said what it wants."""
    asked = scorer.get_metadata_routing().score.requests.get("sample_weight")
    if asked is not None:
        return scorer
    with config_context(enable_metadata_routing=True):
        return deepcopy(scorer).set_score_request(sample_weight=takes_weights(scorer))


def _wrapped(model: Any) -> Iterator[tuple[Any, bool]]:
    """What stands inside of a model, and whether it stands before the last step of a pipeline."""
    waiting = [model]
    while waiting:
        part = waiting.pop()
        yield part, False
        steps = getattr(part, "steps", None)
        if steps:
            yield from ((step, True) for _, step in steps[:-1])
            waiting.append(steps[-1][1])
        else:
            inner = [getattr(part, "estimator", None), getattr(part, "final_estimator", None)]
            inner += [pair[1] for pair in getattr(part, "estimators", None) or ()]
            waiting += [x for x in inner if hasattr(x, "fit") and hasattr(x, "get_params")]


def _can_ask(part: Any) -> bool:
    return hasattr(part, "set_fit_request") and has_fit_parameter(part, "sample_weight")
