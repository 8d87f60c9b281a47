"""The trees of scikit-learn's histogram gradient boosting as nodes of a graph.

skl2onnx 1.20 does not know those of scikit-learn 1.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab._compat.sklearn import histogram_trees, input_positions
from focaltab.export._columns import Table
from focaltab.export._graph import Graph
from focaltab.export._steps import transformed
from focaltab.export._trees import Trees

_BITS = 32


def margins(graph: Graph, model: Any, table: Table) -> str:
    """Raw predictions of a fitted ``HistGradientBoostingClassifier``, double."""
    trees = Trees(model.n_trees_per_iteration_, np.float64)
    inside = histogram_trees(model)
    trees.base = inside.baseline
    for round_ in inside.rounds:
        for target, predictor in enumerate(round_):
            _add_tree(trees, predictor, target)
    return trees.margins(graph, _as_it_reads(graph, inside.columns, table).matrix())


def _as_it_reads(graph: Graph, columns: Any, table: Table) -> Table:
    """Codes of the categories, and the numbers after them."""
    if columns is None:
        return table
    positions = input_positions(columns)
    encoder = columns.named_transformers_["encoder"]
    codes = transformed(graph, encoder, table.select(positions["encoder"]))
    return codes.followed_by(table.select(positions["numerical"]))


def _add_tree(trees: Trees, predictor: Any, target: int) -> None:
    nodes = predictor.nodes
    waiting = [(0, trees.start_tree())]
    while waiting:
        theirs, ours = waiting.pop()
        node = nodes[theirs]
        if node["is_leaf"]:
            trees.leaf(ours, target, float(node["value"]))
            continue
        feature, missing_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        if node["is_categorical"]:
            bits = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
            members = [k for k in range(bits.size * _BITS) if bits[k // _BITS] >> (k % _BITS) & 1]
            children = trees.member(ours, feature, members, missing_is_true=missing_left)
        else:
            threshold = float(node["num_threshold"])
            children = trees.compare(
                ours, feature, "BRANCH_LEQ", threshold, missing_is_true=missing_left
            )
        waiting += zip((int(node["left"]), int(node["right"])), children, strict=True)
