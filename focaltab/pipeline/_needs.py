"""What a model can be fed with, told by its class: nothing is imported to find out."""

from __future__ import annotations

from typing import Any, Literal

# Of categories: as many as there are.
ANY_NUMBER = 2**31 - 1
Encoding = Literal["native", "numbers", "scaled"]

# Class names, so that libraries which are not loaded stay so. They and their subclasses take NaN
# and pandas' categories as they are.
_NATIVE = {
    "XGBModel",
    "LGBMModel",
    "HistGradientBoostingClassifier",
    "FocalMLPClassifier",
    "FocalEnsembleClassifier",
}
# Their members encode text by the target themselves, each inside of the folds that judge them.
_ENCODES_TEXT = {"FocalEnsembleClassifier"}
# Meta-estimators that check their rows as numbers before their model sees them.
_OF_ARRAYS = {
    "BaseBagging",
    "BaseWeightBoosting",
    "EasyEnsembleClassifier",
    "RFE",
    "SelfTrainingClassifier",
    "SequentialFeatureSelector",
}
# Boosters that refuse or rewrite characters in a feature's name.
_PLAIN_NAMES = {"XGBModel", "LGBMModel"}
# Trees ask only whether a value is larger than another: scaling changes nothing.
_TREES = {
    "BaseDecisionTree",
    "ForestClassifier",
    "GradientBoostingClassifier",
    "AdaBoostClassifier",
    "CatBoostClassifier",
}


# They train on tables that are read in batches.
_READ_BATCHES = {"FocalXGBClassifier", "FocalLGBMClassifier"}


def reads_batches(estimator: Any) -> bool:
    """Whether a model trains on tables that are read in batches."""
    return _is_a(estimator, _READ_BATCHES)


def encodes_text(estimator: Any) -> bool:
    """Whether a model takes text of any number of values."""
    return _is_a(innermost(estimator), _ENCODES_TEXT)


def innermost(estimator: Any) -> Any:
    """The model inside of meta-estimators and pipelines."""
    while True:
        if getattr(estimator, "steps", None):
            estimator = estimator.steps[-1][1]
            continue
        inner = getattr(estimator, "estimator", None)
        # A forest has an `estimator` too: its kind of tree, which is no instance to be fitted.
        if inner is None or not hasattr(inner, "fit") or _is_a(estimator, _TREES):
            return estimator
        estimator = inner


def encoding_for(estimator: Any) -> Encoding:
    """The encoding of `TableFeatures` that a model needs."""
    if len(getattr(estimator, "steps", ())) > 1:
        return "scaled"  # whatever its own first step takes, it takes plain numbers
    model = innermost(estimator)
    if _is_a(model, _NATIVE):
        return "numbers" if _makes_arrays(estimator) else "native"
    return "numbers" if _is_a(model, _TREES) else "scaled"


def needs_plain_names(estimator: Any) -> bool:
    """Whether a model, or one of several inside of it, restricts characters of feature names."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return any(_is_a(part, _PLAIN_NAMES) for part in parts)


def _makes_arrays(estimator: Any) -> bool:
    """Whether a meta-estimator on the way to the model turns tables into plain arrays."""
    while estimator is not innermost(estimator):
        if _is_a(estimator, _OF_ARRAYS):
            return True
        steps = getattr(estimator, "steps", None)
        estimator = steps[-1][1] if steps else estimator.estimator
    return False


def _is_a(estimator: Any, names: set[str]) -> bool:
    return any(base.__name__ in names for base in type(estimator).__mro__)
