"""What a fitted classifier wraps, and which label it is about, however many wrappers there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from focaltab._compat.sklearn import tuned_positive
from focaltab.pipeline._features import TableFeatures


def layers_of(model: Any, *, calibrated: bool = False) -> Iterator[Any]:
    """The model, what it wraps, what that wraps, and so on.

    Of a calibration with several models the first, if asked for: they are alike but for their rows.
    """
    while model is not None:
        yield model
        if isinstance(model, Pipeline):
            model = model.steps[-1][1]
        else:
            inner = [getattr(model, name, None) for name in ("best_estimator_", "estimator_")]
            if isinstance(model, FrozenEstimator):
                inner.append(model.estimator)
            elif calibrated and isinstance(model, CalibratedClassifierCV):
                inner.append(model.calibrated_classifiers_[0].estimator)
            model = next((x for x in inner if x is not None), None)


def readers_of(model: Any) -> Iterator[Any]:
    """Everything inside of a fitted model that is given the table's columns as they come."""
    waiting = [model]
    while waiting:
        layer = waiting.pop(0)
        yield layer
        if isinstance(layer, Pipeline):
            waiting += [step for _, step in layer.steps[:1] if step not in (None, "passthrough")]
            continue
        if isinstance(layer, FrozenEstimator):
            waiting.append(layer.estimator)
            continue
        for name in ("best_estimator_", "estimator_"):
            inner = getattr(layer, name, None)
            if hasattr(inner, "get_params"):
                waiting.append(inner)
                break
        members = getattr(layer, "members_", None) or {}
        waiting += members.values()
        waiting += [c.estimator for c in getattr(layer, "calibrated_classifiers_", [])[:1]]
        if isinstance(layer, VotingClassifier):
            waiting += layer.estimators_


def table_features(model: Any) -> TableFeatures | None:
    """What reads the table's columns first, if it is a `TableFeatures`."""
    return next((layer for layer in readers_of(model) if _is_fitted(layer)), None)


def _is_fitted(layer: Any) -> bool:
    return isinstance(layer, TableFeatures) and hasattr(layer, "kinds_")


def named_positive(layer: Any) -> Any:
    """The label that one layer was told to be positive, or None."""
    named = getattr(layer, "pos_label", None)
    if named is None and isinstance(layer, TunedThresholdClassifierCV):
        # Only its metric knows.
        return tuned_positive(layer)
    return named


def positive_label(model: Any) -> Any:
    """The label that counts as positive, for two classes; else None."""
    classes = getattr(model, "classes_", None)
    if classes is None or len(classes) != 2:
        return None
    given = map(named_positive, layers_of(model, calibrated=True))
    label = next((label for label in given if label is not None), np.asarray(classes)[1])
    return label.item() if isinstance(label, np.generic) else label
