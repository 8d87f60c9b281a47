"""A table inside of a graph: raw columns, blocks of numbers, and codes of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from focaltab.export._graph import Graph, number_tensor, text_tensor

_NAN = float("nan")
# How a graph's text says that there is none, unless that is a category's own name.
_MISSING_TEXTS = ("", "<missing>", "<no value>")
_EXACT_WHOLE = 2**53


@dataclass(frozen=True)
class Raw:
    """A column of the frame as the user has it; what type it is, its first reader says.

    ``fill`` is what an imputer puts where it is missing.
    """

    name: str
    fill: Any = None

    width = 1

    def code_of_missing(self, values: Sequence[Any], own: float) -> float:
        """Code of a missing value among `values`, which without an imputer is `own`.

        An encoder that knows a missing category itself stands behind an imputer that left it:
        scikit-learn's fills NaN, and not None.
        """
        filled = self.fill is not None and self.fill in values and np.isnan(own)
        return float(list(values).index(self.fill)) if filled else own


@dataclass(frozen=True)
class Numbers:
    """Columns of numbers, (n_rows, width), NaN where missing."""

    tensor: str
    width: int
    dtype: Any = np.float64


@dataclass(frozen=True)
class Codes:
    """Places of one column's values among the categories, double, NaN where they are none."""

    tensor: str
    categories: tuple[Any, ...]

    width = 1


Block = Raw | Numbers | Codes


class Table:
    """Columns side by side, as the next step of a model reads them.

    Parameters
    ----------
    graph : Graph
    blocks : sequence of Raw, Numbers or Codes
    """

    def __init__(self, graph: Graph, blocks: Sequence[Block]) -> None:
        self.graph = graph
        self.blocks = list(blocks)
        self.width = sum(block.width for block in self.blocks)

    def select(self, positions: Sequence[int]) -> Table:
        """Some columns, in the order of `positions`."""
        where = [(b, k) for b, block in enumerate(self.blocks) for k in range(block.width)]
        chosen: list[tuple[int, list[int]]] = []
        for position in positions:
            block, column = where[position]
            if chosen and chosen[-1][0] == block:
                chosen[-1][1].append(column)
            else:
                chosen.append((block, [column]))
        found: list[Block] = []
        for number, columns in chosen:
            block_ = self.blocks[number]
            if not isinstance(block_, Numbers):
                found += [block_] * len(columns)
            elif columns == list(range(block_.width)):
                found.append(block_)
            else:
                tensor = self.graph.columns_of(block_.tensor, columns)
                found.append(Numbers(tensor, len(columns), block_.dtype))
        return Table(self.graph, found)

    def followed_by(self, other: Table) -> Table:
        """The columns of both."""
        return Table(self.graph, self.blocks + other.blocks)

    def matrix(
        self, dtype: Any = np.float64, categories: Mapping[int, Sequence[Any]] | None = None
    ) -> str:
        """All columns as one matrix, categories as their codes.

        Parameters
        ----------
        dtype : dtype
        categories : mapping of position to the column's categories, default=None
        """
        known = categories or {}
        # One block alone comes in the type that is asked for; several are joined as doubles.
        whole = len(self.blocks) == 1 and isinstance(self.blocks[0], Numbers) and not known
        wanted = np.dtype(dtype if whole else np.float64)
        tensors: list[str] = []
        plain: list[int] = []

        def flush() -> None:
            tensors.extend(self._number(block, wanted) for block in self.select(plain).blocks)
            plain.clear()

        for position in range(self.width):
            if position in known:
                flush()
                tensors.append(self.codes(position, known[position]))
            else:
                plain.append(position)
        flush()
        if whole:
            return tensors[0]
        joined = self.graph.side_by_side(tensors)
        return joined if np.dtype(dtype) == np.float64 else self.graph.cast(joined, dtype)

    def _number(self, block: Block, dtype: Any) -> str:
        if isinstance(block, Numbers):
            same = np.dtype(block.dtype) == np.dtype(dtype)
            return block.tensor if same else self.graph.cast(block.tensor, dtype)
        if isinstance(block, Codes):
            raise ValueError(
                f"a column of categories ({', '.join(map(str, block.categories[:3]))}, ...) is "
                "read as numbers"
            )
        tensor = read_number(self.graph, block.name)
        if block.fill is None:
            return tensor
        return filled(self.graph, tensor, float(block.fill))

    def numbers(self) -> Numbers:
        """All columns as one block of numbers."""
        return Numbers(self.matrix(), self.width)

    def codes(self, position: int, categories: Sequence[Any], missing: float = _NAN) -> str:
        """Place of a column's values among `categories`, double of shape (n_rows, 1).

        Parameters
        ----------
        position : int
        categories : sequence
            All text, or all numbers; none of them missing.
        missing : float, default=NaN
            The code of a missing value. One that is not among the categories has NaN.
        """
        (block,) = self.select([position]).blocks
        values = tuple(categories)
        if isinstance(block, Codes):
            return self._translated(block, values, missing)
        if isinstance(block, Raw):
            missing = block.code_of_missing(values, missing)
            if _is_text(values):
                return encode_text(
                    self.graph, block.name, {v: k for k, v in enumerate(values)}, missing
                )
            tensor = read_number(self.graph, block.name)
        elif _is_text(values):
            raise ValueError(
                "a column of an array holds text: ONNX has no arrays of text and numbers, so train "
                "on a DataFrame"
            )
        else:
            tensor = self._number(block, np.float64)
        return encode_numbers(self.graph, tensor, values, missing)

    def _translated(self, block: Codes, values: tuple[Any, ...], missing: float) -> str:
        places = {value: float(k) for k, value in enumerate(values)}
        codes = [places.get(value, _NAN) for value in block.categories]
        if codes == list(range(len(values))) and np.isnan(missing):
            return block.tensor
        # A missing value, and one that was unknown before, stand at the end.
        return lookup(self.graph, block.tensor, [*codes, missing])


def read_number(graph: Graph, name: str) -> str:
    """An input column of numbers, double."""
    _describe(graph, name, {"kind": "number"})
    return graph.input(name, np.float64, note="a number; NaN where missing")


def read_moment(graph: Graph, name: str) -> str:
    """An input column of moments, double: seconds since 1970 in UTC."""
    _describe(graph, name, {"kind": "moment"})
    return graph.input(name, np.float64, note="seconds since 1970-01-01 in UTC; NaN where missing")


def encode_text(graph: Graph, name: str, places: Mapping[str, int], missing: float = _NAN) -> str:
    """An input column of text as codes, NaN for an unseen value."""
    free = [text for text in _MISSING_TEXTS if text not in places]
    known = graph.columns.get(name, {}).get("missing")
    text = free[0] if known is None and free else known
    if text is None or text in places:
        raise ValueError(f"column {name!r}: no text is left to say that a value is missing")
    _describe(graph, name, {"kind": "text", "missing": text})
    tensor = graph.input(name, object, note=f"text; {text!r} where missing")
    keys, codes = [*places, text], [*places.values(), missing]
    return graph.add(
        "LabelEncoder",
        tensor,
        domain="ai.onnx.ml",
        keys_tensor=text_tensor(keys),
        values_tensor=number_tensor(codes),
        default_tensor=number_tensor([_NAN]),
    )


def encode_numbers(graph: Graph, tensor: str, values: Sequence[Any], missing: float = _NAN) -> str:
    """Numbers as codes, NaN for an unseen value."""
    try:
        keys = [float(value) for value in values]
    except (TypeError, ValueError):
        kind = type(values[0]).__name__
        raise ValueError(f"categories of type {kind} have no type in ONNX") from None
    # Before they are rounded: 2**53 + 1 has no double.
    if any(abs(value) > _EXACT_WHOLE for value in values):
        raise ValueError("a category is a number beyond 2**53, which a double cannot tell apart")
    codes = graph.add(
        "LabelEncoder",
        tensor,
        domain="ai.onnx.ml",
        keys_tensor=number_tensor(keys),
        values_tensor=number_tensor(range(len(keys))),
        default_tensor=number_tensor([_NAN]),
    )
    return codes if np.isnan(missing) else filled(graph, codes, missing, where=tensor)


def lookup(graph: Graph, codes: str, values: Sequence[float] | Any) -> str:
    """The value of each code; the last one where there is no code."""
    table = np.asarray(values, np.float64)
    place = graph.cast(filled(graph, codes, float(len(table) - 1)), np.int64)
    return graph.add("Gather", table, place)


def filled(graph: Graph, tensor: str, value: Any, where: str | None = None) -> str:
    """A matrix with `value` for its NaN, or for those of another matrix."""
    absent = graph.add("IsNaN", tensor if where is None else where)
    return graph.add("Where", absent, np.asarray(value, np.float64), tensor)


def _describe(graph: Graph, name: str, facts: dict[str, str]) -> None:
    known = graph.columns.setdefault(name, facts)
    if known != facts:
        raise ValueError(
            f"column {name!r} is read as {known['kind']} in one place and as {facts['kind']} in "
            "another"
        )


def _is_text(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) for value in values)
