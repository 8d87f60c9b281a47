"""Tables that are read a batch of rows at a time, known by what they can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
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


@contextmanager
def said_of(place: str) -> Iterator[None]:
    """Say in an error of the input where it is."""
    try:
        yield
    except (ValueError, TypeError) as error:
        # Kinds of these may be made of other arguments than a text.
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{place}: {error}") from None


class MappedTable:
    """A table that is read in batches, each of which goes through a function of frames.

    Parameters
    ----------
    table : LazyTable
    function : callable
        Of a frame with any number of rows, for one with as many.
    """

    def __init__(self, table: LazyTable, function: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self._table = table
        self._function = function
        self.batch_rows = table.batch_rows
        self.cache_dir = table.cache_dir

    @cached_property
    def dtypes(self) -> pd.Series:
        """Of every batch."""
        return self._function(empty_frame(self._table.dtypes)).dtypes

    @property
    def columns(self) -> list[str]:
        """Names."""
        return list(self.dtypes.index)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._table.shape[0], self.dtypes.size

    def __len__(self) -> int:
        return self._table.shape[0]

    def batches(self) -> Iterator[tuple[NDArray[np.intp], pd.DataFrame]]:
        """Row numbers and rows, a batch at a time."""
        for rows, frame in self._table.batches():
            with said_of(f"in the batch from row {rows[0]}"):
                mapped = self._function(frame)
            yield rows, mapped

    def take(self, rows: Any) -> MappedTable:
        """Some of the rows."""
        return MappedTable(self._table.take(rows), self._function)

    def to_frame(self) -> pd.DataFrame:
        """All rows in memory."""
        return self._function(self._table.to_frame())


def empty_frame(dtypes: pd.Series) -> pd.DataFrame:
    """A frame without rows whose columns have these names and types."""
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in dtypes.items()})


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
