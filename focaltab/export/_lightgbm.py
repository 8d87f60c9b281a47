"""LightGBM's trees as nodes of a graph, read from its own dump."""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab._compat.lightgbm import category_positions, listed_categories
from focaltab.export._columns import Codes, Table
from focaltab.export._graph import Graph
from focaltab.export._trees import Trees

# LightGBM's own: what is not larger is zero to it.
_ZERO = float(np.float32(1e-35))
# What the dump, which is JSON, has for infinity.
_INFINITE = 1e300


def margins(graph: Graph, model: Any, table: Table, X: Any) -> tuple[str, str]:
    """Raw scores of a fitted ``LGBMClassifier``.

    Returns
    -------
    margins : str
        Double, shape (n_rows, 1) or (n_rows, n_classes).
    objective : str
        LightGBM's own words for it.
    """
    booster = model.booster_
    dump = booster.dump_model()
    n_targets = dump["num_tree_per_iteration"]
    n_rounds = max(1, len(dump["tree_info"]) // n_targets)
    trees = Trees(n_targets, np.float64)
    seen = _Features()
    for number, tree in enumerate(dump["tree_info"]):
        _add_tree(trees, seen, tree["tree_structure"], number % n_targets)
    categories = _categories(booster, table, X)
    matrix = seen.as_lightgbm_reads(graph, table.matrix(np.float64, categories), table.width)
    raw = trees.margins(graph, matrix)
    if dump["average_output"]:
        raw = graph.add("Div", raw, np.float64(n_rounds))
    return raw, dump.get("objective", "custom")


class _Features:
    """What the trees take for missing, by feature."""

    def __init__(self) -> None:
        self.kinds: dict[int, str] = {}

    def note(self, feature: int, kind: str) -> None:
        if self.kinds.setdefault(feature, kind) != kind:
            raise ValueError(
                f"feature {feature} has splits of two kinds, {self.kinds[feature]!r} and {kind!r}: "
                "train in one go"
            )

    def as_lightgbm_reads(self, graph: Graph, matrix: str, width: int) -> str:
        """The matrix with NaN for zeros that mean missing, and whole numbers of categories."""
        zeros = self._mask("Zero", width)
        if zeros.any():
            tiny = graph.add("LessOrEqual", graph.add("Abs", matrix), np.float64(_ZERO))
            matrix = graph.add("Where", graph.add("And", tiny, zeros), np.float64("nan"), matrix)
        categories = self._mask("category", width)
        if categories.any():
            below = graph.add("Less", matrix, np.float64(0.0))
            cut = graph.add("Where", below, graph.add("Ceil", matrix), graph.add("Floor", matrix))
            matrix = graph.add("Where", categories, cut, matrix)
        return matrix

    def _mask(self, kind: str, width: int) -> Any:
        chosen = [feature for feature, known in self.kinds.items() if known == kind]
        return np.isin(np.arange(width), chosen)[None, :]


def _add_tree(trees: Trees, seen: _Features, root: dict[str, Any], target: int) -> None:
    if "split_index" not in root:
        trees.base[target] += root["leaf_value"]
        return
    waiting = [(root, trees.start_tree())]
    while waiting:
        node, ours = waiting.pop()
        if "split_index" not in node:
            if "leaf_const" in node:
                raise ValueError("linear_tree=True: ONNX's leaves are constant")
            trees.leaf(ours, target, node["leaf_value"])
            continue
        feature = node["split_feature"]
        if node["decision_type"] == "==":
            seen.note(feature, "category")
            members = [int(text) for text in node["threshold"].split("||")]
            # A missing category is none of the set.
            true, false = trees.member(ours, feature, members, missing_is_true=False)
        else:
            missing_type, threshold = node["missing_type"], _as_compared(node["threshold"])
            seen.note(feature, missing_type)
            # Where no value was missing in training, a missing one counts as zero.
            left = threshold >= 0.0 if missing_type == "None" else node["default_left"]
            true, false = trees.compare(
                ours, feature, "BRANCH_LEQ", threshold, missing_is_true=left
            )
        waiting += [(node["left_child"], true), (node["right_child"], false)]


def _as_compared(threshold: float) -> float:
    """The number that a value is compared with, which the dump does not always tell."""
    if abs(threshold) >= _INFINITE:
        return float(np.copysign(np.inf, threshold))
    if threshold == -_ZERO:
        # That very number is read as zero, and so lies to the right of itself.
        return float(np.nextafter(threshold, -np.inf))
    return threshold


def _categories(booster: Any, table: Table, X: Any) -> dict[int, list[Any]]:
    """Categories of the columns that were pandas' categories in training.

    LightGBM keeps the categories, in the order of their columns, but of these only the ones that
    it splits by category; a column of ordered categories is not among them.
    """
    known = listed_categories(booster)
    if not known:
        return {}
    coded = [k for k in range(table.width) if isinstance(table.select([k]).blocks[0], Codes)]
    if coded:
        positions = coded
    elif hasattr(X, "dtypes"):
        positions = [k for k, t in enumerate(X.dtypes) if str(t) == "category"]
    else:
        positions = category_positions(booster)
    if len(positions) != len(known):
        raise ValueError(
            f"{len(known)} columns held pandas categories in training, but the model does not say "
            "which: pass some of the training rows as X"
        )
    return dict(zip(positions, known, strict=True))
