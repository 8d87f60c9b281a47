"""Exact Shapley values of a booster, by its own library."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from focaltab.boosting import BoosterObjective
from focaltab.data import XGBOOST, read_table
from focaltab.explanation._layers import BoosterInside
from focaltab.losses import FocalLoss

Floats = NDArray[np.float64]

LOG_ODDS = "log-odds"
FOCAL_MARGIN = "focal margin"
MARGIN = "margin of the model's own objective"

_XGBOOST_LOG_ODDS = ("binary:logistic", "binary:logitraw", "multi:softprob", "multi:softmax")
_LIGHTGBM_LOG_ODDS = ("binary", "multiclass", "softmax", "cross_entropy", "xentropy")


class Contributions(NamedTuple):
    """Of each column, and the margin of a row of which nothing is known.

    `values` has shape (n_samples, n_features) or (n_samples, n_features, n_classes) and
    `base_value` (,) or (n_classes,), for class number 1 of two classes.
    """

    values: Floats
    base_value: Floats


def booster_contributions(inside: BoosterInside) -> Contributions:
    """Contributions to the margin, by columns of the booster.

    Tree SHAP over the trees' own covers (Lundberg et al., "From Local Explanations to Global
    Understanding with Explainable AI for Trees", Nature Machine Intelligence 2, 2020).
    """
    of_library = _of_xgboost if inside.library == "xgboost" else _of_lightgbm
    by_class = np.asarray(of_library(inside.model, inside.rows), dtype=np.float64)
    values, base = by_class[..., :-1], by_class[0, ..., -1]
    if values.ndim == 3:
        values = np.moveaxis(values, 1, 2)
    return Contributions(values, base)


def unit_of(model: Any, library: str) -> str:
    """What a booster's margin is."""
    loss = getattr(model, "loss_", None) or loss_of_stock(model)
    if loss is not None:
        return FOCAL_MARGIN if loss.link_name == "focal" else LOG_ODDS
    if library == "xgboost":
        named = model.objective in _XGBOOST_LOG_ODDS
    else:
        params = model.get_params()
        # LightGBM's sigmoid may stretch the margin before it is one of log-odds.
        named = model.objective_ in _LIGHTGBM_LOG_ODDS and params.get("sigmoid", 1.0) == 1.0
    return LOG_ODDS if named else MARGIN


def loss_of_stock(model: Any) -> FocalLoss | None:
    """The loss of a stock class that was given an objective of this package.

    Its library takes the margins for probabilities.
    """
    objective = getattr(model, "objective", None)
    return objective.loss if isinstance(objective, BoosterObjective) else None


def number_one(model: Any) -> Any:
    """The label that a booster of two classes counts as 1, whose margin is explained."""
    order = getattr(model, "_label_order", None)
    return model.classes_[1] if order is None else order.by_number[1]


def _of_xgboost(model: Any, rows: Any) -> NDArray[Any]:
    from xgboost import DMatrix

    rows = model._read(rows) if hasattr(model, "_read") else read_table(rows, XGBOOST)
    booster = model.get_booster()
    linear = model.booster == "gblinear"
    best = None if linear else booster.attr("best_iteration")
    matrix = DMatrix(
        rows,
        missing=model.missing,
        feature_types=model.feature_types,
        nthread=model.n_jobs,
        enable_categorical=bool(model.enable_categorical),
    )
    return booster.predict(
        matrix,
        pred_contribs=True,
        iteration_range=(0, 0) if best is None else (0, int(best) + 1),
    )


def _of_lightgbm(model: Any, rows: Any) -> NDArray[Any]:
    flat = np.asarray(model.predict_proba(rows, pred_contrib=True))
    booster = model.booster_
    if "\naverage_output\n" in booster.model_to_string(num_iteration=1):
        # A random forest predicts the mean of its trees, whose contributions are summed.
        flat = flat / (model.best_iteration_ or booster.current_iteration())
    n_classes = len(model.classes_)
    if n_classes == 2:
        return flat
    return flat.reshape(flat.shape[0], n_classes, -1)
