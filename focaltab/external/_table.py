"""``ParquetTable``: features in Parquet files, of which a batch is in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from focaltab.data import empty_frame
from focaltab.external import _columns, _files, _first_pass

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class ParquetTable:
    """A table of features in Parquet files that may be larger than memory.

    Takes the place of `X` in ``fit``, ``predict_proba`` and ``predict`` of `FocalXGBClassifier`
    and `FocalLGBMClassifier`. Making one reads the files' metadata, and of all their rows only
    what must be known of the whole table: labels, weights and the categories of text columns.

    Parameters
    ----------
    paths : path, glob string or list of them
        Files of one table, in the order of its rows; matches of a glob are sorted by name.
    target : str
        Column of labels, of numbers, truth values or text.
    weight : str, default=None
        Column of sample weights; no feature unless `columns` names it.
    columns : list of str, default=None
        Features, in this order; None for all columns but the target and the weight. An index
        without a name that pandas stored is left out.
    batch_rows : int, default=100_000
        Rows of a batch, on which the memory that reading takes depends.
    cache_dir : path, default=None
        Existing folder in which XGBoost's cache stands while it trains; None for the system's
        temporary one, which must not be in memory.

    Attributes
    ----------
    y : ndarray of shape (n_rows,)
        Labels.
    weight : ndarray of shape (n_rows,), float64, or None
        Sample weights.
    columns : list of str
        Features.
    batch_rows, cache_dir
        As given.

    Raises
    ------
    FileNotFoundError
        If there are no such files, or no such folder.
    ValueError
        For a file that is not Parquet or lacks the target, the weight or a feature, columns that
        differ from the first file's, columns of dates, times, lists or records, a missing label
        or weight, or files without any rows.

    Notes
    -----
    Columns of text, and what pandas stored as categorical, become categories: the values of all
    files in sorted order, so that a code means the same in every batch. They are all in memory,
    so leave out columns of identifiers. Integers and truth values keep their type where the
    metadata says that none is missing, and else become floats. A table can be pickled; it then
    holds labels and the names of the files, which must still be there.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pandas as pd
    >>> from focaltab.external import ParquetTable
    >>> folder = tempfile.mkdtemp()
    >>> for month in range(3):
    ...     part = pd.DataFrame({"amount": np.arange(4.0), "is_fraud": [0, 0, 0, 1]})
    ...     part.to_parquet(f"{folder}/month-{month}.parquet")
    >>> table = ParquetTable(f"{folder}/*.parquet", target="is_fraud", batch_rows=5)
    >>> table.shape, int(table.y.sum())
    ((12, 1), 3)
    >>> [len(frame) for _, frame in table.batches()]
    [5, 5, 2]
    >>> table.take(table.y == 1).to_frame()["amount"].tolist()
    [3.0, 3.0, 3.0]
    """

    def __init__(
        self,
        paths: Paths,
        *,
        target: str,
        weight: str | None = None,
        columns: Sequence[str] | None = None,
        batch_rows: int = 100_000,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(batch_rows, Integral) or batch_rows < 1:
            raise ValueError(f"batch_rows must be a whole number from 1, got {batch_rows!r}.")
        _check_roles(target, weight, columns)
        if cache_dir is not None and not os.path.isdir(cache_dir):
            raise FileNotFoundError(f"cache_dir: there is no folder {os.fspath(cache_dir)}.")
        found = _first_pass.look(_files.find(paths), target, weight, columns, int(batch_rows))
        self.batch_rows: int = int(batch_rows)
        self.cache_dir: str | None = None if cache_dir is None else os.fspath(cache_dir)
        self.y: NDArray[Any] = found.y
        self.weight: NDArray[np.float64] | None = found.weight
        self._files: tuple[_files.File, ...] = found.files
        self._columns: tuple[_columns.Column, ...] = found.columns
        self._rows: NDArray[np.intp] | None = None  # of a subset: its rows of the files, sorted

    @property
    def columns(self) -> list[str]:
        return [column.name for column in self._columns]

    @property
    def dtypes(self) -> pd.Series:
        """The dtype of each column in every batch, as of a DataFrame."""
        dtypes: list[Any] = [column.dtype for column in self._columns]
        return pd.Series(dtypes, index=self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.size, len(self._columns)

    def __len__(self) -> int:
        return int(self.y.size)

    def __repr__(self) -> str:
        rows, columns = self.shape
        files = len(self._files)
        return f"<ParquetTable: {rows:,} rows, {columns:,} columns, {files:,} file(s)>"

    def batches(
        self, batch_rows: int | None = None
    ) -> Iterator[tuple[NDArray[np.intp], pd.DataFrame]]:
        """Read the table, a batch of rows at a time.

        Parameters
        ----------
        batch_rows : int, default=None
            Rows of each batch but the last; None for the table's own.

        Yields
        ------
        row_numbers : ndarray of int
            Positions in this table, by which ``y`` and ``weight`` can be indexed.
        features : DataFrame
            Of the same dtypes and categories in every batch.

        Raises
        ------
        ValueError
            For an infinite value, which it names, or a file that changed or cannot be read.
        """
        wanted = self.batch_rows if batch_rows is None else batch_rows
        waiting: list[pa.RecordBatch] = []
        done = n_waiting = 0
        for part in self._parts(wanted):
            # Parts are no longer than a batch, so that each completes one batch at most.
            n_used = min(part.num_rows, wanted - n_waiting)
            waiting.append(part.slice(0, n_used))
            n_waiting += n_used
            if n_waiting == wanted:
                yield self._batch(waiting, done, n_waiting)
                done += n_waiting
                n_waiting = part.num_rows - n_used
                waiting = [part.slice(n_used)] if n_waiting else []
        if n_waiting:
            yield self._batch(waiting, done, n_waiting)

    def take(self, rows: ArrayLike) -> ParquetTable:
        """Some of the rows, as a table that is read from the same files.

        Parameters
        ----------
        rows : array-like of int, ascending, or of bool with shape (n_rows,)

        Returns
        -------
        ParquetTable
            Row groups without any of the rows are not read.

        Raises
        ------
        ValueError
            For numbers that are not ascending, or a mask of another length.
        IndexError
            For numbers beyond the table.
        """
        chosen = _row_numbers(rows, len(self))
        part = object.__new__(ParquetTable)
        part.__dict__.update(self.__dict__)
        part.y = self.y[chosen]
        part.weight = None if self.weight is None else self.weight[chosen]
        part._rows = chosen if self._rows is None else self._rows[chosen]
        return part

    def to_frame(self) -> pd.DataFrame:
        """Read all rows into memory; columns have the dtypes that they have in batches."""
        frames = [frame for _, frame in self.batches()]
        if not frames:
            return empty_frame(self.dtypes)
        return pd.concat(frames, ignore_index=True)

    def _parts(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Rows as they stand in the files, those that were not asked for left out."""
        text = [column.name for column in self._columns if column.categories is not None]
        for file in self._files:
            for start, batch in _files.batches(file, self.columns, text, batch_rows, self._rows):
                self._check_finite(batch, file, start)
                if self._rows is not None:
                    first, last = np.searchsorted(self._rows, [start, start + batch.num_rows])
                    if first == last:
                        continue
                    if last - first < batch.num_rows:
                        batch = batch.take(pa.array(self._rows[first:last] - start))
                yield batch

    def _batch(
        self, parts: list[pa.RecordBatch], start: int, n_rows: int
    ) -> tuple[NDArray[np.intp], pd.DataFrame]:
        values = {
            column.name: column.values([part.column(column.name) for part in parts])
            for column in self._columns
        }
        return np.arange(start, start + n_rows), pd.DataFrame(values, copy=False)

    def _check_finite(self, batch: pa.RecordBatch, file: _files.File, start: int) -> None:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not pa.types.is_floating(column.type):
                continue
            infinite = np.isinf(column.to_numpy(zero_copy_only=False))
            if infinite.any():
                raise ValueError(
                    f"Infinite value (inf) in column {name!r}, row "
                    f"{start - file.start + int(infinite.argmax())} of {file.path}: replace it by "
                    "NaN (missing) or a finite number."
                )


def _check_roles(target: str, weight: str | None, columns: Sequence[str] | None) -> None:
    if isinstance(columns, str):
        raise TypeError(f"columns must be a list of names, got the text {columns!r}.")
    if weight is not None and weight == target:
        raise ValueError(f"{weight!r} is the target: it can be no weight as well.")
    named = list(columns or ())
    if target in named:
        raise ValueError(f"{target!r} is the target: it can be no feature as well.")
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"columns names {twice!r} more than once.")


def _row_numbers(rows: Any, n_rows: int) -> NDArray[np.intp]:
    chosen = np.asarray(rows)
    if chosen.ndim != 1:
        raise ValueError(f"rows must be one-dimensional, got {chosen.ndim} dimensions.")
    if chosen.dtype == bool:
        if chosen.size != n_rows:
            raise ValueError(f"the mask has {chosen.size} values, the table {n_rows} rows.")
        return np.flatnonzero(chosen)
    if chosen.size and chosen.dtype.kind not in "iu":
        raise ValueError(f"rows must be whole numbers or truth values, got {chosen.dtype}.")
    chosen = chosen.astype(np.intp)
    if (np.diff(chosen) <= 0).any():
        raise ValueError("rows must be in ascending order, each once: sort them first.")
    if chosen.size and (chosen[0] < 0 or chosen[-1] >= n_rows):
        raise IndexError(
            f"rows from {chosen[0]} to {chosen[-1]} are not all in the table, which has {n_rows}."
        )
    return chosen
