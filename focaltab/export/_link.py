"""The link from margins to calibrated probabilities, as nodes of a graph.

These are the formulas of `focaltab.losses` in the ops that ONNX has, and the only place outside of
it that says them. With ``G(t) = q**g (q + g p r q)``, ``p = sigmoid(t)``, ``q = sigmoid(-t)`` and
``r = -log(p) / q`` (`focaltab.losses._margin`):

- two classes: ``f(z) = log a0 G(-z; g0) - log a1 G(z; g1)`` are the log-odds
  (`focaltab.losses._link.Link.log_odds`);
- several: the probabilities are the softmax of ``log p_k - log a_k - log A(p_k)``
  (`focaltab.losses._multiclass.log_posterior`).

ONNX has no ``log1p``, and the op Softplus is a plain ``log(1 + exp(x))`` in some runtimes: both are
made of what is left, in which ``exp`` of nothing positive is taken. ``p`` and ``q`` are divisions
by ``1 + exp``, since the op Sigmoid is clipped in float32 by some, and would spoil ``r`` where
``q`` is tiny. All of it is finite and right in either float type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab.export._graph import Graph


def sigmoid(graph: Graph, x: str, dtype: Any = np.float64) -> str:
    """``1 / (1 + exp(-x))``."""
    one = np.asarray(1.0, dtype)
    return graph.add("Div", one, graph.add("Add", one, graph.add("Exp", graph.add("Neg", x))))


def log_odds_of(graph: Graph, p: str) -> str:
    """``log p - log(1 - p)`` of double probabilities."""
    rest = graph.add("Sub", np.float64(1.0), p)
    return graph.add("Sub", graph.add("Log", p), graph.add("Log", rest))


def focal_log_odds(
    graph: Graph,
    margin: str,
    gammas: tuple[float, float],
    weights: tuple[float, float],
    dtype: Any = np.float64,
) -> str:
    """True log-odds of class 1 at the focal margin of two classes.

    Parameters
    ----------
    graph : Graph
    margin : str
        Any shape.
    gammas, weights : (of class 0, of class 1)
    dtype : dtype, default=float64
        Of `margin`, and of the result.
    """
    shift = np.asarray(np.log(weights[0]) - np.log(weights[1]), dtype)
    back = graph.add("Neg", margin)
    slopes = graph.add(
        "Sub",
        _log_slope(graph, back, margin, gammas[0], dtype),
        _log_slope(graph, margin, back, gammas[1], dtype),
    )
    return graph.add("Add", slopes, shift)


def focal_posterior(
    graph: Graph, margins: str, gamma: float, weights: tuple[float, ...], dtype: Any = np.float64
) -> str:
    """Calibrated probabilities at the focal margins of several classes, (..., n_classes)."""
    s = _one_vs_rest_log_odds(graph, margins, len(weights), dtype)
    back = graph.add("Neg", s)
    # log p + log q - log G
    tails = graph.add("Add", _softplus(graph, s, dtype), _softplus(graph, back, dtype))
    slope = _log_slope(graph, s, back, gamma, dtype)
    log_h = graph.add("Neg", graph.add("Add", tails, slope))
    weighted = graph.add("Sub", log_h, np.log(np.asarray(weights)).astype(dtype))
    return graph.add("Softmax", weighted, axis=-1)


def _log_slope(graph: Graph, t: str, back: str, gamma: float, dtype: Any) -> str:
    """``log G(t) = (1 + g) log q + log(1 + g p r)``; `back` is ``-t``."""
    log_q = graph.add("Neg", _softplus(graph, t, dtype))
    slope = graph.add("Mul", log_q, np.asarray(1.0 + gamma, dtype))
    if gamma == 0.0:
        return slope
    one, half = np.asarray(1.0, dtype), np.asarray(0.5, dtype)
    p, q = sigmoid(graph, t, dtype), sigmoid(graph, back, dtype)
    # r = 1 + q / 2 + q**2 / 3 + ...: below this q two terms are closer to it than what is left of
    # the logarithm of 1 + exp.
    some = graph.add("Greater", q, np.asarray(np.cbrt(np.finfo(dtype).eps), dtype))
    ratio = graph.add("Div", _softplus(graph, back, dtype), graph.add("Where", some, q, one))
    series = graph.add("Add", graph.add("Mul", q, half), one)
    r = graph.add("Where", some, ratio, series)
    bend = graph.add("Mul", graph.add("Mul", p, r), np.asarray(gamma, dtype))
    return graph.add("Add", slope, graph.add("Log", graph.add("Add", bend, one)))


def _softplus(graph: Graph, x: str, dtype: Any) -> str:
    """``log(1 + exp(x))``; the op of that name is not there for doubles, and may overflow."""
    one, zero = np.asarray(1.0, dtype), np.asarray(0.0, dtype)
    tail = graph.add("Exp", graph.add("Neg", graph.add("Abs", x)))
    return graph.add(
        "Add", graph.add("Max", x, zero), graph.add("Log", graph.add("Add", one, tail))
    )


def _one_vs_rest_log_odds(graph: Graph, margins: str, n_classes: int, dtype: Any) -> str:
    """``log(p_k / (1 - p_k))`` of the softmax, with no ``1 - p`` formed."""
    # Every class beside all: minus infinity takes it out of its own sum.
    without = np.where(np.eye(n_classes, dtype=bool), -np.inf, 0.0).astype(dtype)
    last = np.array([-1], np.int64)
    spread = graph.add("Add", graph.add("Unsqueeze", margins, np.array([-2], np.int64)), without)
    largest = graph.add("ReduceMax", spread, last, keepdims=1)
    rest = graph.add("ReduceSum", graph.add("Exp", graph.add("Sub", spread, largest)), last)
    others = graph.add("Add", graph.add("Log", rest), largest)
    return graph.add("Sub", margins, graph.add("Squeeze", others, last))
