"""The one pass over all files for what must be known of the whole table: labels, categories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from focaltab.external import _columns, _files

# The name that pandas gives an index without one.
_INDEX = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True)
class Found:
    """What the first pass found: files, features, labels and weights."""

    files: tuple[_files.File, ...]
    columns: tuple[_columns.Column, ...]
    y: NDArray[Any]
    weight: NDArray[np.float64] | None


def look(
    paths: list[str],
    target: str,
    weight: str | None,
    columns: Sequence[str] | None,
    batch_rows: int,
) -> Found:
    """Read metadata of all files, then their target, weight and text columns.

    Raises
    ------
    ValueError
        See `ParquetTable`.
    """
    first, files, gaps = _read_metadata(paths, target, weight, columns)
    names = list(first)
    features = [name for name in names if name not in (target, weight) or name in (columns or ())]
    features = list(columns) if columns is not None else features
    if not features:
        raise ValueError(f"{paths[0]} has no column besides the target and the weight.")
    if not sum(file.n_rows for file in files):
        all_of_them = " and all other files have" if files[1:] else " has"
        raise ValueError(f"{paths[0]}{all_of_them} no rows.")
    text = [name for name in features if first[name].is_text]
    y_parts, weight_parts = _Labels(target), _Weights(weight)
    found: dict[str, set[Any]] = {name: set() for name in text}
    read = list(dict.fromkeys([target, *([weight] if weight is not None else []), *text]))
    codes = [name for name in read if _columns.is_text(first[name].type)]
    for file in files:
        for start, batch in _files.batches(file, read, codes, batch_rows):
            place = (file.path, start - file.start)
            y_parts.add(batch.column(target), place)
            if weight is not None:
                weight_parts.add(batch.column(weight), place)
            for name in text:
                values, positions = _columns.as_codes(batch.column(name))
                used = np.unique(positions[positions >= 0])
                found[name].update(values.take(pa.array(used)).drop_null().to_pylist())
    made = []
    for name in features:
        if name in found:
            categories = _columns.sorted_categories(found[name], name)
            made.append(_columns.Column(name, pd.CategoricalDtype(categories), categories))
        else:
            dtype = _columns.number_dtype(first[name].type, name in gaps)
            made.append(_columns.Column(name, dtype))
    return Found(tuple(files), tuple(made), y_parts.joined(), weight_parts.joined())


@dataclass(frozen=True)
class _Field:
    type: pa.DataType
    is_text: bool

    def __str__(self) -> str:
        noted = self.is_text and _columns.kind(self.type) == "number"
        return f"{self.type} (categorical)" if noted else str(self.type)


def _read_metadata(
    paths: list[str], target: str, weight: str | None, columns: Sequence[str] | None
) -> tuple[dict[str, _Field], list[_files.File], set[str]]:
    """The first file's fields, all files, and the names of columns that may have gaps."""
    first: dict[str, _Field] = {}
    files: list[_files.File] = []
    gaps: set[str] = set()
    start = 0
    for path in paths:
        with _files.open_parquet(path) as parquet:
            fields = _fields(parquet, path)
            needed = _needed(fields, path, target, weight, columns)
            if not first:
                first = {name: fields[name] for name in needed}
                for name in needed:
                    _check_type(name, fields[name].type, path, name in (target, weight))
            else:
                _check_same(first, {name: fields[name] for name in needed}, paths[0], path)
            gaps |= _with_gaps(parquet, set(first) - gaps)
            files.append(_files.File(path, start, _files.group_rows(parquet)))
            start += files[-1].n_rows
    return first, files, gaps


def _fields(parquet: pq.ParquetFile, path: str) -> dict[str, _Field]:
    schema = parquet.schema_arrow
    name, count = Counter(schema.names).most_common(1)[0] if schema.names else ("", 0)
    if count > 1:
        raise ValueError(f"{path} has two columns {name!r}: rename or drop one.")
    # Categories of numbers are stored as numbers, and only pandas' note says what they were.
    noted = (schema.pandas_metadata or {}).get("columns", [])
    categorical = {note["name"] for note in noted if note["pandas_type"] == "categorical"}
    return {
        field.name: _Field(
            field.type, _columns.kind(field.type) == "text" or field.name in categorical
        )
        for field in schema
    }


def _needed(
    fields: dict[str, _Field],
    path: str,
    target: str,
    weight: str | None,
    columns: Sequence[str] | None,
) -> list[str]:
    asked = [("target", target), ("weight", weight), *(("feature", name) for name in columns or ())]
    for role, name in asked:
        if name is not None and name not in fields:
            shown = ", ".join(list(fields)[:10]) + (", ..." if len(fields) > 10 else "")
            raise ValueError(f"{path} has no {role} column {name!r}. It has {shown}.")
    if columns is None:
        return [name for name in fields if not _INDEX.fullmatch(name)]
    return list(dict.fromkeys(name for _, name in asked if name is not None))


def _check_type(name: str, type_: pa.DataType, path: str, is_role: bool) -> None:
    if _columns.kind(type_) is None:
        remedy = (
            "it must hold numbers or text"
            if is_role
            else "turn it into numbers or text, or leave it out"
        )
        raise ValueError(f"{path}: column {name!r} has type {type_}: {remedy}.")


def _check_same(
    first: dict[str, _Field], fields: dict[str, _Field], first_path: str, path: str
) -> None:
    for name, known in first.items():
        if name not in fields:
            raise ValueError(f"{path} has no column {name!r}, which {first_path} has.")
        if not _columns.same_type(known.type, fields[name].type) or (
            known.is_text != fields[name].is_text
        ):
            raise ValueError(
                f"{path}: column {name!r} has type {fields[name]}, but {known} in "
                f"{first_path}: write both files with one type."
            )
    more = next((name for name in fields if name not in first), None)
    if more is not None:
        raise ValueError(
            f"{path} has a column {more!r}, which {first_path} has not: drop it, or name the "
            "features with columns."
        )


def _with_gaps(parquet: pq.ParquetFile, names: set[str]) -> set[str]:
    """Columns that have missing values, or of which the file does not say; floats have no need."""
    found = set()
    for place in range(len(parquet.schema)):
        name = parquet.schema.column(place).path
        type_ = parquet.schema_arrow.field(name).type if name in names else pa.null()
        if not (pa.types.is_integer(type_) or pa.types.is_boolean(type_)):
            continue
        for group in range(parquet.metadata.num_row_groups):
            statistics = parquet.metadata.row_group(group).column(place).statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count:
                found.add(name)
                break
    return found


class _Labels:
    """The target, as it arrives; text is kept as codes until it is whole."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[NDArray[Any]] = []
        self.values: dict[Any, int] = {}  # of text: numbered in the order in which they came

    def add(self, column: pa.Array, place: tuple[str, int]) -> None:
        if _columns.kind(column.type) == "text":
            values, positions = _columns.as_codes(column)
            numbered = [
                -1 if value is None else self.values.setdefault(value, len(self.values))
                for value in values.to_pylist()
            ]
            codes = np.append(np.array(numbered, np.int32), np.int32(-1))[positions]
            self._refuse(codes < 0, place)
            self.parts.append(codes)
            return
        if column.null_count:
            self._refuse(column.is_null().to_numpy(zero_copy_only=False), place)
        dtype = _columns.number_dtype(column.type, False)
        labels = _columns.numbers(column, dtype)
        if labels.dtype.kind == "f":
            self._refuse(np.isnan(labels), place)
        self.parts.append(labels.copy())  # a view would keep the whole batch in memory

    def _refuse(self, missing: NDArray[np.bool_], place: tuple[str, int]) -> None:
        if missing.any():
            path, start = place
            raise ValueError(
                f"{path}: target {self.name!r} has no label in row "
                f"{start + int(missing.argmax())}: drop such rows or label them."
            )

    def joined(self) -> NDArray[Any]:
        whole = np.concatenate(self.parts)
        self.parts = []
        if not self.values:
            return whole
        # One Python string for all rows of a label.
        labels = np.empty(len(self.values), dtype=object)
        labels[:] = list(self.values)
        return labels[whole]


class _Weights:
    """The weight column, as it arrives."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.parts: list[NDArray[np.float64]] = []

    def add(self, column: pa.Array, place: tuple[str, int]) -> None:
        path, start = place
        if _columns.kind(column.type) != "number":
            raise ValueError(f"{path}: weight column {self.name!r} holds text, not numbers.")
        values = np.array(_columns.numbers(column, np.dtype(np.float64)))
        missing = np.isnan(values)
        if missing.any():
            raise ValueError(
                f"{path}: weight column {self.name!r} has no value in row "
                f"{start + int(missing.argmax())}: drop such rows or give them a weight."
            )
        self.parts.append(values)

    def joined(self) -> NDArray[np.float64] | None:
        return None if self.name is None else np.concatenate(self.parts)
