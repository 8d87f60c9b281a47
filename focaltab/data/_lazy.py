"""Tables that are read a batch of rows at a time, known by what they can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class LazyTable(Protocol):
    """What the estimators ask of a table that is not in memory; `ParquetTable` is one."""

    batch_rows: int
    cache_dir: str | None

    @property
    def columns(self) -> list[str]: ...

    @property
    def dtypes(self) -> pd.Series: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    def batches(self) -> Iterator[tuple[NDArray[np.intp], pd.DataFrame]]: ...

    def take(self, rows: Any) -> LazyTable: ...

    def to_frame(self) -> pd.DataFrame: ...


def is_lazy(X: Any) -> TypeGuard[LazyTable]:
    """Whether `X` is a table that is read in batches."""
    # Asked of the type: a DataFrame shows any column as an attribute of itself.
    return all(hasattr(type(X), name) for name in ("batches", "take", "to_frame"))


def in_memory(X: Any) -> Any:
    """The table as a frame if it is read in batches; anything else as it is."""
    return X.to_frame() if is_lazy(X) else X


def refuse_lazy(X: Any, reader: str) -> None:
    """Refuse a table that is read in batches where a table in memory is needed.

    Raises
    ------
    TypeError
        Says what to do.
    """
    if is_lazy(X):
        raise TypeError(f"{reader} needs its table in memory: pass table.to_frame().")


def by_batch(function: Callable[..., Any], table: Any, **per_row: Any) -> NDArray[Any]:
    """Results of a function for each batch of rows, joined; of a table in memory as a whole.

    `per_row` holds arrays with a value for every row, of which the function gets its part by the
    same name; None stays None.
    """
    if not is_lazy(table):
        return np.asarray(function(table, **per_row))
    parts = []
    for rows, frame in table.batches():
        of_rows = {k: None if v is None else np.asarray(v)[rows] for k, v in per_row.items()}
        parts.append(np.asarray(function(frame, **of_rows)))
    return np.concatenate(parts) if parts else np.asarray(function(table.to_frame(), **per_row))
