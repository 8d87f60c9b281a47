"""What a classifier says inside of a graph: probabilities, log-odds and decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.export import _link
from focaltab.export._graph import Graph


@dataclass(frozen=True)
class Scores:
    """A classifier's output tensors.

    ``probability`` is double, (n_rows, n_classes), in the order of ``classes``; ``log_odds``, of
    the second of two classes, (n_rows, 1), where they are known more exactly than from it.
    ``decision`` is the place of each row's class, int64 of shape (n_rows,); None for the likeliest.
    ``label`` is the class itself, where a converter has made it already.
    """

    classes: NDArray[Any]
    probability: str
    log_odds: str | None = None
    decision: str | None = None
    label: str | None = None
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2

    def with_facts(self, **facts: str) -> Scores:
        """The same, and more to be written into the model."""
        return replace(self, facts=(*self.facts, *facts.items()))


def from_log_odds(graph: Graph, log_odds: str, classes: NDArray[Any]) -> Scores:
    """Two classes from the log-odds of the second, (n_rows, 1)."""
    other = _link.sigmoid(graph, graph.add("Neg", log_odds))
    both = graph.side_by_side([other, _link.sigmoid(graph, log_odds)])
    return Scores(classes, both, log_odds)


def from_positive(graph: Graph, positive: str, classes: NDArray[Any]) -> Scores:
    """Two classes from the probability of the second, (n_rows, 1)."""
    other = graph.add("Sub", np.float64(1.0), positive)
    return Scores(classes, graph.side_by_side([other, positive]))


def positive(graph: Graph, scores: Scores, place: int = 1) -> str:
    """Probability of one class, (n_rows, 1)."""
    return graph.columns_of(scores.probability, [place])


def log_odds(graph: Graph, scores: Scores) -> str:
    """Log-odds of the second class, (n_rows, 1)."""
    if scores.log_odds is not None:
        return scores.log_odds
    return _link.log_odds_of(graph, positive(graph, scores))


def above(graph: Graph, scores: Scores, threshold: float, place: int) -> Scores:
    """Rows whose probability is at least `threshold` are of the class at `place`."""
    p = graph.cast(positive(graph, scores, place), np.float32)
    called = graph.add("GreaterOrEqual", p, np.float32(threshold))
    return decided(graph, scores, called, place)


def decided(graph: Graph, scores: Scores, called: str, place: int) -> Scores:
    """Rows that are `called`, bool of shape (n_rows, 1), are of the class at `place`."""
    chosen = graph.add("Where", called, np.int64(place), np.int64(1 - place))
    decision = graph.add("Squeeze", chosen, np.array([1], np.int64))
    return replace(scores, decision=decision, label=None)


def outputs(graph: Graph, scores: Scores) -> dict[str, tuple[str, Any, list[Any]]]:
    """The graph's outputs: probabilities in float32, and labels."""
    probabilities = graph.cast(scores.probability, np.float32)
    labels = _label_tensor(scores.classes)
    label = scores.label
    if label is None:
        decision = scores.decision
        if decision is None:
            decision = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
        label = graph.add("Gather", labels, decision, axis=0)
    shape = ["n_rows", len(scores.classes)]
    return {
        "probabilities": (probabilities, np.float32, shape),
        "label": (label, labels.dtype, ["n_rows"]),
    }


def _label_tensor(classes: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(classes)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "b":
        return values
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if all(isinstance(value, str) for value in values.tolist()):
        return values.astype(object)
    kinds = ", ".join(sorted({type(value).__name__ for value in values.tolist()}))
    raise ValueError(f"labels of type {kinds}: use text or numbers")
