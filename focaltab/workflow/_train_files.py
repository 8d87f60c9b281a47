"""Training on Parquet files that are larger than memory, with the same comparison and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from focaltab.external import ParquetTable
from focaltab.external._files import find, open_parquet
from focaltab.workflow._config import TrainConfig
from focaltab.workflow._errors import UserError
from focaltab.workflow._fit import Progress
from focaltab.workflow._split import check_enough, moments, split
from focaltab.workflow._target import binary_target, plain_labels
from focaltab.workflow._train import Target, TrainResult, fit_and_judge


def train_from_files(
    paths: Sequence[str | Path], config: TrainConfig, progress: Progress | None = None
) -> TrainResult:
    """Train on Parquet files and judge on their held-out part, a batch of rows in memory at a time.

    What takes a look at all values of a column is left out: constant columns and numbers that
    hardly repeat are used as they are, text is taken as categories even where it holds times, and
    categories are those of all rows, the held-out ones among them. Labels, and the time column
    if there is one, are in memory.

    Parameters
    ----------
    paths : list of path or glob string
        Files of one table.
    config, progress
        As in `train`; ``config.model`` must be a booster.

    Returns
    -------
    TrainResult

    Raises
    ------
    UserError, ValueError, OSError
        For anything in the files or the options that cannot be trained on.
    """
    config.check()
    config = config.filled()
    files = find(paths)
    with open_parquet(files[0]) as first:
        names = first.schema_arrow.names
    if config.target not in names:
        binary_target(pd.DataFrame(columns=names), config.target, config.positive)  # raises
    config.check_named(names)
    used = {config.target, config.time_column, *config.drop}
    chosen = [name for name in names if name not in used and not name.startswith("__index_level_")]
    if not chosen:
        raise UserError("No column is left that could serve as a feature.")
    when = None if config.time_column is None else _moments(files, config.time_column)
    table = ParquetTable(files, target=config.target, columns=chosen)
    labels = pd.DataFrame({config.target: table.y})
    y, negative, positive = binary_target(labels, config.target, config.positive)
    if when is None:
        check_enough(y, (negative, positive), config.test_size)
    kept, held_out = split(y, when, config.test_size, config.random_state, (negative, positive))

    def rows_of(rows: NDArray[np.intp]) -> pd.DataFrame:
        order = np.argsort(rows)
        found = table.take(rows[order]).to_frame()
        return found.iloc[np.argsort(order)].reset_index(drop=True)

    target = Target(y, plain_labels(labels, config.target, y), when, kept, held_out)
    return fit_and_judge(config, target, table, rows_of, progress)


def _moments(files: list[str], name: str) -> NDArray[np.float64]:
    parts = []
    for path in files:
        if name not in pq.read_schema(path).names:
            raise UserError(f"{path} has no time column {name!r}.")
        parts.append(pq.read_table(path, columns=[name]).to_pandas()[name])
    return moments(pd.concat(parts, ignore_index=True).to_frame(), name)
