"""Which files make a table, and where in it their rows stand."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from focaltab._errors import first_line

# Of each column, so much is read at a time rather than all of a row group.
_READ_AHEAD = 1 << 16


@dataclass(frozen=True)
class File:
    """One Parquet file of a table: its row groups, and the table's row that its first one is."""

    path: str
    start: int
    group_rows: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return sum(self.group_rows)

    def groups_with(self, rows: NDArray[np.intp] | None) -> list[tuple[int, int]]:
        """Number and first row (of the table) of each row group that holds one of `rows`."""
        starts = self.start + np.cumsum((0, *self.group_rows))
        counts = np.diff(starts if rows is None else np.searchsorted(rows, starts))
        return [(int(k), int(starts[k])) for k in np.flatnonzero(counts)]


def find(paths: Any) -> list[str]:
    """The files that a path, a glob string or a list of them names, in order.

    Raises
    ------
    FileNotFoundError
        If there are none, or a named one is not there.
    ValueError
        If a path is a folder, or one file is named twice.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: list[str] = []
    for path in (str(os.fspath(one)) for one in given):
        # A file may be called what reads as a pattern.
        if Path(path).exists() or not glob.has_magic(path):
            found.append(path)
            continue
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            raise FileNotFoundError(f"No file matches {path}.")
        found += [match for match in matches if not Path(match).is_dir()]
    if not found:
        raise FileNotFoundError("No Parquet files were given.")
    for path in found:
        if Path(path).is_dir():
            raise ValueError(f"{path} is a folder: name its files, as in {path}/*.parquet.")
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no file {path}.")
    seen: set[str] = set()
    for path in found:
        if os.path.realpath(path) in seen:
            raise ValueError(f"{path} is named twice: its rows would count twice.")
        seen.add(os.path.realpath(path))
    return found


def open_parquet(path: str, read_dictionary: Iterable[str] = ()) -> pq.ParquetFile:
    """Open a file for reading in batches; text columns to be read as codes may be named.

    Raises
    ------
    ValueError
        If it is no Parquet file.
    """
    try:
        return pq.ParquetFile(
            path, read_dictionary=list(read_dictionary), buffer_size=_READ_AHEAD, pre_buffer=False
        )
    except (MemoryError, PermissionError, FileNotFoundError):
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a Parquet file: {first_line(error)}") from None


def group_rows(parquet: pq.ParquetFile) -> tuple[int, ...]:
    """Rows of each row group."""
    metadata = parquet.metadata
    return tuple(metadata.row_group(k).num_rows for k in range(metadata.num_row_groups))


def batches(
    file: File,
    columns: list[str],
    as_codes: Iterable[str],
    batch_rows: int,
    rows: NDArray[np.intp] | None = None,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of the row groups that hold one of `rows`, with the table's row where each starts.

    Raises
    ------
    ValueError
        If the file is no longer the one that the table was made from, or cannot be read.
    """
    with open_parquet(file.path, as_codes) as parquet:
        names = set(parquet.schema_arrow.names)
        if group_rows(parquet) != file.group_rows or not names.issuperset(columns):
            raise ValueError(
                f"{file.path} has changed since the table was made: make the ParquetTable anew."
            )
        for group, start in file.groups_with(rows):
            try:
                for batch in parquet.iter_batches(batch_rows, row_groups=[group], columns=columns):
                    yield start, batch
                    start += batch.num_rows
            except MemoryError:
                raise
            except (pa.ArrowException, OSError) as error:
                reason = first_line(error)
                raise ValueError(
                    f"{file.path}, row group {group} cannot be read: {reason}"
                ) from error
