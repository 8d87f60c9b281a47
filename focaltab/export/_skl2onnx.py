"""What skl2onnx knows of scikit-learn, as part of a larger graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab._errors import first_line
from focaltab._optional import require
from focaltab.export._columns import Numbers
from focaltab.export._graph import Graph

# Of skl2onnx's nodes; the graph's own is higher, which changes none of them.
_ML_OPSET = 3


def transform(graph: Graph, step: Any, block: Numbers) -> Numbers:
    """What a transformer makes of columns of numbers."""
    # In float32 values would be off by more than the room between a split and its neighbours.
    output = _converted(graph, step, block, [np.float64], {})[0]
    return Numbers(graph.cast(output, np.float64), len(step.get_feature_names_out()))


def label_and_probabilities(graph: Graph, model: Any, block: Numbers) -> tuple[str, str]:
    """What a classifier predicts, and the probabilities of each class, double."""
    # Trees compare in float32, as scikit-learn's do.
    names = " ".join(base.__name__ for base in type(model).__mro__)
    trees = any(word in names for word in ("Tree", "Forest", "GradientBoosting"))
    types: list[Any] = [np.float32] if trees else [np.float64, np.float32]
    label, stated = _converted(graph, model, block, types, {id(model): {"zipmap": False}})
    return label, graph.cast(stated, np.float64)


def _converted(
    graph: Graph, part: Any, block: Numbers, types: list[Any], options: dict[int, Any]
) -> list[str]:
    """The outputs of a part, in the first of some types of input in which it can be run."""
    what = f"to_onnx of a {type(part).__name__}"
    require("skl2onnx", what, extra="onnx")
    require("onnxruntime", what, extra="onnx")
    from onnxruntime import InferenceSession
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kinds = {np.float64: DoubleTensorType, np.float32: FloatTensorType}
    for dtype in types:
        try:
            converted = convert_sklearn(
                part,
                initial_types=[("X", kinds[dtype]([None, block.width]))],
                target_opset={"": graph.opset, "ai.onnx.ml": _ML_OPSET},
                options=options,
            )
            # Some converters mix types where they are given doubles.
            InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception as error:
            if dtype is types[-1]:
                name, said = type(part).__name__, first_line(error)
                raise ValueError(f"{name} in {np.dtype(dtype)} (skl2onnx: {said})") from error
            continue
        same = np.dtype(block.dtype) == np.dtype(dtype)
        tensor = block.tensor if same else graph.cast(block.tensor, dtype)
        return graph.graft(converted, {"X": tensor})
    raise AssertionError("no type to try")
