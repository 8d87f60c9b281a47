"""``TableFeatures``: from a mixed table to what a model can be fed with."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from focaltab._compat.sklearn import feature_names_in, seeded_target_encoder
from focaltab.data import (
    NETWORK,
    MappedTable,
    as_table,
    check_names,
    is_lazy,
    named_frame,
    read_table,
)
from focaltab.pipeline._kinds import ColumnKinds, Kind, places
from focaltab.pipeline._needs import Encoding
from focaltab.pipeline._parts import DateParts, KnownCategories, Numbers, OneHot, Text, told_apart

_ENCODINGS = ("native", "numbers", "scaled")
# What XGBoost or LightGBM refuses in a feature's name, or replaces on its own.
_REFUSED = re.compile(r'[\[\]<>{}",:\s]')


class TableFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers, dates, categories and text of a table as columns for one kind of model.

    What each column is, is found in the training rows (`kinds_`). A frame comes out, whatever
    goes in, except for a sparse matrix, which passes as it is, and a table that is read in batches
    (`focaltab.external.ParquetTable`), of which another such table is made. Later frames may have
    their columns in any order and others among them; those that are left out need not be there.

    - *Numbers*, truth values and durations become floats.
    - *Dates* (also columns of ISO dates as text) become days since 1970, and month, weekday and
      hour where these differ in training; all in UTC, in which times without a zone are taken to
      be.
    - *Categories* have at most `max_categories` different values. A value that training rows
      did not have is taken as missing.
    - *Text* of more values is encoded as the mean target of its value, shrunk to the overall mean
      where it is rare (``sklearn.preprocessing.TargetEncoder``): one column instead of thousands,
      and unlike an ordinal number it says something. Training rows are encoded from folds that
      they are not in, since a rare positive would else tell its own label.
    - Text that hardly repeats is an identifier and left out with a warning; so are, without one,
      columns that are constant or always missing. `left_out_` says why.

    Parameters
    ----------
    encoding : {"native", "numbers", "scaled"}, default="native"
        "native" keeps NaN, and makes of each category pandas' category of a whole number, its
        place in sorted order, for boosters and `FocalMLPClassifier`. "numbers"
        replaces missing numbers by the median, flags them in a column of their own, and gives each
        category one column of 0 and 1. "scaled" also brings numbers to mean 0 and variance 1, for
        models that sum or measure distances.
    max_categories : int, default=40
    categorical : collection of str, default=()
        Columns whose values are names, whatever they look like, such as codes of digits.
    plain_names : bool, default=False
        Replace characters by ``_`` that XGBoost or LightGBM refuse in names.
    random_state : int, default=None
        Deals the folds of the target encoding.

    Attributes
    ----------
    kinds_ : dict of str to str
        "number", "date", "category" or "text" of every column that is used.
    left_out_ : dict of str to str
        Columns that are not used, each with the reason.
    doubtful_ : dict of str to str
        Columns that are used but may hold something else than they seem to, each with the reason.
    categories_ : dict of str to list of str
        What the values of each category or text are, as they are written.
    outputs_ : dict of str to list of str
        Names of the columns that were made from each column that is used.
    feature_names_in_ : ndarray of str
        Of a frame.
    n_features_in_ : int
    transformer_ : ColumnTransformer

    Examples
    --------
    >>> import pandas as pd
    >>> from focaltab.pipeline import TableFeatures
    >>> X = pd.DataFrame({"amount": [5.0, None, 80.0], "city": ["Rome", None, "Oslo"],
    ...                   "when": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-02"])})
    >>> TableFeatures().fit(X, [0, 1, 0]).get_feature_names_out().tolist()
    ['amount', 'when_days', 'when_weekday', 'city']
    >>> TableFeatures("numbers").fit(X, [0, 1, 0]).transform(X).columns.tolist()
    ['amount', 'missing_amount', 'when_days', 'when_weekday', 'city_Oslo', 'city_Rome', 'city_nan']
    >>> TableFeatures().fit(X, [0, 1, 0]).outputs_["when"]
    ['when_days', 'when_weekday']
    """

    kinds_: dict[str, Kind]
    left_out_: dict[str, str]
    doubtful_: dict[str, str]
    transformer_: ColumnTransformer | None
    _names: list[str]

    def __init__(
        self,
        encoding: Encoding = "native",
        *,
        max_categories: int = 40,
        categorical: Collection[str] = (),
        plain_names: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.encoding = encoding
        self.max_categories = max_categories
        self.categorical = categorical
        self.plain_names = plain_names
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> TableFeatures:
        """Find the kinds of columns and learn their encoding.

        Parameters
        ----------
        X : DataFrame, array-like, sparse matrix or table that is read in batches, of shape \
                (n_samples, n_features)
            In batches for ``encoding="native"`` alone. What takes a look at all rows is then not
            found: constant columns, numbers that are identifiers, dates in text.
        y : array-like of shape (n_samples,), default=None
            Needed where a column of text has many values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For infinite numbers, columns of lists, a name that stands twice, parameters that are
            unknown, or where no column is left.

        Warns
        -----
        ColumnWarning
            Of text that is left out, and of text that looks like numbers or dates.
        """
        self._learn(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, and encode the training rows; text of many values from folds they are not in.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        DataFrame or sparse matrix of shape (n_samples, n_features_out)
        """
        return self._learn(X, y)

    def transform(self, X: Any) -> Any:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame, array-like, sparse matrix or table that is read in batches, of shape \
                (n_samples, n_features)

        Returns
        -------
        DataFrame, sparse matrix or table that is read in batches, of shape \
                (n_samples, n_features_out)

        Raises
        ------
        ValueError
            For columns that are missing or hold other kinds of values than in training.
        """
        check_is_fitted(self)
        if is_lazy(X):
            self._check_present(X.columns)
            return MappedTable(X, self._encoded)
        table = self._table(X, reset=False)
        if self.transformer_ is None:
            # To XGBoost, what a sparse matrix leaves out is missing, and a zero of a table is not.
            return table if sparse.issparse(table) else _as_sparse(table)
        if not isinstance(table, pd.DataFrame):
            table = pd.DataFrame(table.toarray(), columns=self._given_names())
        return self._encoded(table)

    def count_unseen(self, X: Any) -> dict[str, int]:
        """How many values of each column of names training did not have.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)

        Returns
        -------
        dict of str to int
            Of the columns that have some.
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        counts = {}
        for name, values in self.categories_.items():
            unseen = places(table[name], pd.Index(values, dtype=str)) < 0
            counts[name] = int(np.sum(unseen & table[name].notna().to_numpy()))
        return {name: count for name, count in counts.items() if count}

    def columns_read(self, X: pd.DataFrame) -> pd.DataFrame:
        """The columns of a frame that are used, in the order of training.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)

        Returns
        -------
        DataFrame of shape (n_samples, n_columns_used)

        Raises
        ------
        ValueError
            For columns that are missing, or a name that stands twice.
        """
        check_is_fitted(self)
        return self._columns_by_name(X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns that come out.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = feature_names_in(self, input_features)
        return names if self.transformer_ is None else np.asarray(self._names, dtype=object)

    @property
    def categories_(self) -> dict[str, list[str]]:
        """What the values of each category or text are, as they are written."""
        known: dict[str, list[str]] = {}
        parts = [] if self.transformer_ is None else self.transformer_.transformers_
        for kind, part, used in parts:
            if kind == "category":
                own = part.named_steps["read"].categories_
                known |= {name: values.tolist() for name, values in own.items()}
            elif kind == "text":
                for name, values in zip(used, part.named_steps["encode"].categories_, strict=True):
                    known[name] = [value for value in values.tolist() if isinstance(value, str)]
        return {name: known[name] for name in self.kinds_ if name in known}

    @property
    def outputs_(self) -> dict[str, list[str]]:
        """Names of the columns that were made from each column that is used."""
        made: dict[str, list[str]] = {name: [] for name in self.kinds_}
        for source, name in zip(self._sources(), self._names, strict=True):
            made[source].append(name)
        return made

    def source_columns(self) -> NDArray[np.intp]:
        """Which column of the table each column that comes out was made from.

        Returns
        -------
        ndarray of shape (n_features_out,)
            Positions. What was found for the parts of a date or the values of a category can be
            summed up by them.
        """
        check_is_fitted(self)
        if self.transformer_ is None:
            return np.arange(self.n_features_in_)
        positions = {name: k for k, name in enumerate(self._given_names())}
        return np.asarray([positions[name] for name in self._sources()], dtype=np.intp)

    def _sources(self) -> list[str]:
        parts = [] if self.transformer_ is None else self.transformer_.transformers_
        return [
            name
            for kind, part, used in parts
            if kind in self.kinds_.values()
            for name in _sources(part, list(used))
        ]

    def _learn(self, X: Any, y: Any) -> Any:
        if self.encoding not in _ENCODINGS:
            raise ValueError(f"encoding must be one of {_ENCODINGS}, got {self.encoding!r}.")
        if not isinstance(self.max_categories, Integral) or self.max_categories < 1:
            raise ValueError(
                f"max_categories must be a whole number of at least 1, got {self.max_categories!r}."
            )
        if isinstance(self.categorical, str):
            raise TypeError(f"categorical must be a list of names, got {self.categorical!r}.")
        if is_lazy(X):
            return self._learn_types(X)
        table = self._table(X, reset=True)
        if sparse.issparse(table):
            self._keep(ColumnKinds())
            self.transformer_ = None
            self._names = []
            return table
        found = ColumnKinds.of_table(table, int(self.max_categories), self.categorical)
        found.warn(stacklevel=4)
        self._keep(found)
        if y is None and "text" in self.kinds_.values():
            raise ValueError(
                "requires y to be passed, but the target y is None: text of many values is encoded "
                "by the target."
            )
        transformer = self._columns()
        # Nothing is routed to these parts, and the target encoder of scikit-learn 1.9 fails with a
        # KeyError under routing where its splitter is given no groups.
        with config_context(enable_metadata_routing=False), warnings.catch_warnings():
            # A class of fewer rows than folds: some folds then encode without it.
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            encoded = transformer.fit_transform(table[list(self.kinds_)], y)
        self.transformer_ = transformer
        self._names = self._output_names(encoded.columns)
        return encoded.set_axis(self._names, axis=1)

    def _learn_types(self, table: Any) -> MappedTable:
        """Learn what the types of a table that is read in batches say, its categories among it."""
        if self.encoding != "native":
            raise TypeError(
                f'TableFeatures(encoding="{self.encoding}") needs its table in memory: pass '
                "table.to_frame()."
            )
        types = table.dtypes
        self._keep(
            ColumnKinds.of_types(types, len(table), int(self.max_categories), self.categorical)
        )
        self.feature_names_in_ = np.asarray([str(name) for name in types.index], dtype=object)
        self.n_features_in_ = len(types)
        self.transformer_ = self._columns()
        encoded = self.transformer_.fit_transform(_with_all_values(types[list(self.kinds_)]))
        self._names = self._output_names(encoded.columns)
        return MappedTable(table, self._encoded)

    def _keep(self, found: ColumnKinds) -> None:
        self.kinds_, self.left_out_ = found.kinds, found.left_out
        self.doubtful_ = found.doubtful

    def _columns(self) -> ColumnTransformer:
        dense = [] if self.encoding == "native" else [("impute", _imputer())]
        if self.encoding == "scaled":
            dense.append(("scale", StandardScaler()))
        one_hot = OneHot(handle_unknown="ignore", sparse_output=False)
        steps: dict[str, list[tuple[str, Any]]] = {
            "number": [("read", Numbers()), *dense],
            "date": [("read", DateParts()), *dense],
            "category": [("read", KnownCategories(numbered=not dense))]
            + ([("encode", one_hot)] if dense else []),
            # A missing value is one of its own, an unseen one has the overall mean: no gap is left.
            "text": [
                ("read", Text()),
                ("encode", seeded_target_encoder(self.random_state)),
                *dense[1:],
            ],
        }
        used = {kind: [n for n, k in self.kinds_.items() if k == kind] for kind in steps}
        parts = [(kind, Pipeline(steps[kind]), used[kind]) for kind in steps if used[kind]]
        # With the kind before every name, so that two parts may make columns of one name.
        return ColumnTransformer(parts, verbose_feature_names_out=True).set_output(
            transform="pandas"
        )

    def _table(self, X: Any, *, reset: bool) -> Any:
        """The input as a frame with text for names; a sparse matrix as it is."""
        frame = named_frame(X)
        if frame is not None and not reset and hasattr(self, "feature_names_in_"):
            return self._columns_by_name(frame)
        if frame is not None:
            X, names = frame, [str(name) for name in frame.columns]
            check_names(X, written=not self.plain_names)
            validate_data(self, X, reset=reset, skip_check_array=True)
            if 0 in X.shape:
                what = "sample(s)" if X.shape[0] == 0 else "feature(s)"
                raise ValueError(
                    f"Found array with 0 {what} (shape={X.shape}) while a minimum of 1 is required."
                )
            return X.set_axis(names, axis=1)
        if sparse.issparse(X):
            X = read_table(X, NETWORK)
            validate_data(self, X, reset=reset, skip_check_array=True)
            # Other encodings have nothing to put in place of a missing value.
            return X if self.encoding == "native" else check_array(X, accept_sparse="csr")
        if isinstance(X, np.ma.MaskedArray):
            X = as_table(X)
        array = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite=False, ensure_min_samples=1
        )
        if array.dtype.kind == "c":
            raise ValueError(f"Complex data not supported: {array.dtype}.")
        return pd.DataFrame(array, columns=self._given_names()).infer_objects()

    def _given_names(self) -> NDArray[Any]:
        return feature_names_in(self)

    def _columns_by_name(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that are used; others may be there, and what was left out may not."""
        names = [str(name) for name in frame.columns]
        self._check_present(names)
        used = [k for k, name in enumerate(names) if name in self.kinds_]
        frame = frame.iloc[:, used].set_axis([names[k] for k in used], axis=1)
        check_names(frame, written=False)
        return frame[list(self.kinds_)]

    def _check_present(self, names: Collection[str]) -> None:
        absent = [name for name in self.kinds_ if name not in set(names)]
        if absent:
            raise ValueError(
                f"The data lack {len(absent)} column(s) that the model was trained on: "
                f"{', '.join(absent[:10])}."
            )

    def _encoded(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns that come out, of a frame with any number of rows."""
        assert self.transformer_ is not None
        return self.transformer_.transform(table[list(self.kinds_)]).set_axis(self._names, axis=1)

    def _output_names(self, columns: Any) -> list[str]:
        names = (
            str(column).partition("__")[2].replace("missingindicator_", "missing_", 1)
            for column in columns
        )
        return told_apart(
            (_REFUSED.sub("_", name) or "_") if self.plain_names else name for name in names
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _sources(part: Pipeline, used: list[str]) -> list[str]:
    """The column of the table behind each column that one kind's steps give."""
    sources = used
    for step in part.named_steps.values():
        if isinstance(step, DateParts):
            sources = [name for name, parts in step.parts_.items() for _ in parts]
        elif isinstance(step, OneHotEncoder):
            values = zip(sources, step.categories_, strict=True)
            sources = [name for name, categories in values for _ in categories]
        elif isinstance(step, SimpleImputer) and step.indicator_ is not None:
            sources = sources + [sources[k] for k in step.indicator_.features_]
        elif isinstance(step, TargetEncoder):
            sources = [name for name in sources for _ in range(columns_per_feature(step))]
    return sources


def _with_all_values(dtypes: pd.Series) -> pd.DataFrame:
    """A frame of these types in which every category is there once."""
    known = {n: d.categories for n, d in dtypes.items() if isinstance(d, pd.CategoricalDtype)}
    n_rows = max([1, *map(len, known.values())])
    columns: dict[str, Any] = {}
    for name, dtype in dtypes.items():
        if name not in known:
            columns[str(name)] = pd.Series(np.zeros(n_rows), dtype=dtype)
            continue
        codes = np.arange(n_rows)
        codes[codes >= len(known[name])] = -1
        columns[str(name)] = pd.Categorical.from_codes(codes, dtype=dtype)
    return pd.DataFrame(columns)


def _as_sparse(table: pd.DataFrame) -> Any:
    return sparse.csr_matrix(Numbers().fit(table).transform(table).to_numpy())


def columns_per_feature(encoder: TargetEncoder) -> int:
    """How many columns a target encoder makes of each: one for each of several classes."""
    return len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1


def _imputer() -> SimpleImputer:
    return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
