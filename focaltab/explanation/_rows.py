"""Rows to explain as a frame that remembers what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from focaltab.data import check_names, named_frame, refuse_lazy


@dataclass(frozen=True)
class Table:
    """Rows as a frame, and as the model is given them."""

    frame: pd.DataFrame
    dtype: np.dtype[Any] | None
    """Of the array that the rows were; None for a frame."""

    @classmethod
    def of(cls, X: Any, name: str = "X") -> Table:
        """Read rows; columns of an array are called "0", "1" and so on.

        Raises
        ------
        ValueError
            For a table without rows or columns, or a name that stands twice.
        TypeError
            For a sparse matrix or a table that is not in memory.
        """
        refuse_lazy(X, "explain")
        if sparse.issparse(X):
            raise TypeError(f"explain takes {name} as a DataFrame or an array, not as a matrix.")
        dtype = None
        frame = named_frame(X)
        if frame is None:
            array = np.asarray(X)
            if array.ndim != 2:
                raise ValueError(
                    f"{name} must be a table of rows and columns, got shape {array.shape}."
                )
            dtype = array.dtype
            frame = pd.DataFrame(array, columns=[str(k) for k in range(array.shape[1])])
        if frame.shape[0] == 0 or frame.shape[1] == 0:
            raise ValueError(f"{name} has {frame.shape[0]} rows and {frame.shape[1]} columns.")
        check_names(frame)
        return cls(frame, dtype)

    def as_given(self, frame: pd.DataFrame | None = None) -> Any:
        """These rows, or others with their columns, as what the model was given: array or frame."""
        rows = self.frame if frame is None else frame
        return rows if self.dtype is None else rows.to_numpy(dtype=self.dtype)

    @property
    def names(self) -> list[str]:
        """Columns as text."""
        return [str(name) for name in self.frame.columns]


def check_columns(model: Any, table: Table) -> None:
    """Refuse rows with other columns than the model was fitted on.

    Raises
    ------
    ValueError
        Names the first column that differs, or both numbers of columns.
    """
    n_known = getattr(model, "n_features_in_", None)
    known = getattr(model, "feature_names_in_", None)
    if known is not None and table.dtype is None:
        # LightGBM replaces blanks in names.
        fitted = [str(name) for name in known]
        given = table.names
        if [name.replace(" ", "_") for name in given] != [n.replace(" ", "_") for n in fitted]:
            _refuse_names(type(model).__name__, given, fitted)
    if n_known is not None and n_known != table.frame.shape[1]:
        raise ValueError(
            f"X has {table.frame.shape[1]} columns, but {type(model).__name__} was fitted on "
            f"{n_known}."
        )


def _refuse_names(model: str, given: list[str], fitted: list[str]) -> None:
    absent = [name for name in fitted if name not in given]
    strange = [name for name in given if name not in fitted]
    if absent:
        raise ValueError(f"X lacks the column {absent[0]!r} that {model} was fitted on.")
    if strange:
        raise ValueError(
            f"X has the column {strange[0]!r} that {model} was not fitted on: drop it."
        )
    place = next(k for k, (a, b) in enumerate(zip(given, fitted, strict=True)) if a != b)
    raise ValueError(
        f"Column {place} of X is {given[place]!r}, but was {fitted[place]!r} in training: bring "
        "the columns into that order."
    )
