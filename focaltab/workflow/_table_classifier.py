"""A trained model together with the columns it reads: a raw table in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from focaltab.data import Classes
from focaltab.workflow._csv import with_odd_names
from focaltab.workflow._errors import UserError
from focaltab.workflow._features import Schema


class TableClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What `focaltab train` leaves: columns are found by name, in any order, among any others.

    Parameters
    ----------
    estimator : classifier
        Fitted on the features that `schema` makes, with labels 0 and 1.
    schema : Schema
    labels : (str, str)
        The negative label and the positive one, as the table had them.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Both labels in sorted order.
    """

    def __init__(self, estimator: Any, schema: Schema, labels: Sequence[str]) -> None:
        self.estimator = estimator
        self.schema = schema
        self.labels = labels

    def fit(self, X: pd.DataFrame, y: Any) -> TableClassifier:
        """Find the columns of another table and fit an estimator of the same parameters on it.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Of the same two labels.

        Returns
        -------
        self

        Raises
        ------
        UserError
            For a table without a usable column, or other labels.
        """
        codes = pd.Index(self.labels).get_indexer(pd.Index(np.asarray(y).astype(str)))
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            raise UserError(f"Label {np.asarray(y)[row]} in row {row} is none of {self.labels}.")
        schema = Schema.from_table(X, self.text_columns)
        self.estimator = clone(self.estimator).fit(schema.apply(X)[0], codes)
        self.schema = schema
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def _order(self) -> Classes:
        return Classes(np.sort(np.asarray(self.labels)), flipped=self.labels[1] < self.labels[0])

    @property
    def classes_(self) -> NDArray[Any]:
        """Both labels in sorted order."""
        return self._order.labels

    @property
    def pos_label(self) -> str:
        """The positive label."""
        return str(self.labels[1])

    @property
    def estimator_(self) -> Any:
        """The model behind the columns."""
        return self.estimator

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Columns that are read."""
        return np.asarray(list(self.schema.kinds), dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of columns that are read."""
        return len(self.schema.kinds)

    @property
    def text_columns(self) -> list[str]:
        """Columns to read as text, since their values are names: 7 is no other than "7"."""
        return [name for name, kind in self.schema.kinds.items() if kind == "category"]

    @property
    def odd_names(self) -> list[str]:
        """Columns among whose names are words that else mean a missing value, such as NA."""
        return with_odd_names(self.schema.categories)

    def features_of(self, table: pd.DataFrame) -> pd.DataFrame:
        """What the estimator is given: one feature for each column that is read, in their order."""
        return self.schema.apply(table)[0]

    def score_rows(self, table: pd.DataFrame) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Probabilities of the positive label, and counts of values that are taken as missing.

        Raises
        ------
        UserError
            If columns are missing or hold other kinds of values than in training.
        """
        X, unknown = self.schema.apply(table)
        return np.asarray(self.estimator.predict_proba(X)[:, 1], dtype=np.float64), unknown

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of both labels, shape (n_samples, 2), in the order of `classes_`."""
        positive, _ = self.score_rows(X)
        return self._order.columns_in_order(np.column_stack([1.0 - positive, positive]))

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """The likelier label of each row, shape (n_samples,)."""
        likelier = self.score_rows(X)[0] > 0.5
        return np.asarray(self.labels)[likelier.astype(np.intp)]
