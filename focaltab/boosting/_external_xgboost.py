"""Tables that are larger than memory, as XGBoost takes them: in batches, then from its own cache.

XGBoost reads a table two or three times to find its bins, writes each batch's bins to a file, and
reads that file on every round. Bins are those of a table in memory, so the model is the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from xgboost import DataIter, DMatrix, ExtMemQuantileDMatrix

from focaltab.data import LazyTable, TrainingSet, is_lazy

_MAX_BIN = 256  # XGBoost's own default


def check_external(estimator: Any, data: TrainingSet) -> None:
    """Refuse parameters under which XGBoost cannot train from batches.

    Raises
    ------
    ValueError
        Names the parameter.
    """
    if not any(is_lazy(rows.X) for rows in (data.rows, *data.evaluation)):
        return
    for name, possible in (
        ("tree_method", (None, "auto", "hist")),
        ("booster", (None, "gbtree", "dart")),
        ("device", (None, "cpu")),
    ):
        if getattr(estimator, name) not in possible:
            raise ValueError(
                f"{name}={getattr(estimator, name)!r} cannot be trained from files: use "
                f"{possible[-1]!r}, or table.to_frame() if the table fits into memory."
            )


class ExternalMatrices:
    """XGBoost's matrices of one fit's tables, and the folders that their caches are in."""

    def __init__(self) -> None:
        self._matrices: list[DMatrix] = []
        self._folders: list[str] = []

    def make(
        self,
        table: LazyTable,
        *,
        ref: DMatrix | None,
        missing: float,
        nthread: int | None,
        max_bin: int | None,
        enable_categorical: bool,
        feature_weights: Any = None,
        feature_types: Any = None,
        **per_row: Any,
    ) -> DMatrix:
        """The matrix of a table; `per_row` holds its labels, weights and margins, or None.

        As for a DataFrame, columns themselves tell their types, and not ``feature_types``.

        Raises
        ------
        OSError
            If the cache does not fit on the disk.
        """
        folder = tempfile.mkdtemp(prefix="focaltab-", dir=table.cache_dir)
        self._folders.append(folder)
        room = _Room(folder, table, max_bin or _MAX_BIN)
        room.check_all()
        batches = _Batches(table, per_row, room)
        try:
            matrix = ExtMemQuantileDMatrix(
                batches,
                missing=missing,
                nthread=nthread,
                max_bin=max_bin,
                ref=ref,
                enable_categorical=enable_categorical,
            )
        except _InterruptedError:
            raise KeyboardInterrupt from None
        self._matrices.append(matrix)
        if matrix.num_row() != table.shape[0]:
            raise RuntimeError(f"XGBoost read {matrix.num_row()} of {table.shape[0]} rows.")
        if feature_weights is not None:
            matrix.set_info(feature_weights=feature_weights)
        return matrix

    def close(self) -> None:
        """Free the matrices, even where an exception still refers to them, and their files."""
        for matrix in self._matrices:
            matrix.__del__()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


class _InterruptedError(Exception):
    """The user's interrupt, in a form that XGBoost passes on."""


class _Batches(DataIter):  # type: ignore[misc]
    """A table's batches with the labels and weights of their rows, over and over again."""

    def __init__(
        self,
        table: LazyTable,
        per_row: dict[str, Any],
        room: _Room,
    ) -> None:
        super().__init__(cache_prefix=os.path.join(room.folder, "cache"))
        self._table = table
        self._per_row = {k: np.asarray(v) for k, v in per_row.items() if v is not None}
        self._room = room

    def reset(self) -> None:
        self._batches = self._table.batches()

    def next(self, input_data: Callable[..., None]) -> bool:
        try:
            rows, frame = next(self._batches, (None, None))
        except KeyboardInterrupt:
            # XGBoost would take it for the end of the table, and train on the rows so far.
            raise _InterruptedError from None
        if frame is None:
            return False
        self._room.check_page(len(frame))
        input_data(
            data=frame,
            **{name: values[rows] for name, values in self._per_row.items()},
        )
        return True


class _Room:
    """What a cache needs on its disk. XGBoost ends the whole process where it cannot write."""

    def __init__(self, folder: str, table: LazyTable, max_bin: int) -> None:
        self.folder = folder
        self._n_rows, self._n_columns = table.shape
        self._bin_bytes = int(np.min_scalar_type(max_bin - 1).itemsize)
        # A page counts the rows of each bin in 8 bytes.
        bins = [
            len(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else max_bin
            for dtype in table.dtypes
        ]
        self._page_bytes = 8 * sum(bins) + 4096

    def check_all(self) -> None:
        """Refuse a table whose cache cannot fit: 8 bytes a row, and twice each value's bin."""
        self._check(self._n_rows * (8 + 2 * self._bin_bytes * self._n_columns))

    def check_page(self, n_rows: int) -> None:
        """Refuse the next batch where it and one that is being written might not fit."""
        # With missing values a bin's number takes 4 bytes, beside a copy by column and its flags.
        a_value = 4 + self._bin_bytes + 1 / 8
        self._check(2 * int(n_rows * (8 + a_value * self._n_columns) + self._page_bytes))

    def _check(self, needed: int) -> None:
        free = min(shutil.disk_usage(self.folder).free, self._allowed())
        if free < needed:
            raise OSError(
                f"XGBoost's cache needs {needed:,} bytes more in {Path(self.folder).parent}, but "
                f"{free:,} are free: name a folder with more room as the table's cache_dir, or as "
                "TMPDIR in the environment."
            )

    def _allowed(self) -> float:
        """Bytes by which a file may still grow, where the process has a limit."""
        try:
            import resource
        except ImportError:  # no such limit on this system
            return float("inf")
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit == resource.RLIM_INFINITY:
            return float("inf")
        return limit - max((path.stat().st_size for path in Path(self.folder).iterdir()), default=0)
