"""Turn a target column of any two labels into 0 and 1, and say which is positive."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.workflow._errors import UserError

_POSITIVE_WORDS = {"1", "true", "yes", "y", "t", "positive", "pos", "fraud", "defect"}


def binary_target(
    table: pd.DataFrame, target: str, positive: str | None
) -> tuple[NDArray[np.int8], str, str]:
    """Return 0/1 labels with the names of the negative and the positive label.

    Without `positive` the label that reads as yes (1, True, "yes", ...) is positive, else the
    rarer one.

    Raises
    ------
    UserError
        If the column is absent or has missing values, one class, or more than two.
    """
    if target not in table.columns:
        near = difflib.get_close_matches(target, [str(c) for c in table.columns], 3)
        hint = f" Did you mean {', '.join(near)}?" if near else f" Columns: {_some(table.columns)}."
        raise UserError(f"There is no target column {target!r}.{hint}")
    column = table[target]
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise UserError(
            f"Target {target!r} has {int(column.isna().sum())} missing values (first in row "
            f"{row}): drop those rows or label them."
        )
    labels = column.unique()
    if len(labels) > 2:
        kind = "continuous" if pd.api.types.is_float_dtype(column.dtype) else "not binary"
        raise UserError(
            f"Target {target!r} is {kind}: it has {len(labels)} different values "
            f"({_some(labels)}), and two are needed."
        )
    if len(labels) < 2:
        raise UserError(
            f"Target {target!r} has only one class, {text_of(labels[0])}: two are needed."
        )
    chosen = _positive_label(column, list(labels), positive)
    other = next(label for label in labels if label != chosen)
    return (column == chosen).to_numpy(np.int8), text_of(other), text_of(chosen)


def plain_labels(table: pd.DataFrame, target: str, y: NDArray[np.int8]) -> NDArray[Any]:
    """The negative and the positive label as a model is to give them: text, or plain numbers.

    Parameters
    ----------
    table : DataFrame
    target : str
    y : ndarray of shape (n_rows,)
        As `binary_target` returns it.

    Returns
    -------
    ndarray of shape (2,)
    """
    labels = [_plain(table[target].iloc[int((y == number).argmax())]) for number in (0, 1)]
    if len({type(label) for label in labels}) > 1:
        labels = [text_of(label) for label in labels]
    return np.array(labels)


def _plain(label: Any) -> Any:
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, float) and label.is_integer():
        return int(label)
    return label if isinstance(label, str | bool | int | float) else text_of(label)


def text_of(label: Any) -> str:
    """A label as people write it: a column of 0.0 and 1.0 holds 0 and 1."""
    if isinstance(label, float | np.floating) and label.is_integer():
        return str(int(label))
    return str(label)


def _positive_label(column: pd.Series, labels: list[Any], positive: str | None) -> Any:
    if positive is not None:
        exact = [label for label in labels if positive in (text_of(label), str(label))]
        close = [label for label in labels if text_of(label).lower() == positive.lower()]
        if exact or close:
            return (exact or close)[0]
        raise UserError(f"--positive {positive!r} is not a label of the target: {_some(labels)}.")
    reads_as_yes = [label for label in labels if text_of(label).lower() in _POSITIVE_WORDS]
    # {1, 2} is a coding, not a yes and a no.
    if len(reads_as_yes) == 1 and {text_of(label) for label in labels} != {"1", "2"}:
        return reads_as_yes[0]
    # Of pandas categories those without rows are counted too.
    counts = column.value_counts()
    return counts.index[counts > 0][-1]


def _some(values: Any, n: int = 6) -> str:
    shown = ", ".join(str(v) for v in list(values)[:n])
    return shown + (", ..." if len(values) > n else "")
