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
    (output,) = _converted(graph, step, block, np.float64, {})
    return Numbers(graph.cast(output, np.float64), len(step.get_feature_names_out()))


def probabilities(graph: Graph, model: Any, block: Numbers) -> str:
    """Probabilities of each class, double."""
    # Trees compare in float32, as scikit-learn's do; sums are taken in double.
    names = " ".join(base.__name__ for base in type(model).__mro__)
    trees = any(word in names for word in ("Tree", "Forest", "GradientBoosting"))
    options = {id(model): {"zipmap": False}}
    _, stated = _converted(graph, model, block, np.float32 if trees else np.float64, options)
    return graph.cast(stated, np.float64)


def _converted(
    graph: Graph, part: Any, block: Numbers, dtype: Any, options: dict[int, Any]
) -> list[str]:
    require("skl2onnx", f"to_onnx of a {type(part).__name__}", extra="onnx")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = DoubleTensorType if dtype == np.float64 else FloatTensorType
    try:
        converted = convert_sklearn(
            part,
            initial_types=[("X", kind([None, block.width]))],
            target_opset={"": graph.opset, "ai.onnx.ml": _ML_OPSET},
            options=options,
        )
    except Exception as error:
        raise ValueError(f"{type(part).__name__} (skl2onnx: {first_line(error)})") from error
    tensor = block.tensor
    if np.dtype(block.dtype) != np.dtype(dtype):
        tensor = graph.cast(tensor, dtype)
    return graph.graft(converted, {"X": tensor})
