"""Which columns a saved model asks for, and what it was trained on in each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab._compat.lightgbm import listed_categories
from focaltab.boosting._xgboost_columns import columns_of as columns_of_xgboost
from focaltab.monitoring import ColumnSummary, Reference
from focaltab.persistence import Manifest
from focaltab.pipeline import TableFeatures
from focaltab.pipeline._kinds import as_written, other_writings
from focaltab.pipeline._layers import readers_of

Kind = Literal["number", "date", "name", "unread"]
_SAVE_WITH_ROWS = (
    "Save it anew with rows that show what it takes: focaltab.save(model, path, X=X, y=y)."
)


@dataclass(frozen=True)
class Column:
    """A column of the model.

    Attributes
    ----------
    name : str
    kind : {"number", "date", "name", "unread"}
        "name" is text of any kind; "unread" a column that training left out.
    knows : callable or None
        Whether text was among the names of training; None where all of them may be new.
    values : Index or None
        Of pandas categories: all of training, in its order and of its type.
    as_categories : bool
        Whether the column must be one of pandas categories of `values`.
    unseen_as : str
        What a category that training did not have is scored as.
    takes_numbers : bool
        Whether a number may be meant by a name, as in 7 for "7".
    typical : object
        A value that training may have had.
    """

    name: str
    kind: Kind
    knows: Callable[[str], bool] | None = None
    values: pd.Index | None = None
    as_categories: bool = False
    unseen_as: str = "missing"
    takes_numbers: bool = False
    typical: Any = None

    @property
    def written(self) -> list[str]:
        """`values` as they are written, by which rows are compared with them."""
        return [] if self.values is None else [as_written(value) for value in self.values.tolist()]

    def values_at(self, places: NDArray[np.intp]) -> Any:
        """Rows of the type that training had, by their places among `values`; -1 is missing."""
        assert self.values is not None
        if self.as_categories:
            return pd.Categorical.from_codes(places, categories=self.values)
        known = np.array([*self.values.tolist(), None], dtype=object)
        return known[places]


@dataclass(frozen=True)
class Columns:
    """All columns in the model's order; without names a row is an array of numbers."""

    of: tuple[Column, ...]
    named: bool

    @property
    def names(self) -> list[str]:
        """Names, or positions where the model has none."""
        return [column.name for column in self.of]


def columns_of(model: Any, manifest: Manifest) -> Columns:
    """Find the columns of a model.

    Raises
    ------
    ValueError
        Where what it takes cannot be known.
    """
    reference = None if manifest.reference is None else Reference.from_dict(manifest.reference)
    names = _names(model, manifest, reference)
    if names is None:
        return _of_array(model, manifest)
    summaries = {} if reference is None else {c.name: c for c in reference.columns}
    found = _of_first_reader(model, names, summaries)
    if found is None:
        absent = [name for name in names if name not in summaries]
        if absent:
            raise ValueError(
                f"what the column {absent[0]!r} holds is not known from the folder. "
                f"{_SAVE_WITH_ROWS}"
            )
        found = [_of_summary(summaries[name]) for name in names]
    found += _costs(model, found)
    return Columns(tuple(found), True)


def _names(model: Any, manifest: Manifest, reference: Reference | None) -> list[str] | None:
    names = manifest.feature_names
    for layer in readers_of(model):
        if "FocalLGBMClassifier" in _class_names(layer):
            # LightGBM itself replaces blanks, and makes up names where there were none.
            return layer._columns.names
    if names is None or names != [f"Column_{k}" for k in range(len(names))]:
        if names is None or reference is None:
            return names
        own = [column.name for column in reference.columns]
        same = [name.replace(" ", "_") for name in own] == [n.replace(" ", "_") for n in names]
        return own if same else names
    return None


def _of_array(model: Any, manifest: Manifest) -> Columns:
    if manifest.n_features is None:
        raise ValueError("the folder does not say how many columns the model takes.")
    for layer in readers_of(model):
        if isinstance(layer, TableFeatures) and set(layer.kinds_.values()) - {"number"}:
            raise ValueError(
                "it was fitted on an array that holds text or dates, whose columns have no names: "
                "fit it on a DataFrame."
            )
    return Columns(tuple(Column(str(k), "number") for k in range(manifest.n_features)), False)


def _class_names(layer: Any) -> set[str]:
    """Names of an object's class and its bases, so that no library is loaded to find out."""
    return {base.__name__ for base in type(layer).__mro__}


def _of_first_reader(
    model: Any, names: list[str], summaries: dict[str, ColumnSummary]
) -> list[Column] | None:
    """Columns by what a part of the model itself remembers of them."""
    for layer in readers_of(model):
        kinds = _class_names(layer)
        if isinstance(layer, TableFeatures):
            return _of_features(layer, names, summaries)
        if "XGBModel" in kinds:
            return _of_xgboost(layer, names, summaries)
        if "LGBMModel" in kinds:
            return _of_lightgbm(layer, names, summaries)
        if "FocalMLPClassifier" in kinds:
            return _of_network(layer, names, summaries)
    return None


def _of_features(
    step: TableFeatures, names: list[str], summaries: dict[str, ColumnSummary]
) -> list[Column]:
    known = step.categories_
    found = []
    for name in names:
        kind = step.kinds_.get(name, "unread")
        if kind in ("category", "text"):
            unseen_as = "an average one" if kind == "text" else "missing"
            found.append(_of_names(name, known[name], unseen_as))
        elif kind == "unread":
            found.append(Column(name, "unread"))
        else:
            found.append(_plain(name, "date" if kind == "date" else "number", summaries.get(name)))
    return found


def _of_xgboost(
    model: Any, names: list[str], summaries: dict[str, ColumnSummary]
) -> list[Column] | None:
    types = model.get_booster().feature_types
    if types is None:
        return None
    seen = {name: [text for text, _ in own.values] for name, own in summaries.items()}
    known = columns_of_xgboost(model, seen).categories if "c" in types else {}
    if "c" in types and not known:
        raise ValueError("XGBoost's file holds no categories: train anew.")
    categories = {names[place]: values for place, values in known.items()}
    found = []
    for name, kind in zip(names, types, strict=True):
        if kind != "c":
            found.append(_plain(name, "number", summaries.get(name)))
        elif name not in categories:
            raise ValueError(f"the categories of column {name!r} are not in XGBoost's file.")
        else:
            found.append(_of_values(name, categories[name]))
    return found


def _of_lightgbm(
    model: Any, names: list[str], summaries: dict[str, ColumnSummary]
) -> list[Column] | None:
    known = listed_categories(model.booster_)
    if not known:
        return [_plain(name, "number", summaries.get(name)) for name in names]
    held = [n for n in names if n in summaries and summaries[n].kind in ("category", "text")]
    own = getattr(model, "_columns", None)
    if own is not None:
        held = [names[place] for place in own.categories]
    elif len(held) != len(known) or any(
        {text for text, _ in summaries[name].values}.isdisjoint(map(as_written, values))
        for name, values in zip(held, known, strict=False)
    ):
        raise ValueError(
            f"LightGBM's file holds categories without saying of which columns. {_SAVE_WITH_ROWS}"
        )
    categories = dict(zip(held, known, strict=True))
    return [
        _of_values(name, pd.Index(categories[name]))
        if name in categories
        else _plain(name, "number", summaries.get(name))
        for name in names
    ]


def _of_network(model: Any, names: list[str], summaries: dict[str, ColumnSummary]) -> list[Column]:
    known = model.encoder_.category_columns
    return [
        _of_values(name, known[k], as_categories=False)
        if k in known
        else _plain(name, "number", summaries.get(name))
        for k, name in enumerate(names)
    ]


def _of_summary(summary: ColumnSummary) -> Column:
    """A column of a model that says nothing of it itself.

    Raises
    ------
    ValueError
        Where its type may be one of several: a model that knows 7 may take "7" for an
        unseen category.
    """
    values = [value for value, _ in summary.values]
    plain = all(_any_number([value]) or value in ("True", "False") for value in values)
    if summary.kind == "date" or (values and plain):
        held = "dates" if summary.kind == "date" else "names that are no text"
        raise ValueError(
            f"the column {summary.name!r} held {held}, and in which type the model takes them is "
            "not known: train it by focaltab.pipeline.make_pipeline, which reads any."
        )
    if summary.kind == "number":
        return _plain(summary.name, "number", summary)
    # Nothing says which values are new to the model.
    return Column(
        summary.name,
        "name",
        takes_numbers=_any_number(values),
        typical=values[0] if values else "a",
    )


def _of_names(name: str, values: Collection[str], unseen_as: str) -> Column:
    # As `TableFeatures` finds them: text is averaged over as it is written.
    others = () if unseen_as != "missing" else values
    known = frozenset([*values, *(o for value in others for o in other_writings(value))])
    return Column(
        name,
        "name",
        knows=known.__contains__,
        unseen_as=unseen_as,
        takes_numbers=_any_number(values),
        typical=next(iter(sorted(values)), None),
    )


def _of_values(name: str, values: pd.Index, *, as_categories: bool = True) -> Column:
    written = [as_written(value) for value in values.tolist()]
    known = frozenset(written)
    return Column(
        name,
        "name",
        knows=known.__contains__,
        values=values,
        as_categories=as_categories,
        takes_numbers=_any_number(written),
        typical=written[0] if written else None,
    )


def _plain(name: str, kind: Kind, summary: ColumnSummary | None) -> Column:
    typical: Any = 0.0
    if kind == "date":
        days = None if summary is None or summary.kind != "date" else summary.typical
        typical = np.datetime64(int(float(days or 0.0) * 86_400e6), "us").item()
    elif summary is not None and summary.kind == "number" and summary.typical is not None:
        typical = float(summary.typical)
    return Column(name, kind, typical=typical)


def _costs(model: Any, found: list[Column]) -> list[Column]:
    """Columns that are read for a decision's costs alone."""
    names = [getattr(model, f"{cell}_cost", None) for cell in ("fp", "fn", "tp", "tn")]
    known = {column.name for column in found}
    absent = [name for name in dict.fromkeys(names) if isinstance(name, str) and name not in known]
    return [Column(name, "number", typical=1.0) for name in absent]


def _any_number(values: Iterable[str]) -> bool:
    """Whether a name looks like a number."""
    for value in values:
        try:
            float(value)
        except ValueError:
            continue
        return True
    return False
