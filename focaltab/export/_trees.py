"""Many trees as one node of a graph.

The converters of onnxmltools (1.16) are not used. LightGBM's takes float32 alone, where rows that
differ in the ninth digit go to other leaves, and is wrong where zeros are missing values
(``zero_as_missing``). XGBoost's fails on DART and on columns with names. Neither knows focal loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from focaltab.export._graph import Graph, number_tensor

Mode = Literal["BRANCH_LT", "BRANCH_LEQ", "BRANCH_EQ"]


class Trees:
    """Sums of leaves by target, as ``ai.onnx.ml``'s TreeEnsembleRegressor takes them.

    Values are double where the inputs are, so that neither is rounded before they are compared.

    Parameters
    ----------
    n_targets : int
        Margins of a row.
    dtype : dtype
        float32 or float64, that of the inputs.
    """

    def __init__(self, n_targets: int, dtype: Any) -> None:
        self.n_targets = n_targets
        self.dtype = np.dtype(dtype)
        self.base = np.zeros(n_targets)
        self._tree = -1
        self._next = 0
        self._nodes: dict[str, list[Any]] = {
            name: []
            for name in (
                "treeids",
                "nodeids",
                "featureids",
                "modes",
                "values",
                "truenodeids",
                "falsenodeids",
                "missing_value_tracks_true",
            )
        }
        self._leaves: dict[str, list[Any]] = {
            name: [] for name in ("treeids", "nodeids", "ids", "weights")
        }

    def start_tree(self) -> int:
        """Begin another tree; its first node comes first."""
        self._tree += 1
        self._next = 1
        return 0

    def new_node(self) -> int:
        """Number of a node of this tree that is still to be made."""
        self._next += 1
        return self._next - 1

    def compare(
        self, node: int, feature: int, mode: Mode, value: float, *, missing_is_true: bool
    ) -> tuple[int, int]:
        """A node that compares a feature with a value.

        Returns
        -------
        true, false : int
            Nodes to be made.
        """
        true, false = self.new_node(), self.new_node()
        self._add(node, feature, mode, value, true, false, missing_is_true)
        return true, false

    def member(
        self, node: int, feature: int, values: Sequence[float], *, missing_is_true: bool
    ) -> tuple[int, int]:
        """A node that asks whether a feature is one of some whole numbers.

        A chain of comparisons that lead to the same node where they hold, which is how ONNX's
        converters have always written sets; onnxruntime makes one test of it.

        Returns
        -------
        true, false : int
            Nodes to be made.
        """
        true = self.new_node()
        # An empty set, which missing values may be in, is asked for what is no whole number.
        for value in values or [-0.5]:
            false = self.new_node()
            self._add(node, feature, "BRANCH_EQ", float(value), true, false, missing_is_true)
            node = false
        return true, node

    def leaf(self, node: int, target: int, weight: float) -> None:
        """A leaf of one target."""
        self._add(node, 0, "LEAF", 0.0, 0, 0, False)
        for name, value in zip(
            self._leaves, (self._tree, node, target, float(weight)), strict=True
        ):
            self._leaves[name].append(value)

    def _add(self, node: int, feature: int, mode: str, value: float, *rest: Any) -> None:
        true, false, missing = rest
        row = (self._tree, node, feature, mode, float(value), true, false, int(missing))
        for name, entry in zip(self._nodes, row, strict=True):
            self._nodes[name].append(entry)

    def margins(self, graph: Graph, matrix: str) -> str:
        """Sums of leaves and base, double of shape (n_rows, n_targets)."""
        base = self.base[None, :]
        if self._tree < 0:
            return graph.repeated(base, matrix)
        nodes = {f"nodes_{name}": values for name, values in self._nodes.items()}
        leaves = {f"target_{name}": values for name, values in self._leaves.items()}
        if self.dtype == np.float64:
            nodes["nodes_values_as_tensor"] = number_tensor(nodes.pop("nodes_values"))
            leaves["target_weights_as_tensor"] = number_tensor(leaves.pop("target_weights"))
        sums = graph.add(
            "TreeEnsembleRegressor",
            matrix,
            domain="ai.onnx.ml",
            n_targets=self.n_targets,
            **nodes,
            **leaves,
        )
        return graph.add("Add", graph.cast(sums, np.float64), base)
