"""A model with its columns: checked rows in, probabilities, labels and reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab._errors import first_line
from focaltab.explanation import Explanation, explain
from focaltab.explanation._layers import find_booster, peel
from focaltab.explanation._rows import Table
from focaltab.monitoring import Reference
from focaltab.persistence import Manifest
from focaltab.pipeline import TabularPipeline
from focaltab.workflow._model_columns import Column, columns_of

Values = Sequence[tuple[Any, ...]]

_XGB = "focaltab.boosting._xgboost.FocalXGBClassifier"
_LARGEST = float(np.finfo(np.float32).max)
# Their own `predict` takes the likeliest class, which needs no second pass through the trees.
_LIKELIEST = (_XGB, "focaltab.boosting._lightgbm.FocalLGBMClassifier")


class Scores(NamedTuple):
    """Of each row: a probability for each class, and the label."""

    probability: NDArray[np.float64]
    labels: list[Any]


class Reason(NamedTuple):
    """What a column adds to a row's log-odds."""

    feature: str
    direction: str
    contribution: float
    reason: str


class Scorer:
    """A loaded model behind checked rows.

    Parameters
    ----------
    model : fitted classifier
    manifest : Manifest

    Raises
    ------
    ValueError
        Where it is not known what the model takes, or it fails on a row such as those of training.
    """

    def __init__(self, model: Any, manifest: Manifest) -> None:
        if not hasattr(model, "predict_proba") or not manifest.classes:
            raise ValueError(f"{type(model).__name__} gives no probabilities of classes.")
        self.model = model
        self.columns = columns_of(model, manifest)
        self.classes: list[Any] = manifest.classes
        self.positive = manifest.positive
        self.positive_place = None
        if self.positive is not None:
            self.positive_place = self.classes.index(self.positive)
        self.reference = None
        if manifest.reference is not None:
            self.reference = Reference.from_dict(manifest.reference)
        last = model[-1] if isinstance(model, TabularPipeline) else model
        self._takes_likeliest = _class_name(last) in _LIKELIEST
        # XGBoost reads an array as it reads a frame of numbers, in a tenth of the time for a row.
        self._as_array = not self.columns.named or (
            _class_name(model) == _XGB
            and model.booster in (None, "gbtree")
            and all(column.kind == "number" for column in self.columns.of)
        )
        self._places = [_places(column) for column in self.columns.of]
        typical = [tuple(column.typical for column in self.columns.of)]
        try:
            self.score(typical)
        except Exception as error:
            # Whatever a library raises: a model that fails here fails on every row.
            raise ValueError(
                f"it fails on a row made from what is known of its columns "
                f"({first_line(error)}): it cannot be served."
            ) from error
        # Where sums of many terms are taken over a whole table at once, as in networks and linear
        # models, the last digit of a row may depend on how many others there are.
        self.can_merge = self._is_of_trees(typical)
        self.allows_missing = self._scores_missing()
        self.no_reasons = self._why_no_reasons(typical)

    def score(self, values: Values) -> Scores:
        """Probabilities and labels."""
        X = self._as_given(values)
        probability = np.asarray(self.model.predict_proba(X), dtype=np.float64)
        if not np.isfinite(probability).all():
            row = int(np.flatnonzero(~np.isfinite(probability).all(axis=1))[0])
            raise ValueError(f"the model states no probability for row {row}.")
        return Scores(probability, self._labels(X, probability))

    def reasons(self, values: Values, n: int) -> list[list[Reason]]:
        """The columns that moved each row most, the strongest first."""
        told: list[list[Reason]] = [[] for _ in values]
        found = self._explained(self.table(values)).reasons(n)
        columns = ("row", "feature", "direction", "contribution", "reason")
        for row, *reason in found[list(columns)].itertuples(index=False):
            feature, direction, contribution, text = reason
            told[row].append(Reason(str(feature), direction, float(contribution), text))
        return told

    def table(self, values: Values) -> Any:
        """The rows as the model was given them in training."""
        if not self.columns.named:
            return np.asarray(values, dtype=np.float64)
        columns = zip(self.columns.of, self._places, zip(*values, strict=True), strict=True)
        return pd.DataFrame({c.name: _column(c, places, own) for c, places, own in columns})

    def _as_given(self, values: Values) -> Any:
        """The rows in the quickest form that scores as training's does."""
        if not self._as_array:
            return self.table(values)
        array = np.asarray(values, dtype=np.float64)
        # XGBoost refuses what float32 cannot hold in an array, and takes it in a frame.
        if self.columns.named and (np.abs(array) > _LARGEST).any():
            return self.table(values)
        return array

    def _labels(self, X: Any, probability: NDArray[np.float64]) -> list[Any]:
        if self._takes_likeliest:
            return np.asarray(self.model.classes_)[probability.argmax(axis=1)].tolist()
        return np.asarray(self.model.predict(X)).tolist()

    def _is_of_trees(self, typical: Values) -> bool:
        """Whether a booster alone adds up a row's score, which it does row by row."""
        inside, _ = find_booster(peel(self.model, Table.of(self.table(typical))))
        return inside is not None

    def _scores_missing(self) -> bool:
        nothing = tuple(None for _ in self.columns.of)
        X = self.table([nothing])
        try:
            stated = np.asarray(self.model.predict_proba(X))
        except Exception:
            # The errors of many libraries; each says that the model needs every value.
            return False
        return bool(np.isfinite(stated).all())

    def _explained(self, X: Any) -> Explanation:
        return explain(self.model, X, background=self.reference)

    def _why_no_reasons(self, typical: Values) -> str | None:
        if self.reference is None:
            return "reasons compare with typical values: save the model with X=."
        try:
            self._explained(self.table(typical)).reasons(1)
        except Exception as error:
            # What stands in the way of an explanation is no obstacle to scores.
            return f"reasons cannot be given for this model: {first_line(error)}"
        return None


def _class_name(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"


def _places(column: Column) -> dict[str, int]:
    """Where each name stands among the values of training."""
    return {text: k for k, text in enumerate(column.written)}


def _column(column: Column, places: dict[str, int], own: tuple[Any, ...]) -> Any:
    if column.kind == "number":
        return np.array(own, dtype=np.float64)  # None becomes NaN
    if column.kind == "date":
        moments = np.array(own, dtype="datetime64[us]")
        return pd.DatetimeIndex(moments).tz_localize("UTC")
    if column.kind == "unread":
        return pd.Series([None] * len(own), dtype=object)
    if column.values is None:
        return pd.Series(list(own), dtype=object)
    codes = np.array([-1 if text is None else places.get(text, -1) for text in own])
    return column.values_at(codes)
