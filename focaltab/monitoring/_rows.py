"""Rows as a frame with text for names, their scores and their weights, checked at the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import logit

from focaltab.data import check_names, check_rows, named_frame, refuse_lazy
from focaltab.losses._validation import check_weight
from focaltab.metrics._validation import is_positive

Floats = NDArray[np.float64]

# Probabilities beyond are float32 zeros and ones; their log-odds would be infinite.
_CLIP = 1e-7


def as_frame(X: Any, reader: str) -> pd.DataFrame:
    """A frame whose names are text; columns of an array are "0", "1" and so on.

    Raises
    ------
    ValueError
        For a table without rows or columns, or a name that stands twice.
    TypeError
        For what is no table in memory.
    """
    refuse_lazy(X, reader)
    if sparse.issparse(X):
        raise TypeError(f"{reader} takes a DataFrame or an array, not a sparse matrix.")
    frame = named_frame(X)
    if frame is None:
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(f"X must be a table of rows and columns, got shape {array.shape}.")
        frame = pd.DataFrame(array).infer_objects()
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise ValueError(f"X has {frame.shape[0]} rows and {frame.shape[1]} columns.")
    check_names(frame)
    names = [str(name) for name in frame.columns]
    return frame.set_axis(names, axis=1).reset_index(drop=True)


@dataclass(frozen=True)
class Rows:
    """A checked table with what belongs to its rows: positive or not, scores, weights."""

    frame: pd.DataFrame
    positive: NDArray[np.bool_] | None
    score: Floats | None
    weight: Floats | None

    @classmethod
    def read(
        cls, X: Any, y: Any, score: Any, sample_weight: Any, *, pos_label: Any, reader: str
    ) -> Rows:
        """Check all of it.

        Raises
        ------
        ValueError, TypeError
            For tables, labels, scores or weights that are none, or that do not fit each other.
        """
        frame = as_frame(X, reader)
        weight = checked_weight(sample_weight, len(frame))
        p = checked_score(score, len(frame))
        positive = None
        if y is not None:
            check_rows(frame, y)
            positive = is_positive(np.asarray(y), pos_label)
        return cls(frame, positive, p, weight)

    def that_count(self) -> Rows:
        """Those of a positive weight."""
        if self.weight is None or self.weight.all():
            return self
        rows = np.flatnonzero(self.weight)
        return Rows(
            self.frame.iloc[rows].reset_index(drop=True),
            None if self.positive is None else self.positive[rows],
            None if self.score is None else self.score[rows],
            self.weight[rows],
        )


def checked_weight(sample_weight: ArrayLike | None, n_rows: int) -> Floats | None:
    """Weights as float64, or None.

    Raises
    ------
    ValueError
        For weights that are negative, not finite, all zero, or not one per row.
    """
    weight = check_weight(sample_weight, n_rows)
    return None if weight is None else np.asarray(weight, dtype=np.float64)


def checked_score(score: ArrayLike | None, n_rows: int) -> Floats | None:
    """Probabilities of the positive class, or None.

    Raises
    ------
    ValueError
        For values outside [0, 1], or not one per row.
    """
    if score is None:
        return None
    p = np.asarray(score, dtype=np.float64)
    if p.shape != (n_rows,):
        raise ValueError(
            f"score must hold one probability of the positive class for each of {n_rows} rows, got "
            f"shape {p.shape}."
        )
    bad = ~((p >= 0.0) & (p <= 1.0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"score is {p[row]} in row {row}: probabilities must lie in [0, 1].")
    return p


def log_odds(score: Floats) -> Floats:
    """Finite log-odds of probabilities."""
    return np.asarray(logit(np.clip(score, _CLIP, 1.0 - _CLIP)))


def effective_rows(weight: Floats | None, n_rows: int) -> float:
    """As many rows of equal weight say as much (Kish, "Survey Sampling", 1965)."""
    return float(n_rows) if weight is None else float(weight.sum() ** 2 / (weight**2).sum())
