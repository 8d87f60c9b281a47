"""XGBoost's trees as nodes of a graph, read from its own JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from focaltab._compat.xgboost import n_rounds_used
from focaltab.boosting._xgboost_columns import columns_of
from focaltab.export._columns import Table
from focaltab.export._graph import Graph
from focaltab.export._trees import Trees

_LEAF = -1


def margins(graph: Graph, model: Any, table: Table) -> tuple[str, str]:
    """Margins of a fitted ``XGBClassifier``.

    Returns
    -------
    margins : str
        Double, shape (n_rows, 1) or (n_rows, n_classes).
    objective : str
        What XGBoost takes them for.
    """
    booster = model.get_booster()
    if model.booster == "gblinear":
        raise ValueError("booster='gblinear' has no trees: train scikit-learn's LogisticRegression")
    categories = _categories(model)
    matrix = _without_marker(graph, table.matrix(np.float32, categories), model, categories)
    stop = n_rounds_used(model)
    kept = booster[:stop] if 0 < stop < booster.num_boosted_rounds() else booster
    learner = json.loads(bytes(kept.save_raw("json")))["learner"]
    gradient_booster = learner["gradient_booster"]
    objective = learner["objective"]["name"]
    weight_drop = gradient_booster.get("weight_drop")
    forest = gradient_booster.get("gbtree", gradient_booster)["model"]
    intercept = _intercept(learner["learner_model_param"]["base_score"], objective)
    if int(learner["learner_model_param"]["num_target"]) > 1:
        raise ValueError("several labels of one row")
    n_targets = max(1, int(learner["learner_model_param"]["num_class"]))
    trees = Trees(n_targets, np.float32)
    trees.base = np.broadcast_to(intercept, n_targets).astype(np.float64)
    for number, tree in enumerate(forest["trees"]):
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise ValueError("multi_strategy='multi_output_tree': ONNX's leaves have one target")
        factor = 1.0 if weight_drop is None else float(weight_drop[number])
        _add_tree(trees, tree, forest["tree_info"][number], factor)
    return trees.margins(graph, matrix), objective


def _add_tree(trees: Trees, tree: dict[str, Any], target: int, factor: float) -> None:
    sets = {
        node: tree["categories"][start : start + size]
        for node, start, size in zip(
            tree["categories_nodes"],
            tree["categories_segments"],
            tree["categories_sizes"],
            strict=True,
        )
    }
    waiting = [(0, trees.start_tree())]
    while waiting:
        theirs, ours = waiting.pop()
        left, right = tree["left_children"][theirs], tree["right_children"][theirs]
        condition = tree["split_conditions"][theirs]
        if left == _LEAF:
            trees.leaf(ours, target, float(np.float32(condition) * np.float32(factor)))
            continue
        feature = tree["split_indices"][theirs]
        missing_left = bool(tree["default_left"][theirs])
        if tree["split_type"][theirs]:
            # What is in the set goes to the right, and all else to the left.
            true, false = trees.member(
                ours, feature, sets[theirs], missing_is_true=not missing_left
            )
            waiting += [(right, true), (left, false)]
        else:
            true, false = trees.compare(
                ours, feature, "BRANCH_LT", condition, missing_is_true=missing_left
            )
            waiting += [(left, true), (right, false)]


def _intercept(base_score: Any, objective: str) -> NDArray[np.float64]:
    """Margin at which all rows start; XGBoost writes what its objective makes of it."""
    values = json.loads(base_score) if isinstance(base_score, str) else base_score
    stated = np.atleast_1d(np.asarray(values, dtype=np.float64))
    return np.asarray(logit(stated) if objective in ("binary:logistic", "reg:logistic") else stated)


def _categories(model: Any) -> dict[int, list[Any]]:
    """Categories of the columns that were pandas' categories in training, by their places."""
    return {k: known.tolist() for k, known in columns_of(model).categories.items()}


def _without_marker(graph: Graph, matrix: str, model: Any, categories: dict[int, list[Any]]) -> str:
    """The matrix with NaN for the number that stands for a missing one."""
    types = model.get_booster().feature_types or []
    plain = [k for k, kind in enumerate(types) if kind == "c" and k not in categories]
    if plain:
        # Numbers of categories: XGBoost cuts the decimals off.
        whole = np.isin(np.arange(len(types)), plain)[None, :]
        matrix = graph.add("Where", whole, graph.add("Floor", matrix), matrix)
    if model.missing is None or np.isnan(model.missing):
        return matrix
    if categories:
        raise ValueError(f"missing={model.missing!r} together with categories: use NaN")
    marker = graph.add("Equal", matrix, np.float32(model.missing))
    return graph.add("Where", marker, np.float32("nan"), matrix)
