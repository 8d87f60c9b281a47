"""What every metric does with its input first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class BinaryRows:
    """Checked input: whether each row is positive, its score, and its weight or None."""

    y: NDArray[np.bool_]
    score: NDArray[Any]
    weight: NDArray[np.float64] | None


def check_rows(
    y_true: ArrayLike,
    y_score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    *,
    name: str = "y_score",
    both_classes: bool = True,
) -> BinaryRows:
    """Labels as booleans and scores as floats, of one length, with both classes present.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
    y_score : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,), default=None
    pos_label : label, default=None
    name : str, default="y_score"
        What the caller's user knows the scores as.
    both_classes : bool, default=True
        Whether one class alone is refused.

    Raises
    ------
    ValueError
        For lengths that differ, missing labels or scores, more than two labels, labels of no
        known order without `pos_label`, one class only, or unusable weights.
    """
    score = np.asarray(y_score)
    if score.dtype.kind != "f":
        score = score.astype(np.float64)
    y = np.asarray(y_true)
    if y.ndim != 1 or y.shape != score.shape:
        raise ValueError(
            f"y_true and {name} must be one-dimensional and of one length, got shapes {y.shape} "
            f"and {score.shape}."
        )
    if y.size == 0:
        raise ValueError(f"y_true and {name} are empty.")
    if np.isnan(score).any():
        row = int(np.flatnonzero(np.isnan(score))[0])
        raise ValueError(f"{name} is NaN in row {row}: rank or drop such rows first.")
    positive = is_positive(y, pos_label)
    weight = None if sample_weight is None else _check_weight(sample_weight, y.size)
    if not both_classes:
        if weight is not None and not (weight > 0).any():
            raise ValueError("sample_weight is 0 in every row: some row must count.")
        return BinaryRows(positive, score, weight)
    for found, kind in ((positive, "positive"), (~positive, "negative")):
        if not (found.any() if weight is None else (weight[found] > 0).any()):
            raise ValueError(
                f"y_true holds no {kind} row (of a positive weight): both classes are needed."
            )
    return BinaryRows(positive, score, weight)


def is_positive(y: NDArray[Any], pos_label: Any = None) -> NDArray[np.bool_]:
    """Whether each label is the positive one.

    Raises
    ------
    ValueError
        As `check_rows` says of labels.
    """
    if y.dtype == np.bool_ and pos_label is None:
        return y
    if y.dtype.kind in "iu":
        values = np.unique(y)
    else:
        if pd.isna(y).any():
            row = int(np.flatnonzero(pd.isna(y))[0])
            raise ValueError(f"y_true is missing in row {row}.")
        values = np.unique(y) if y.dtype.kind == "f" else pd.unique(y)
    shown = ", ".join(repr(v) for v in values[:5].tolist())
    if values.size > 2:
        raise ValueError(f"y_true must hold two labels, got {values.size}: {shown}.")
    for value in values.tolist():
        if isinstance(value, float) and np.isinf(value):
            row = int(np.flatnonzero(y == value)[0])
            raise ValueError(f"y_true is {value} in row {row}: labels must be finite.")
    if pos_label is not None:
        if values.size == 2 and pos_label not in values.tolist():
            raise ValueError(f"pos_label={pos_label!r} is not a label of y_true: {shown}.")
        return np.asarray(y == pos_label)
    if not (set(values.tolist()) <= {0, 1} or set(values.tolist()) <= {-1, 1}):
        raise ValueError(f"y_true holds the labels {shown}: say which is positive with pos_label.")
    return np.asarray(y == 1)


def check_decisions(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    *,
    both_classes: bool = False,
) -> BinaryRows:
    """Labels, and as scores whether each row is called positive, from decisions in those labels.

    Raises
    ------
    ValueError
        As `check_rows`, and for decisions that are no labels of `y_true`.
    """
    labels, decided = np.asarray(y_true), np.asarray(y_pred)
    if decided.shape != labels.shape:
        raise ValueError(
            f"y_true and y_pred must be of one length, got {labels.shape}, {decided.shape}."
        )
    absent = np.asarray(pd.isna(decided))
    if absent.any():
        raise ValueError(
            f"y_pred is missing in row {int(np.flatnonzero(absent)[0])}: a row is called one of "
            "the labels."
        )
    rows = check_rows(
        labels,
        np.zeros(labels.shape),
        sample_weight,
        pos_label,
        name="y_pred",
        both_classes=both_classes,
    )
    called = np.asarray(decided == (1 if pos_label is None else pos_label))
    negatives = np.unique(labels[~rows.y])
    if negatives.size:
        strange = ~called & ~np.isin(decided, negatives)
    elif pos_label is None:
        strange = ~called & ~np.isin(decided, [0, -1])
    else:  # whatever the other label is, there can be one only
        strange = ~called & ~np.isin(decided, pd.unique(decided[~called])[:1])
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        raise ValueError(
            f"y_pred holds {decided[row]!r} in row {row}, which is no label of y_true: give "
            "decisions, not scores."
        )
    return BinaryRows(rows.y, called, rows.weight)


def _check_weight(sample_weight: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must hold one weight for each of {n_rows} rows, got shape "
            f"{weight.shape}."
        )
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise ValueError(
            f"sample_weight is {weight[bad][0]} in row {int(np.flatnonzero(bad)[0])}: weights must "
            "be finite and not negative."
        )
    return weight


def check_share(name: str, value: float, *, open_below: bool = True) -> float:
    """A share in (0, 1], or in [0, 1] unless `open_below`."""
    if not (0.0 < value <= 1.0 or (value == 0.0 and not open_below)):
        raise ValueError(f"{name} must lie in {'(' if open_below else '['}0, 1], got {value}.")
    return float(value)
