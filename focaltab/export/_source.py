"""The table that a model was trained on, as inputs of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from focaltab.export._columns import Numbers, Raw, Table
from focaltab.export._graph import Graph

_INSIDE = ("estimator_", "best_estimator_")


def source(graph: Graph, model: Any) -> Table:
    """Raw columns of a frame, or the one matrix of an array."""
    first = _first_reader(model)
    names = _column_names(first)
    if names is not None:
        return Table(graph, [Raw(name) for name in names])
    width = int(first.n_features_in_)
    # XGBoost rounds whatever it is given to float32.
    reads_float = hasattr(first, "get_booster")
    dtype = np.float32 if reads_float else np.float64
    graph.input("X", dtype, width, note="rows of numbers; NaN where missing")
    return Table(graph, [Numbers("X", width, dtype)])


def _first_reader(model: Any) -> Any:
    """The step that sees the table before any other."""
    while True:
        steps = getattr(model, "steps", None)
        members = getattr(model, "members_", None)
        inner = [getattr(model, name) for name in _INSIDE if hasattr(model, name)]
        # A forest has an `estimator_` too: its kind of tree.
        inner = [part for part in inner if hasattr(part, "classes_")]
        if steps:
            parts = [step for _, step in steps if step is not None and step != "passthrough"]
            model = parts[0]
        elif members:
            model = next(iter(members.values()))
        elif inner:
            model = inner[0]
        elif not hasattr(model, "n_features_in_") and hasattr(model, "estimator"):
            model = model.estimator  # prefitted
        else:
            return model


def _column_names(model: Any) -> Sequence[str] | None:
    if hasattr(model, "get_booster"):
        names = model.get_booster().feature_names
        return None if names is None else list(names)
    if hasattr(model, "booster_"):
        return _lightgbm_names(model)
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _lightgbm_names(model: Any) -> list[str] | None:
    """Names of the frame's columns; LightGBM makes names for an array's up."""
    if hasattr(model, "_columns"):
        return model._columns.names
    names = list(model.feature_name_)
    made_up = [f"Column_{k}" for k in range(len(names))]
    return None if names == made_up else names
