"""One ONNX graph while it is built: nodes, constants and inputs, each under a name of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Of tree ensembles with double thresholds (3) and of encoders with double values (4); 5 retires
# the ops that skl2onnx writes for scikit-learn's forests.
ML_OPSET = 4
# Which goes with ML_OPSET and the least opset, so that runtimes of some age still read the file.
_IR_VERSION = 8

_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.bool_): TensorProto.BOOL,
    np.dtype(object): TensorProto.STRING,
}

# The name of a tensor, or a value that becomes a constant.
Operand = str | float | np.generic | NDArray[Any]


def number_tensor(values: Any) -> Any:
    """Doubles as an attribute of a node."""
    return numpy_helper.from_array(np.asarray(list(values), np.float64))


def text_tensor(values: Any) -> Any:
    """Text as an attribute of a node."""
    encoded = [str(value).encode() for value in values]
    return helper.make_tensor("text", TensorProto.STRING, [len(encoded)], encoded)


class Graph:
    """Tensors are strings, their names; `add` makes a node and returns its first output.

    Floats are double unless said otherwise: a float32 would send rows that are close to a split
    of LightGBM's, or come out of a scaler, the other way.

    Parameters
    ----------
    opset : int
        Of the default domain.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.inputs: dict[str, Any] = {}
        # What each column of a frame holds, for whoever feeds the graph.
        self.columns: dict[str, dict[str, str]] = {}
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def fresh(self, hint: str) -> str:
        """A name that no other tensor has."""
        self._count += 1
        return f"focaltab/{hint}/{self._count}"

    def input(self, name: str, dtype: Any, width: int = 1, note: str = "") -> str:
        """An input of shape (n_rows, width); asked for twice it is the same one.

        Raises
        ------
        ValueError
            If it is of another type already, or has an output's name.
        """
        if name in ("probabilities", "label"):
            raise ValueError(
                f"A column named {name!r} has the name of one of the graph's outputs: rename it."
            )
        kind = _TYPES[np.dtype(dtype)]
        known = self.inputs.get(name)
        if known is None:
            shape = ["n_rows", width]
            self.inputs[name] = helper.make_tensor_value_info(name, kind, shape, note)
        elif known.type.tensor_type.elem_type != kind:
            raise ValueError(f"Column {name!r} is read as numbers here and as text there.")
        return name

    def constant(self, value: Any) -> str:
        """A constant tensor; floats are double."""
        array = np.asarray(value)
        if array.dtype.kind in "UO":
            array = array.astype(object)
            tensor = helper.make_tensor(
                self.fresh("constant"),
                TensorProto.STRING,
                array.shape,
                [str(text).encode() for text in array.ravel()],
            )
            self._constants.append(tensor)
            return str(tensor.name)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.fresh("constant")
            self._constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def add(self, op: str, *operands: Operand, domain: str = "", **attributes: Any) -> str:
        """A node of one output, whose name is returned; what is no name becomes a constant."""
        names = [o if isinstance(o, str) else self.constant(o) for o in operands]
        output = self.fresh(op)
        self._nodes.append(helper.make_node(op, names, [output], domain=domain, **attributes))
        return output

    def cast(self, tensor: str, dtype: Any) -> str:
        """The tensor in another type."""
        return self.add("Cast", tensor, to=_TYPES[np.dtype(dtype)])

    def columns_of(self, tensor: str, positions: list[int]) -> str:
        """Some columns of a matrix."""
        return self.add("Gather", tensor, np.asarray(positions, np.int64), axis=1)

    def side_by_side(self, tensors: list[str]) -> str:
        """Matrices of as many rows as one."""
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=1)

    def repeated(self, row: NDArray[Any], like: str) -> str:
        """One row, of shape (1, width), as many times as another matrix has rows."""
        n_rows = self.add("Shape", like, start=0, end=1)
        shape = self.add("Concat", n_rows, np.array([row.shape[1]], np.int64), axis=0)
        return self.add("Expand", row, shape)

    def sum(self, tensor: str, axis: int = 1) -> str:
        """Sums along an axis, which stays."""
        return self.add("ReduceSum", tensor, np.array([axis], np.int64), keepdims=1)

    def graft(self, other: Any, given: dict[str, str]) -> list[str]:
        """All of another model's nodes; its inputs are tensors of this graph.

        Returns
        -------
        list of str
            Its outputs here.
        """
        names = dict(given)

        def renamed(name: str) -> str:
            if name and name not in names:
                names[name] = self.fresh("skl")
            return names.get(name, "")

        for constant in other.graph.initializer:
            copied = TensorProto()
            copied.CopyFrom(constant)
            copied.name = renamed(constant.name)
            self._constants.append(copied)
        for node in other.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = ""
            del copy.input[:], copy.output[:]
            copy.input.extend(renamed(name) for name in node.input)
            copy.output.extend(renamed(name) for name in node.output)
            self._nodes.append(copy)
        return [renamed(output.name) for output in other.graph.output]

    def model(self, outputs: dict[str, tuple[str, Any, list[Any]]], facts: dict[str, str]) -> Any:
        """The whole as a checked ``onnx.ModelProto``.

        Parameters
        ----------
        outputs : dict
            By the name that an output is to have: its tensor, type and shape.
        facts : dict of str to str
            Metadata.
        """
        declared = []
        for name, (tensor, dtype, shape) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name]))
            declared.append(helper.make_tensor_value_info(name, _TYPES[np.dtype(dtype)], shape))
        graph = helper.make_graph(
            self._nodes, "focaltab", list(self.inputs.values()), declared, self._constants
        )
        model = helper.make_model(
            graph,
            producer_name="focaltab",
            ir_version=max(_IR_VERSION, helper.find_min_ir_version_for(self._opsets())),
            opset_imports=self._opsets(),
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model)
        return model

    def _opsets(self) -> list[Any]:
        return [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
