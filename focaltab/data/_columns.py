"""What training knew of its columns, by which later tables are checked and read.

Categories are handed to the boosters as whole numbers from 0: no library sees a category's name.
XGBoost up to 3.2 counts the bytes of names as characters, and finds one category as another;
LightGBM knows categories by their place in each frame's own list.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.data._checks import XGBOOST, Reader
from focaltab.data._lazy import MappedTable, is_lazy

Unseen = Literal["refuse", "missing"]

_NEEDS_A_FRAME = (
    "The model was trained on a DataFrame with {} columns of categories: pass a DataFrame."
)


def categories_of(X: Any) -> dict[int, pd.Index]:
    """The categories of each column that has some, in their order, by the column's position."""
    dtypes = getattr(X, "dtypes", None)
    if not isinstance(dtypes, pd.Series):
        return {}
    return {
        place: dtype.categories
        for place, dtype in enumerate(dtypes)
        if isinstance(dtype, pd.CategoricalDtype)
    }


@dataclass(frozen=True, eq=False)
class InputColumns:
    """Names and categories of the columns of a training table.

    Parameters
    ----------
    n_columns : int
    names : list of str or None
        None of a table without.
    categories : dict of int to Index
        In the order of their whole numbers, by the column's position; none where the library
        numbers them itself.
    ordered : tuple of int
        Positions of those whose order has a meaning, as pandas has it.
    """

    n_columns: int
    names: list[str] | None = None
    categories: dict[int, pd.Index] = field(default_factory=dict)
    ordered: tuple[int, ...] = ()

    @classmethod
    def of(cls, X: Any, reader: Reader) -> InputColumns:
        """Learn them from a table in a plain form.

        Raises
        ------
        ValueError
            Names a column with a category that is neither text nor a number nor a truth value:
            a model's file could not hold it.
        """
        named = isinstance(X, pd.DataFrame) or is_lazy(X)
        names = [str(column) for column in X.columns] if named else None
        categories = {} if reader.takes_text else categories_of(X)
        for place, known in categories.items():
            for value in known.tolist():
                if not isinstance(value, str | int | float):
                    raise ValueError(
                        f"Column {X.columns[place]!r} holds the category {value!r}, but a model's "
                        "file knows text and numbers alone: make them text "
                        f"(X[{X.columns[place]!r}].astype(str).astype('category'))."
                    )
        ordered = tuple(place for place in categories if X.dtypes.iloc[place].ordered)
        # Ties between splits go by number: the same rows make the same model whatever list of them
        # a container keeps.
        categories = {
            place: known if place in ordered else _sorted(known)
            for place, known in categories.items()
        }
        return cls(int(X.shape[1]), names, categories, ordered)

    @property
    def numbers(self) -> list[list[int]]:
        """The whole numbers of each column of categories, as `encoded` has them."""
        return [self.dtype_of(place).categories.tolist() for place in self.categories]

    @property
    def lists(self) -> list[list[Any]]:
        """The categories in the order of their columns, as plain values."""
        return [known.tolist() for known in self.categories.values()]

    def extended(self, X: Any, reader: Reader) -> InputColumns:
        """The same with the categories of a table that these do not have at the end.

        Raises
        ------
        ValueError
            Names the first column that is not the one of these, or is of another kind.
        """
        self._check_continues(X)
        if self.categories and not hasattr(X, "dtypes"):
            raise ValueError(_NEEDS_A_FRAME.format(len(self.categories)))
        self._check_kinds(X)
        categories = {}
        for place, own in categories_of(X).items():
            known = self.categories[place]
            categories[place] = known.append(own.difference(known, sort=False))
        return replace(InputColumns.of(X, reader), categories=categories)

    def check(
        self, X: Any, model: str | None = None, *, by_name: bool = True, by_kind: bool = True
    ) -> None:
        """Refuse a table in a plain form that has other columns.

        Parameters
        ----------
        X : DataFrame, csr_matrix, ndarray or LazyTable
        model : str, default=None
            What errors call the model; None for the rows of an evaluation set.
        by_name : bool, default=True
            Whether names are compared, where both have some.
        by_kind : bool, default=True
            Whether columns of categories must be the same ones.

        Raises
        ------
        ValueError
            Names the first column that differs.
        """
        if X.shape[1] != self.n_columns:
            expected = (
                f"X has {X.shape[1]} columns, but the training rows have {self.n_columns}"
                if model is None
                else f"X has {X.shape[1]} features, but {model} is expecting {self.n_columns} "
                "features as input"
            )
            raise ValueError(f"{expected}{self._difference(X)}.")
        if by_name and self.names is not None and hasattr(X, "columns"):
            self._check_order([str(column) for column in X.columns])
        if by_kind:
            self._check_kinds(X)

    def in_form_of_training(self, X: Any, reader: Reader) -> Any:
        """A further table of the same fit with names where training has some, and without else.

        XGBoost compares names, and refuses a table with none beside one with some.

        Raises
        ------
        ValueError
            For a sparse matrix, which has no names, beside a table with some.
        """
        if reader.takes_text or is_lazy(X) or X.shape[1] != self.n_columns:
            return X
        if self.names is None:
            plain = isinstance(X, pd.DataFrame) and not categories_of(X)
            return X.to_numpy() if plain else X
        if isinstance(X, np.ndarray):
            return pd.DataFrame(X, columns=self.names)
        if reader is XGBOOST and not isinstance(X, pd.DataFrame):
            raise ValueError("it is a sparse matrix, but training has named columns: pass a frame.")
        return X

    def encoded(self, X: Any, *, unseen: Unseen = "refuse", as_names: bool = False) -> Any:
        """The table with the categories of training, as whole numbers.

        Parameters
        ----------
        X : DataFrame, csr_matrix, ndarray or LazyTable
            Of these columns.
        unseen : {"refuse", "missing"}
            What is done with a category that training did not have.
        as_names : bool, default=False
            Keep the categories themselves, in the order of training.

        Raises
        ------
        ValueError
            Names the column, row and category that training did not have.
        """
        if not self.categories:
            return X
        if is_lazy(X):
            return MappedTable(X, partial(self.encoded, unseen=unseen, as_names=as_names))
        if not isinstance(X, pd.DataFrame):
            raise ValueError(_NEEDS_A_FRAME.format(len(self.categories)))
        X = X.copy(deep=False)
        for place in self.categories:
            codes = self._codes(place, X.columns[place], X.iloc[:, place], unseen)
            dtype = self.dtype_of(place, as_names=as_names)
            X.isetitem(place, pd.Categorical.from_codes(codes, dtype=dtype, validate=False))
        return X

    def dtype_of(self, place: int, *, as_names: bool = False) -> pd.CategoricalDtype:
        """The dtype that a column of categories has in an encoded table."""
        known = self.categories[place]
        # Whole numbers keep their values, which no library confuses: a file then reads a table of
        # the user's by value, where places would be taken for the user's own numbers.
        keeps = as_names or known.dtype.kind in "iu"
        values = known if keeps else pd.RangeIndex(len(known))
        return pd.CategoricalDtype(values, ordered=place in self.ordered)

    def _codes(self, place: int, name: Any, column: pd.Series, unseen: Unseen) -> NDArray[np.intp]:
        known = self.categories[place]
        codes = np.asarray(column.cat.codes, dtype=np.intp)
        own = column.cat.categories
        if own.equals(known):
            return codes
        found = np.append(known.get_indexer(own), -1)
        if unseen == "refuse":
            strange = np.flatnonzero(np.append(found[:-1] < 0, False)[codes])
            if strange.size:
                row = int(strange[0])
                raise ValueError(
                    f"Column {name!r} holds the category {own[codes[row]]!r} in row {row}, which "
                    "training did not have: make it missing, or train with it."
                )
        return np.asarray(found[codes], dtype=np.intp)

    def _difference(self, X: Any) -> str:
        if self.names is None or not hasattr(X, "columns"):
            return ""
        given = [str(column) for column in X.columns]
        absent = [f"lacks {name!r}" for name in self.names if name not in given]
        further = [f"has {name!r} in addition" for name in given if name not in self.names]
        parts = absent[:1] + further[:1]
        return f": it {' and '.join(parts)}" if parts else ""

    def _check_order(self, given: list[str]) -> None:
        assert self.names is not None
        if given == self.names:
            return
        message = "The feature names should match those that were passed during fit.\n"
        strange = sorted(set(given) - set(self.names))
        absent = sorted(set(self.names) - set(given))
        for text, names in (
            ("Feature names unseen at fit time:", strange),
            ("Feature names seen at fit time, yet now missing:", absent),
        ):
            if names:
                shown = [f"- {column}" for column in names[:5]] + ["- ..."] * (len(names) > 5)
                message += "\n".join([text, *shown]) + "\n"
        if not strange and not absent:
            place = next(k for k, name in enumerate(given) if name != self.names[k])
            message += (
                "Feature names must be in the same order as they were in fit: column "
                f"{place} is {given[place]!r}, but was {self.names[place]!r}.\n"
            )
        raise ValueError(message)

    def _check_kinds(self, X: Any) -> None:
        if not hasattr(X, "dtypes"):
            return
        own = categories_of(X)
        for place in sorted(own.keys() ^ self.categories.keys()):
            name = X.columns[place]
            if place in own:
                raise ValueError(
                    f"Column {name!r} holds categories, but held numbers in training: pass the "
                    "numbers themselves."
                )
            raise ValueError(
                f"Column {name!r} held categories in training, but is of dtype "
                f"{X.dtypes.iloc[place]} here: X[{name!r}].astype('category')."
            )
        for place, known in self.categories.items():
            _check_same_type(X.columns[place], own[place], known)

    def _check_continues(self, X: Any) -> None:
        """Refuse a table of other columns than those of the model to continue."""
        if X.shape[1] != self.n_columns:
            raise ValueError(
                f"The model to continue was trained on {self.n_columns} columns, but X has "
                f"{X.shape[1]}."
            )
        if self.names is None or not hasattr(X, "columns"):
            return
        for place, (known, given) in enumerate(zip(self.names, map(str, X.columns), strict=True)):
            if known not in (given, given.replace(" ", "_")):  # LightGBM has names without blanks
                raise ValueError(
                    f"The model to continue was trained with column {known!r} in place {place}, "
                    f"where X has {given!r}: name and order the columns as they were."
                )

    def __getstate__(self) -> dict[str, Any]:
        # As plain lists, which any file can hold.
        categories = {place: _described(known) for place, known in self.categories.items()}
        return {**self.__dict__, "categories": categories}

    def __setstate__(self, state: dict[str, Any]) -> None:
        categories = {int(k): pd.Index(*described) for k, described in state["categories"].items()}
        self.__dict__.update({**state, "categories": categories})


def _described(known: pd.Index) -> list[Any]:
    # Numbers have the width that they had; text is text.
    return [known.tolist(), str(known.dtype) if known.dtype.kind in "iuf" else None]


def _sorted(known: pd.Index) -> pd.Index:
    """Numbers before text, each in their order."""
    values = known.tolist()
    order = sorted(range(len(values)), key=lambda k: (isinstance(values[k], str), values[k]))
    return known if order == list(range(len(values))) else known.take(order)


def _check_same_type(name: Any, own: pd.Index, known: pd.Index) -> None:
    """Refuse text for numbers and numbers for text, of which none would be known by value."""
    if own.equals(known):
        return
    text, own_text = (any(isinstance(v, str) for v in index.tolist()) for index in (known, own))
    if len(known) and len(own) and text != own_text:
        then, now = ("text", "numbers") if text else ("numbers", "text")
        raise ValueError(
            f"The categories of column {name!r} were {then} in training, but are {now} here, such "
            f"as {own[0]!r}: none of them would be known."
        )
