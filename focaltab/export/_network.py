"""``FocalMLPClassifier``'s encoder and network as nodes of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.export._columns import Table, lookup
from focaltab.export._graph import Graph

_LAST = np.array([-1], np.int64)


def raw_predictions(graph: Graph, model: Any, table: Table) -> str:
    """Raw predictions, double of shape (n_rows, n_members, n_outputs)."""
    network = model.network_
    dtype = np.dtype(str(network.dtype).removeprefix("torch."))
    parts = _encoded(graph, model.encoder_, network, table, dtype)
    if parts:
        x = graph.side_by_side(parts)
    else:  # nothing but constants, which leave the output's bias alone
        x = graph.repeated(np.zeros((1, network.width), dtype), _any_column(model.encoder_, table))
    if network.n_members > 1:
        x = graph.add("Unsqueeze", x, np.array([1], np.int64))
    for layer in network.hidden:
        x = _layer(graph, layer, x, dtype)
    x = _layer(graph, network.output, x, dtype)
    if network.n_members == 1:
        x = graph.add("Unsqueeze", x, np.array([1], np.int64))
    return graph.cast(x, np.float64)


def _encoded(graph: Graph, encoder: Any, network: Any, table: Table, dtype: Any) -> list[str]:
    """What the first layer reads: numbers or their embedding, gaps, embedded categories."""
    from focaltab.neural import _encoder

    parts = []
    numbers = table.select(encoder.number_columns)
    if encoder.n_numbers:
        values = numbers.select(encoder.moving.tolist()).matrix()
        centred = graph.add("Sub", values, encoder.centre[encoder.moving][None, :])
        scaled = graph.add("Mul", centred, encoder.scale[encoder.moving][None, :])
        bounds = np.float64(-_encoder._HUGE), np.float64(_encoder._HUGE)
        scaled = graph.add("Clip", scaled, *bounds)
        length = graph.add("Div", scaled, np.float64(_encoder._CLIP))
        length = graph.add("Add", graph.add("Mul", length, length), np.float64(1.0))
        scaled = graph.cast(graph.add("Div", scaled, graph.add("Sqrt", length)), np.float32)
        # A missing number is the median.
        scaled = graph.add("Where", graph.add("IsNaN", scaled), np.float32(0.0), scaled)
        if dtype != np.float32:
            scaled = graph.cast(scaled, dtype)
        parts.append(_embedded(graph, network.numeric_embedding, scaled, dtype))
    if encoder.n_gaps:
        gaps = numbers.select(encoder.gaps.tolist()).matrix()
        parts.append(graph.cast(graph.add("IsNaN", gaps), dtype))
    for embedding, (position, known) in zip(
        network.category_embeddings, encoder.category_columns.items(), strict=True
    ):
        codes = table.codes(position, known.tolist())
        # Category 0 is the unknown one, and missing.
        places = graph.cast(lookup(graph, codes, [*range(1, known.size + 1), 0]), np.int64)
        row = graph.add("Gather", _array(embedding.weight), graph.add("Squeeze", places, _LAST))
        parts.append(row)
    return parts


def _any_column(encoder: Any, table: Table) -> str:
    """A tensor of as many rows as the table."""
    if 0 in encoder.category_columns:
        return table.codes(0, encoder.category_columns[0].tolist())
    return table.select([0]).matrix()


def _embedded(graph: Graph, embedding: Any, x: str, dtype: Any) -> str:
    """Scaled numbers, each as the vector that the network learned for it."""
    if embedding is None:
        return x
    kind = type(embedding).__name__
    column = graph.add("Unsqueeze", x, _LAST)
    if kind == "PeriodicEmbeddings":
        angle = 2 * np.pi * _array(embedding.periodic.weight)
        phase = graph.add("Mul", column, angle.astype(dtype)[None])
        waves = graph.add("Concat", graph.add("Cos", phase), graph.add("Sin", phase), axis=-1)
        embedded = graph.add("Relu", _layer(graph, embedding.linear, waves, dtype))
    elif kind == "PiecewiseLinearEmbeddings":
        line = embedding.linear0
        straight = graph.add("Mul", column, _array(line.weight)[None])
        straight = graph.add("Add", straight, _array(line.bias)[None])
        bent = _by_column(graph, _bins(graph, embedding.impl, column, dtype), embedding.linear)
        embedded = graph.add("Add", straight, bent)
    else:
        raise ValueError(f"numeric_embedding of type {kind}")
    return graph.add("Flatten", embedded, axis=1)


def _bins(graph: Graph, encoding: Any, column: str, dtype: Any) -> str:
    """How far a number has come in each bin of its column, (n_rows, n_numbers, n_bins)."""
    weight, bias = _array(encoding.weight), _array(encoding.bias)
    x = graph.add("Add", graph.add("Mul", column, weight[None]), bias[None])
    n_bins = weight.shape[1]
    if n_bins == 1:
        return x
    # The first bin goes on below its edge and the last above; a single bin does both.
    low, high = np.zeros(weight.shape, dtype), np.ones(weight.shape, dtype)
    low[:, 0], high[:, -1] = -np.inf, np.inf
    if encoding.single_bin_mask is not None:
        low[encoding.single_bin_mask.numpy(), -1] = -np.inf
    return graph.add("Min", graph.add("Max", x, low[None]), high[None])


def _by_column(graph: Graph, x: str, layer: Any) -> str:
    """Its own linear layer for every column."""
    turned = graph.add("Transpose", x, perm=[1, 0, 2])
    product = graph.add("MatMul", turned, _array(layer.weight))
    back = graph.add("Transpose", product, perm=[1, 0, 2])
    return back if layer.bias is None else graph.add("Add", back, _array(layer.bias)[None])


def _layer(graph: Graph, layer: Any, x: str, dtype: Any) -> str:
    kind = type(layer).__name__
    if kind in ("Dropout", "Identity"):
        return x
    if kind in ("Sigmoid", "Tanh", "ReLU"):
        return graph.add({"ReLU": "Relu"}.get(kind, kind), x)
    if kind == "SiLU":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if kind == "GELU":
        half = graph.add("Mul", x, np.asarray(0.5, dtype))
        # Runtimes have Erf for float32 alone.
        inner = graph.cast(graph.add("Mul", x, np.asarray(np.sqrt(0.5), dtype)), np.float32)
        bell = graph.cast(graph.add("Erf", inner), dtype)
        return graph.add("Mul", half, graph.add("Add", bell, np.asarray(1.0, dtype)))
    if kind == "Linear":
        product = graph.add("MatMul", x, _array(layer.weight).T.copy())
        return graph.add("Add", product, _array(layer.bias))
    if kind == "LinearBatchEnsemble":
        scaled = graph.add("Mul", x, _array(layer.r)[None])
        product = graph.add("MatMul", scaled, _array(layer.weight).T.copy())
        product = graph.add("Mul", product, _array(layer.s)[None])
        return graph.add("Add", product, _array(layer.bias)[None])
    if kind == "LinearEnsemble":
        return _by_column(graph, x, layer)
    raise ValueError(f"a layer of type {kind}")


def _array(tensor: Any) -> NDArray[Any]:
    return np.asarray(tensor.detach().cpu().numpy())
