"""What a fitted model says of itself, however many wrappers it stands in."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from focaltab import __version__
from focaltab.monitoring import Reference
from focaltab.persistence._manifest import FORMAT, Manifest, plain
from focaltab.pipeline import ResampledClassifier
from focaltab.pipeline._layers import layers_of, named_positive, positive_label

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
    layers = list(layers_of(model))
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


def _own_positive(layer: Any) -> Any:
    """The label that the probabilities of one layer, or its threshold, are about."""
    named = named_positive(layer)
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
