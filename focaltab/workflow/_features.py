"""From a table's columns to features, the same way in training and in scoring."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from focaltab.pipeline._spellings import other_spelling
from focaltab.workflow._errors import UserError
from focaltab.workflow._times import is_time_text, seconds

# Text that hardly ever repeats is an identifier: it can only be memorised.
IDENTIFIER_SHARE = 0.5
# Whole numbers that are nearly all different may be one too, or an amount in cents: told, not left
# out.
_NEARLY_ALL = 0.95
# So few different values are categories, whatever they look like.
FEW_VALUES = 20
# What XGBoost or LightGBM refuses in a feature's name, or replaces on its own.
_WHOLE = re.compile(r"-?\d+")
_REFUSED = re.compile(r'[\[\]<>{}",:\s]')


@dataclass
class Schema:
    """Feature columns in order, each with its kind and, for categories, its known values.

    ``doubtful`` says which columns the user may want to leave out, and why.
    """

    kinds: dict[str, str]
    categories: dict[str, list[str]]
    left_out: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_table(cls, table: pd.DataFrame, categorical: Collection[str] = ()) -> Schema:
        """Find each column's kind.

        Parameters
        ----------
        table : DataFrame
        categorical : collection of str, default=()
            Columns whose values are names, whatever they look like.

        Raises
        ------
        UserError
            If no column can serve as a feature.
        """
        schema = cls({}, {})
        for name in map(str, table.columns):
            column = table[name]
            if column.isna().all():
                schema.left_out[name] = "always missing"
            elif column.nunique() < 2 and not column.isna().any():
                schema.left_out[name] = "constant"
            elif name in categorical:
                schema.kinds[name] = "category"
                schema.categories[name] = _names(column).categories.tolist()
            elif _holds_numbers(column.dtype):
                schema.kinds[name] = "number"
                if pd.api.types.is_integer_dtype(column.dtype) and column.nunique() > max(
                    FEW_VALUES, _NEARLY_ALL * len(column)
                ):
                    schema.doubtful[name] = "whole numbers that hardly repeat (an identifier?)"
            elif pd.api.types.is_datetime64_any_dtype(column.dtype) or is_time_text(column):
                schema.kinds[name] = "time"
            else:
                values = column.dropna().astype(str)
                distinct = values.nunique()
                spelling = other_spelling(values) if distinct > FEW_VALUES else None
                if distinct > FEW_VALUES and distinct > IDENTIFIER_SHARE * len(values):
                    schema.left_out[name] = (
                        f"text that holds {spelling}"
                        if spelling
                        else "text that hardly repeats (an identifier?)"
                    )
                else:
                    schema.kinds[name] = "category"
                    if spelling:
                        schema.doubtful[name] = f"{spelling}, taken for names"
                    schema.categories[name] = sorted(values.unique())
        if not schema.kinds:
            raise UserError("No column is left that could serve as a feature.")
        return schema

    @property
    def feature_names(self) -> list[str]:
        """Names of the features in the model file: the columns', but for characters it refuses."""
        names: list[str] = []
        for kind in self.kinds:
            name = _REFUSED.sub("_", kind)
            while name in names:
                name += "_"
            names.append(name)
        return names

    def as_named(self, table: pd.DataFrame) -> pd.DataFrame:
        """Columns that are read, as they are, but for names: these are pandas' categories of text.

        Else those that look like numbers would be taken for some.
        """
        named = [name for name, kind in self.kinds.items() if kind == "category"]
        return table[list(self.kinds)].assign(**{name: _names(table[name]) for name in named})

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
        """Features of `table`, and how many values of each category or time are unreadable.

        Raises
        ------
        UserError
            For what is no DataFrame; if a column is missing, there twice, infinite, or holds text
            or times where training had numbers.
        """
        if not isinstance(table, pd.DataFrame):
            raise UserError(
                f"Pass a DataFrame: columns are found by their names, which a "
                f"{type(table).__name__} does not have."
            )
        twice = [name for name in self.kinds if np.sum(table.columns == name) > 1]
        if twice:
            raise UserError(f"Column {twice[0]!r} stands more than once: rename or drop one.")
        absent = [name for name in self.kinds if name not in table.columns]
        if absent:
            raise UserError(
                f"The data lack {len(absent)} column(s) that the model was trained on: "
                f"{', '.join(absent[:10])}."
            )
        columns: dict[str, Any] = {}
        unknown: dict[str, int] = {}
        for name, kind in self.kinds.items():
            column = table[name]
            if kind == "category":
                columns[name] = _categories(column, self.categories[name])
                lost = int((columns[name].codes < 0).sum() - column.isna().sum())
                if lost:
                    unknown[name] = lost
            elif kind == "time":
                if pd.api.types.is_numeric_dtype(column.dtype) and column.notna().any():
                    raise UserError(f"Column {name!r} held times in training, but numbers here.")
                columns[name] = seconds(column, errors="coerce").to_numpy()
                lost = int(np.isnan(columns[name]).sum() - column.isna().sum())
                if lost:
                    unknown[name] = lost
            else:
                columns[name] = _numbers(name, column)
        named = dict(zip(self.feature_names, columns.values(), strict=True))
        return pd.DataFrame(named, index=table.index), unknown


def _holds_numbers(dtype: Any) -> bool:
    # pandas takes categories of truth values for truth values.
    is_plain = pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype)
    return is_plain and not isinstance(dtype, pd.CategoricalDtype)


def _names(column: pd.Series) -> pd.Categorical:
    """Values as text; whole numbers have no decimals, which a column with blanks adds to them."""
    codes, values = pd.factorize(column)
    texts = [plain_number(str(value)) for value in values]
    # 7 and 7.0 are one name, where a column has both.
    place, known = pd.factorize(np.asarray(texts, dtype=object), sort=True)
    return pd.Categorical.from_codes(np.append(place, -1)[codes], categories=pd.Index(known))


def _categories(column: pd.Series, known: list[str]) -> Any:
    """Known values; a number is found however it is written, 7 or 7.0, and others are missing."""
    places = {plain_number(text): k for k, text in enumerate(known)}
    places |= {text: k for k, text in enumerate(known)}
    code, values = pd.factorize(column)
    place = [places.get(text, places.get(plain_number(text), -1)) for text in map(str, values)]
    codes = np.append(np.asarray(place, dtype=np.intp), -1)[code]
    return pd.Categorical.from_codes(codes, categories=pd.Index(known, dtype=str))


def plain_number(text: str) -> str:
    """A whole number without the decimals that a float column, with its blanks, adds to it."""
    whole, _, decimals = text.partition(".")
    return whole if decimals and not decimals.strip("0") and _WHOLE.fullmatch(whole) else text


def _numbers(name: str, column: pd.Series) -> Any:
    times = pd.api.types.is_datetime64_any_dtype(column.dtype)
    if times or pd.api.types.is_timedelta64_dtype(column.dtype):
        # They would be counted in whatever unit they are kept in.
        raise UserError(f"Column {name!r} was numeric in training, but holds times here.")
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise UserError(
            f"Column {name!r} was numeric in training, but holds other values here."
        ) from None
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise UserError(f"Column {name!r} has an infinite value in row {row}.")
    return values
