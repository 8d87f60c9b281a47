"""Transformers of one kind of column each: frames in, frames out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import OneHotEncoder

from focaltab.pipeline._dates import as_dates, seconds_since_1970
from focaltab.pipeline._kinds import as_numbers, as_text, is_duration, places


class _OneToOne(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns no more than the names of its columns."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> _OneToOne:
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self


class Numbers(_OneToOne):
    """Numbers, truth values and durations (as seconds) as floats; missing is NaN."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Numbers:
        super().fit(X)
        self._durations = [name for name in X.columns if is_duration(X[name].dtype)]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        # As seconds, numbers may stand for durations, as in JSON; the unit of numbers is unknown.
        for name in X.columns:
            if is_duration(X[name].dtype) and name not in self._durations:
                raise ValueError(
                    f"Column {name!r} was numeric in training, but holds durations here."
                )
        columns = {name: as_numbers(name, X[name]) for name in X.columns}
        return pd.DataFrame(columns, index=X.index)


class Text(_OneToOne):
    """Values as text, for an encoder that counts or averages over them."""

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({name: as_text(X[name]) for name in X.columns}, index=X.index)


class KnownCategories(_OneToOne):
    """pandas categories with the values of training; an unseen one is missing, as NaN is.

    Parameters
    ----------
    numbered : bool
        Whether categories come out as whole numbers from 0: XGBoost up to 3.2 confuses names that
        are not ASCII.
    """

    def __init__(self, *, numbered: bool = False) -> None:
        self.numbered = numbered

    def fit(self, X: pd.DataFrame, y: Any = None) -> KnownCategories:
        super().fit(X)
        self.categories_ = {
            name: pd.Index(sorted(as_text(X[name]).dropna().unique()), dtype=str)
            for name in X.columns
        }
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__().copy()
        if "categories_" in state:  # as plain lists, which any file can hold
            state["categories_"] = {n: known.tolist() for n, known in state["categories_"].items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "categories_" in state:
            known = {n: pd.Index(values, dtype=str) for n, values in state["categories_"].items()}
            state = {**state, "categories_": known}
        super().__setstate__(state)

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        columns = {
            name: pd.Categorical.from_codes(
                places(X[name], known),
                categories=pd.RangeIndex(len(known)) if self.numbered else known,
            )
            for name, known in self.categories_.items()
        }
        return pd.DataFrame(columns, index=X.index)


class OneHot(OneHotEncoder):  # type: ignore[misc]
    """A column of 0 and 1 for each value; those of one name, as of missing and "nan", differ."""

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Column and value, as in ``city_Oslo``."""
        return np.asarray(told_apart(super().get_feature_names_out(input_features)), dtype=object)


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A date as days since 1970, and its month, weekday and hour where these differ in training.

    Days alone would hide from any model what comes back every night or week.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> DateParts:
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.parts_ = {
            name: [
                part
                for part, values in _parts(as_dates(name, X[name])).items()
                if part == "days" or pd.Series(values).nunique() > 1
            ]
            for name in X.columns
        }
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        columns: dict[str, NDArray[np.float64]] = {}
        for name, parts in self.parts_.items():
            found = _parts(as_dates(name, X[name]))
            columns |= {f"{name}_{part}": found[part] for part in parts}
        return pd.DataFrame(columns, index=X.index)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Column and part, as in ``time_hour``."""
        names = [f"{name}_{part}" for name, parts in self.parts_.items() for part in parts]
        return np.asarray(names, dtype=object)


def _parts(moments: pd.Series) -> dict[str, NDArray[np.float64]]:
    at = moments.dt
    return {
        "days": seconds_since_1970(moments) / 86_400.0,
        "month": at.month.to_numpy(np.float64, na_value=np.nan),
        "weekday": at.day_of_week.to_numpy(np.float64, na_value=np.nan),
        "hour": at.hour.to_numpy(np.float64, na_value=np.nan),
    }


def told_apart(names: Iterable[str]) -> list[str]:
    """The names, with a ``_`` behind each that stood before."""
    found: dict[str, None] = {}
    for name in names:
        while name in found:
            name += "_"
        found[name] = None
    return list(found)
