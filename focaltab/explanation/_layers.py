"""What lies around a booster: decisions, searches, pipelines and resampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from focaltab.explanation._rows import Table, check_columns
from focaltab.model_selection._decision import DecisionClassifier
from focaltab.pipeline import ResampledClassifier, TableFeatures
from focaltab.pipeline._features import columns_per_feature
from focaltab.pipeline._layers import positive_label, table_features

# By the names of their classes, so that no library is loaded to find out.
_BOOSTERS = {"XGBModel": "xgboost", "LGBMModel": "lightgbm"}


@dataclass(frozen=True)
class Core:
    """A model without what only decides over its probabilities, and the rows as it is given them.

    `positive` is the label that counts as positive, None for several classes.
    """

    model: Any
    table: Table
    positive: Any


@dataclass(frozen=True)
class BoosterInside:
    """The booster inside of a model, and what leads there and back.

    Attributes
    ----------
    model : fitted booster of XGBoost's or LightGBM's scikit-learn classes
    library : {"xgboost", "lightgbm"}
    rows : table as the booster is given it
    sources : ndarray of shape (n_features_of_the_booster,)
        Position of the model's input column that each was made from.
    log_odds_shift : float
        What resampling takes from the booster's log-odds of the second of two classes.
    """

    model: Any
    library: str
    rows: Any
    sources: NDArray[np.intp]
    log_odds_shift: float


def peel(model: Any, table: Table) -> Core:
    """Take off searches and decisions, which leave probabilities as they are."""
    positive = positive_label(model)
    while True:
        if isinstance(model, DecisionClassifier):
            table = Table(model._features(table.frame), table.dtype)
            model = model.estimator_
        elif isinstance(model, FixedThresholdClassifier | TunedThresholdClassifierCV):
            model = model.estimator_
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            break
    features = table_features(model)
    if features is not None and table.dtype is None:
        read = [str(name) for name in features.columns_read(table.frame)]
        frame = table.frame
        table = Table(frame[[name for name in frame.columns if str(name) in read]], None)
    else:
        check_columns(model, table)
    return Core(model, table, positive)


def find_booster(core: Core) -> tuple[BoosterInside | None, str]:
    """The booster inside of a model, or None and what is in the way."""
    model, rows = core.model, core.table.as_given()
    sources = np.arange(core.table.frame.shape[1])
    shift = 0.0
    while True:
        library = booster_library(model)
        if library is not None:
            obstacle = _without_contributions(model)
            if obstacle:
                return None, obstacle
            return BoosterInside(model, library, rows, sources, shift), ""
        if isinstance(model, Pipeline):
            for _, step in model.steps[:-1]:
                if step in (None, "passthrough") or not hasattr(step, "transform"):
                    continue
                own = _source_columns(step, rows)
                if own is None:
                    return None, f"{type(step).__name__} mixes columns in a way that is not known"
                rows, sources = step.transform(rows), sources[own]
            model = model.steps[-1][1]
        elif isinstance(model, ResampledClassifier):
            if model.correct:
                negative, positive = model.rates_
                shift += float(np.log(negative / positive))
            model = model.estimator_
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return None, f"{type(model).__name__} is no booster"


def booster_library(model: Any) -> str | None:
    """The library whose scikit-learn classifier a model is, if it is one of two."""
    names = [base.__name__ for base in type(model).__mro__]
    return next((library for name, library in _BOOSTERS.items() if name in names), None)


def _without_contributions(model: Any) -> str:
    """Why a booster's library does not explain it, or an empty string."""
    params = model.get_params()
    if params.get("linear_tree"):
        return "LightGBM explains no linear trees"
    if params.get("multi_strategy") == "multi_output_tree":
        return "XGBoost explains no trees of several outputs"
    if (
        params.get("objective") in ("multi:softprob", "multi:softmax")
        and params.get("num_class") == 2
    ):
        return "two classes as two outputs have no margin of one"
    return ""


def _source_columns(step: Any, rows: Any) -> NDArray[np.intp] | None:
    """Input column of each output of a transformer; None where nobody knows."""
    if isinstance(step, TableFeatures) and isinstance(rows, pd.DataFrame):
        places = {str(name): k for k, name in enumerate(rows.columns)}
        names = step.feature_names_in_[step.source_columns()]
        return np.asarray([places[name] for name in names], dtype=np.intp)
    if isinstance(step, TableFeatures):
        return step.source_columns()
    if isinstance(step, TargetEncoder):
        return np.repeat(np.arange(step.n_features_in_), columns_per_feature(step))
    if isinstance(step, OneToOneFeatureMixin):
        return np.arange(step.n_features_in_)
    return None
