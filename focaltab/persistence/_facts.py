"""What a fitted model says of itself, however many wrappers it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from focaltab import __version__
from focaltab.monitoring import Reference
from focaltab.persistence._manifest import FORMAT, Manifest, plain
from focaltab.pipeline import ResampledClassifier

_ALWAYS = ("numpy", "pandas", "scikit-learn", "skops")
# Libraries by a word in the names of the types that need them.
_BY_TYPE = {
    "imblearn": "imbalanced-learn",
    "lightgbm": "lightgbm",
    "focaltab.neural": "torch",
    "xgboost": "xgboost",
}


def manifest_of(
    model: Any, metrics: dict[str, Any], reference: Reference | None, types: set[str]
) -> Manifest:
    """The facts of a fitted model that is made of these types."""
    layers = list(_layers(model))
    classes = getattr(model, "classes_", None)
    loss = next((x.loss_ for x in layers if hasattr(x, "loss_")), None)
    names = _feature_names(model)
    own = _prevalence(layers)
    return Manifest(
        format=FORMAT,
        focaltab=__version__,
        model=f"{type(model).__module__}.{type(model).__qualname__}",
        versions=_versions(types),
        classes=[] if classes is None else plain(np.asarray(classes)),
        positive=positive_label(model),
        loss=None
        if loss is None
        else plain(
            {"gamma": loss.gamma, "class_weights": loss.class_weights, "link": loss.link_name}
        ),
        prevalence=plain(own) if own is not None or reference is None else reference.prevalence,
        threshold=_threshold(layers, positive_label(model)),
        feature_names=names,
        feature_types=None if names is None else _feature_types(names, layers, reference),
        n_features=plain(getattr(model, "n_features_in_", None)),
        metrics=plain(metrics),
        reference=None if reference is None else reference.to_dict(),
    )


def positive_label(model: Any) -> Any:
    """The label that counts as positive, for two classes; else None."""
    classes = getattr(model, "classes_", None)
    if classes is None or len(classes) != 2:
        return None
    given = map(_named_positive, _layers(model, calibrated=True))
    return plain(next((label for label in given if label is not None), np.asarray(classes)[1]))


def _named_positive(layer: Any) -> Any:
    named = getattr(layer, "pos_label", None)
    if named is None and isinstance(layer, TunedThresholdClassifierCV):
        # Only its metric knows.
        scorer = getattr(layer, "_curve_scorer", None)
        return None if scorer is None else scorer._get_pos_label()
    return named


def _own_positive(layer: Any) -> Any:
    """The label that the probabilities of one layer, or its threshold, are about."""
    named = _named_positive(layer)
    return plain(np.asarray(layer.classes_)[1] if named is None else named)


def _prevalence(layers: list[Any]) -> Any:
    """Share of the positive class in training, as the model knows it."""
    if any(isinstance(x, ResampledClassifier) for x in layers):
        # Inside of a resampling a model knows the share among the rows that were drawn.
        return None
    owner = next((x for x in layers if hasattr(x, "prevalence_")), None)
    if owner is None:
        return None
    found = owner.prevalence_
    outer = layers[0]
    if np.ndim(found) == 0 and found is not None and len(outer.classes_) == 2:
        same = np.array_equal(np.asarray(owner.classes_), np.asarray(outer.classes_))
        if same and _own_positive(owner) != positive_label(outer):
            return 1.0 - found
    return found


def _layers(model: Any, *, calibrated: bool = False) -> Iterator[Any]:
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


def _feature_names(model: Any) -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _feature_types(names: list[str], layers: list[Any], reference: Reference | None) -> list[str]:
    """What each column holds, by the outermost layer that knows, else by the reference."""
    seen = {} if reference is None else {c.name: str(c.kind) for c in reference.columns}
    for layer in layers:
        first = layer.steps[0][1] if isinstance(layer, Pipeline) else layer
        if hasattr(first, "kinds_"):
            known = {**first.kinds_, **dict.fromkeys(first.left_out_, "left out")}
        elif hasattr(first, "schema"):
            known = first.schema.kinds
        elif hasattr(first, "get_booster") and first.get_booster().feature_types is not None:
            codes = zip(names, first.get_booster().feature_types, strict=False)
            known = {name: "category" if code == "c" else "number" for name, code in codes}
        elif hasattr(first, "encoder_"):
            places = first.encoder_.category_columns
            known = {n: "category" if k in places else "number" for k, n in enumerate(names)}
        else:
            continue
        return [known.get(name, seen.get(name, "")) for name in names]
    return [seen.get(name, "") for name in names]


def _threshold(layers: list[Any], positive: Any) -> float | None:
    """Probability of the positive label from which the model decides for it."""
    for layer in layers:
        for name in ("best_threshold_", "threshold_", "threshold"):
            value = getattr(layer, name, None)
            if isinstance(value, float | np.floating):
                # One that knows no positive label decides by the second.
                own = positive is None or _own_positive(layer) == positive
                return float(value) if own else 1.0 - float(value)
    return None


def _versions(types: set[str]) -> dict[str, str]:
    used = [name for word, name in _BY_TYPE.items() if any(word in kind for kind in types)]
    return {name: installed_version(name) for name in sorted([*_ALWAYS, *used])}


def installed_version(library: str) -> str:
    """Version of a library, empty where it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
