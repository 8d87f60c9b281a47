"""Read a CSV the way its writer meant it, and say where that took a guess."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path

import pandas as pd

from focaltab._compat.pandas import exact_floats
from focaltab.workflow._errors import ReadingNote, UserError

# What pandas.read_csv takes for a missing value, but for a blank.
MISSING = frozenset({
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip
# Enough to tell a comma in one name from one that divides columns.
_ROWS_TO_TRY = 50
_ROWS_FOR_ZEROS = 1000
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NUMBER = r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?"
# In a file separated by commas, 1,234 is as likely a thousand; 0,234 and 12,5 are not.
_THOUSANDS = r"[+-]?[1-9]\d{0,2}(?:,\d{3})*"
_GROUPED = r"[+-]?[1-9]\d{0,2}(?:(?:[.]\d{3})+,\d*|(?:[.]\d{3}){2,})"
_POINTED = r"[+-]?[1-9]\d{0,2}(?:[.]\d{3})+"


def with_odd_names(known: Mapping[str, Iterable[str]]) -> list[str]:
    """Columns among whose known names are words that else mean a missing value."""
    return [name for name, values in known.items() if not MISSING.isdisjoint(values)]


def read_written(
    path: Path, columns: Collection[str], separator: str | None = None
) -> pd.DataFrame:
    """Columns of a CSV as they are written: text, in which NA is a word and a blank is ""."""
    table = pd.read_csv(
        path,
        sep=separator or _separator(path),
        usecols=lambda name: name in columns,
        index_col=False,
        dtype=str,
        keep_default_na=False,
    )
    return table[list(columns)]


def read_csv(
    path: Path, text_columns: Collection[str], names: Collection[str], target: str | None
) -> pd.DataFrame:
    """Read a CSV whose separator is a comma, semicolon, tab or bar.

    Columns of decimal commas become numbers. Both that and another separator than the comma are
    told by a `ReadingNote`.

    Parameters
    ----------
    path : Path
    text_columns : collection of str
        Columns to keep as they are written.
    names : collection of str
        Those of them in which words that otherwise mean a missing value, such as NA, are names.
    target : str or None
        A column in which words that otherwise mean a missing value, such as NA and None, may be
        one of two labels.

    Raises
    ------
    UserError
        If the text is no UTF-8, rows are longer than the header, or commas could divide decimals
        as well as thousands.
    """
    try:
        separator = _separator(path)
        table = _read(path, separator, text_columns)
        if target in table.columns and table[target].isna().any():
            table[target] = _labels(path, separator, str(target), table[target])
        present = [name for name in names if name in table.columns]
        if present:
            written = read_written(path, present, separator)
            table[present] = written.where(written != "")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error.reason}, byte 0x{error.object[error.start]:02x}): "
            "save it as UTF-8, for example with: iconv -f latin1 -t utf-8 OLD.csv > NEW.csv"
        ) from None
    if separator != ",":
        _note(f"{path} is separated by {_SEPARATORS[separator]}, and was read so.")
    _note_leading_zeros(path, separator, table)
    changed = _read_decimal_commas(table, separator, set(text_columns))
    if changed and separator != ",":
        _check_points(path, separator, table, {*changed, *text_columns})
    return table


def _separator(path: Path) -> str:
    """A comma where it divides the header, else what makes the most names of it.

    What makes more names than the comma, and divides the first rows into as many parts, goes first:
    the commas are then those of names and decimals.
    """
    names = {separator: _header(path, separator) for separator in (",", *_SEPARATORS)}
    if re.fullmatch("sep=.?", names[","][0]) and names[","][1:] in ([], [""]):
        raise UserError(
            f"{path} starts with a line of Excel's ({names[','][0]}): remove it, so that the names "
            "of the columns come first."
        )
    # A name in quotes that a wrong separator takes apart keeps a quote.
    clean = [s for s in names if len(names[s]) > 1 and not any('"' in name for name in names[s])]
    regular = [s for s in clean if _divides_alike(path, s, len(names[s]))]
    most = max(names, key=lambda separator: len(names[separator]))
    separator = "," if "," in clean else most
    finest = max(regular, key=lambda separator: len(names[separator]), default=separator)
    if len(names[finest]) > len(names[separator]):
        separator = finest
    check_unique(names[separator])
    return separator


def _divides_alike(path: Path, separator: str, n_parts: int) -> bool:
    """Whether the first rows have as many parts as the header."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = islice((row for row in csv.reader(file, delimiter=separator) if row), _ROWS_TO_TRY)
        try:
            return all(len(row) == n_parts for row in rows)
        except csv.Error:  # a field of more than 128 kB
            return False


def _header(path: Path, separator: str) -> list[str]:
    """Names as they are written: pandas renames a second column of the same name."""
    header = pd.read_csv(
        path, header=None, nrows=1, dtype=str, keep_default_na=False, sep=separator
    )
    return [str(name) for name in header.iloc[0]]


def check_unique(names: list[str]) -> None:
    """Refuse two columns of one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"Column {twice[0]!r} stands more than once: rename or drop one of them.")


def _read(path: Path, separator: str, text_columns: Collection[str]) -> pd.DataFrame:
    """Without `index_col` pandas takes a surplus first field for row names and shifts the rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=separator,
                low_memory=False,
                index_col=False,
                dtype=dict.fromkeys(text_columns, str),
                **exact_floats(),
            )
        except pd.errors.ParserWarning:
            raise UserError(
                f"{path}: the rows have more fields than the header has names."
            ) from None


def _labels(path: Path, separator: str, target: str, column: pd.Series) -> pd.Series:
    """The target as text if that makes two labels, of which one reads as missing elsewhere."""
    written = read_written(path, [target], separator)[target]
    written = written.where(written != "")
    return written if written.nunique() == 2 else column


def _note_leading_zeros(path: Path, separator: str, table: pd.DataFrame) -> None:
    """Tell of whole numbers that may be codes, whose zeros in front are lost."""
    whole = [name for name in table.columns if pd.api.types.is_integer_dtype(table[name].dtype)]
    if not whole:
        return
    written = pd.read_csv(
        path, sep=separator, usecols=whole, index_col=False, dtype=str, nrows=_ROWS_FOR_ZEROS
    )
    for name in whole:
        codes = written[name][written[name].str.match(r"\s*0\d", na=False)]
        if codes.size:
            _note(
                f"Column {name!r} of {path} is written with zeros in front, as in "
                f"{codes.iloc[0]!r}, and was read as numbers: --categorical {name} takes it for "
                "names."
            )


def _read_decimal_commas(
    table: pd.DataFrame, separator: str, text_columns: set[str]
) -> Collection[str]:
    """Turn columns of text such as 0,23 into numbers, in place; which they are."""
    changed: dict[str, str] = {}
    for name in table.columns.difference(list(text_columns), sort=False):
        column = table[name]
        if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
            continue
        present = column.dropna()
        if not present.map(lambda value: isinstance(value, str)).all():
            continue
        if separator != ",":
            grouped = present.str.fullmatch(_GROUPED)
            # 1.234,56 and 1.234.567 can be read in one way only; what stands beside them, too.
            if grouped.any() and (grouped | present.str.fullmatch(f"{_NUMBER}|{_POINTED}")).all():
                column, present = (c.str.replace(".", "") for c in (column, present))
                table[name] = column.str.replace(",", ".").astype("float64")
                changed[name] = f"{name!r} ({table[name].dropna().iloc[0]:g})"
                continue
        if not (present.str.fullmatch(_NUMBER).all() and present.str.contains(",").any()):
            continue
        with_comma = present[present.str.contains(",")]
        if separator == "," and with_comma.str.fullmatch(_THOUSANDS).all():
            raise UserError(
                f"Column {name!r} holds numbers such as {with_comma.iloc[0]!r}, whose comma may "
                "divide decimals or thousands: write 1.234 or 1234."
            )
        table[name] = column.str.replace(",", ".").astype("float64")
        changed[name] = f"{name!r} ({with_comma.iloc[0]!r})"
    if changed:
        told = ", ".join(changed.values())
        _note(f"Decimal commas were read as numbers in column {told}.")
    return changed


def _check_points(path: Path, separator: str, table: pd.DataFrame, known: set[str]) -> None:
    """Refuse 1.631 in a file of decimal commas, where it is likelier 1631."""
    floats = [n for n in table.select_dtypes("float").columns if n not in known]
    if not floats:
        return
    written = read_written(path, floats, separator)
    for name in floats:
        with_point = written[name][written[name].str.contains(".", regex=False)]
        if len(with_point) and with_point.str.fullmatch(_POINTED).all():
            raise UserError(
                f"Column {name!r} holds numbers such as {with_point.iloc[0]!r} in a file of "
                "decimal commas: if the point divides thousands, write them without; if it divides "
                "decimals, write all of them with a point."
            )


def _note(text: str) -> None:
    # The caller of read_table, which called read_csv.
    warnings.warn(text, ReadingNote, stacklevel=4)
