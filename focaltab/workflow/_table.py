"""Read and write tables, and refuse at once what a model could not be trained on."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from pathlib import Path

import pandas as pd

from focaltab._errors import first_line
from focaltab._new_file import part_of
from focaltab.workflow._csv import check_unique, read_csv, read_written
from focaltab.workflow._errors import UserError

_PARQUET = {".parquet", ".pq"}
_CSV = {".csv", ".gz", ".txt"}


def read_table(
    path: str | Path,
    *,
    text_columns: Collection[str] = (),
    names: Collection[str] = (),
    target: str | None = None,
) -> pd.DataFrame:
    """Read a CSV or Parquet file, chosen by its ending.

    Parameters
    ----------
    path : path
    text_columns : collection of str, default=()
        Columns of a CSV whose values are names, which are kept as they are written even if all of
        them look like numbers; one that is not there is passed over.
    names : collection of str, default=()
        Those of them in which NA, None and the like are names too, and a blank alone is missing.
    target : str, default=None
        Where one of two labels may be such a word.

    Returns
    -------
    DataFrame

    Raises
    ------
    UserError
        If the file is missing, unreadable, empty, of another kind, or has two columns of one name.

    Warns
    -----
    ReadingNote
        If a CSV is separated by something else than commas, or has decimal commas.
    """
    path = Path(path)
    check_table_file(path)
    try:
        if path.suffix.lower() in _PARQUET:
            table = _plain_index(pd.read_parquet(path))
        else:
            table = read_csv(path, text_columns, names, target)
    except UserError:
        raise
    except Exception as error:
        # Parsers raise many types; whichever it is, the file is what the user can mend.
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error
    if table.empty:
        raise UserError(f"{path} has no rows.")
    check_unique([str(name) for name in table.columns])
    return plain_types(table)


def read_kept(path: Path, columns: Collection[str]) -> pd.DataFrame:
    """Columns of a table as its file has them: text of a CSV, types of Parquet."""
    if path.suffix.lower() in _PARQUET:
        # pandas' own types would make floats of whole numbers with a gap.
        kept = _plain_index(pd.read_parquet(path, columns=list(columns), dtype_backend="pyarrow"))
        return kept[list(columns)]
    return read_written(path, columns)


def check_table_file(path: Path) -> None:
    """Refuse a file that is not there or has an unknown ending."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    if path.suffix.lower() not in _PARQUET | _CSV:
        raise UserError(f"{path}: expected a .csv or .parquet file.")


def _plain_index(table: pd.DataFrame) -> pd.DataFrame:
    """Parquet written by pandas brings its index back: with a name it is a column like others."""
    named = any(name is not None for name in table.index.names)
    return table.reset_index(drop=not named)


def plain_types(table: pd.DataFrame) -> pd.DataFrame:
    """Names as text; decimals, durations and truth values with gaps as numbers.

    A CSV column of true, false and blanks would else be text, and another one without blanks not.
    """
    table.columns = pd.Index([str(name) for name in table.columns])
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_timedelta64_dtype(column.dtype):
            table[name] = column.dt.total_seconds()
        elif column.dtype == object:
            first = column.first_valid_index()
            if first is not None and isinstance(column[first], Decimal):
                table[name] = pd.to_numeric(column)
            elif pd.api.types.infer_dtype(column, skipna=True) == "boolean":
                table[name] = column.astype("boolean")
    return table


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a CSV or Parquet file under a temporary name, then rename it.

    Raises
    ------
    UserError
        If the file exists, its ending is unknown, or its folder is missing.
    """
    path = Path(path)
    check_new_file(path)
    with part_of(path) as part:
        if path.suffix.lower() in _PARQUET:
            table.to_parquet(part, index=False)
        else:
            table.to_csv(part, index=False)
        part.replace(path)


def check_new_file(path: Path) -> None:
    """Refuse a file that exists, has an unknown ending, or has no folder to stand in."""
    if path.exists():
        raise UserError(f"{path} exists already: choose another --out.")
    if path.suffix.lower() not in _PARQUET | {".csv"}:
        raise UserError(f"{path}: the ending must be .csv or .parquet.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}.")
