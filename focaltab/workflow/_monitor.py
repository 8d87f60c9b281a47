"""New rows against what is known of a saved model's: the trip behind ``focaltab monitor``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.monitoring import DriftReport, Reference, compare_rows
from focaltab.persistence import Manifest, read_manifest
from focaltab.persistence._load import opened
from focaltab.pipeline._kinds import from_written, places
from focaltab.workflow._csv import with_odd_names
from focaltab.workflow._errors import UserError
from focaltab.workflow._model_columns import columns_of
from focaltab.workflow._target import text_of


def read_reference(path: str | Path) -> Reference:
    """What the rows looked like that a saved model was judged on.

    Raises
    ------
    UserError
        If the folder is no saved model, or keeps no such rows.
    """
    try:
        return _reference_in(path, read_manifest(path))
    except ValueError as error:
        raise UserError(str(error)) from error


def _reference_in(path: str | Path, manifest: Manifest) -> Reference:
    if manifest.reference is None:
        raise UserError(
            f"{path} does not say what its rows looked like: save the model with "
            "focaltab.save(model, folder, X=held_out_rows, y=their_labels)."
        )
    return Reference.from_dict(manifest.reference)


def text_columns(reference: Reference) -> list[str]:
    """Columns to read as text, since their values are names: 7 is no other than "7"."""
    return [column.name for column in reference.columns if column.kind in ("category", "text")]


def odd_names(reference: Reference) -> list[str]:
    """Columns among whose names are words that else mean a missing value, such as NA."""
    return with_odd_names({c.name: [text for text, _ in c.values] for c in reference.columns})


def monitor(
    path: str | Path,
    table: pd.DataFrame,
    *,
    target: str | None = None,
    threshold: float | None = None,
    random_state: int = 0,
) -> DriftReport:
    """Score new rows with a saved model and compare both with the rows it was judged on.

    Parameters
    ----------
    path : path
        Folder of `focaltab.save` or ``focaltab train``.
    table : DataFrame
        New rows, with the model's columns in any order, among any others.
    target : str, default=None
        Column of labels, where they are known by now.
    threshold : float in (0, 1), default=None
        Of the decision; None for the model's own, if it has one.
    random_state : int, default=0

    Returns
    -------
    DriftReport

    Raises
    ------
    UserError
        For a folder without such rows, columns that are missing or hold other values, or labels
        that are not the model's.
    """
    try:
        found = opened(path)
        manifest, reference = found.manifest, _reference_in(path, found.manifest)
        names = [column.name for column in reference.columns]
        absent = [name for name in names if name not in table.columns]
        if absent:
            raise UserError(
                f"The data lack {len(absent)} column(s) that the model was trained on: "
                f"{', '.join(absent[:10])}."
            )
        if target is not None and manifest.positive is None:
            raise UserError(
                "labels are compared for two classes alone: leave the target out, and drop its "
                "column."
            )
        y = None if target is None else _labels(table, target, manifest)
        if threshold is None and manifest.threshold is not None and 0 < manifest.threshold < 1:
            # At 0 or 1 a model decides without looking: nothing can move.
            threshold = manifest.threshold
        typed = {c.name: from_written(table[c.name], c.holds) for c in reference.columns}
        table = table.assign(**typed)
        # A model that was fitted on an array knows columns by their place.
        X = (
            _as_fitted(found.model, manifest, table[names])
            if manifest.feature_names
            else table[names].to_numpy()
        )
        score = None
        if manifest.positive is not None:
            column = manifest.classes.index(manifest.positive)
            score = np.asarray(found.model.predict_proba(X), dtype=np.float64)[:, column]
        others = [name for name in table.columns if name != target]
        return compare_rows(
            reference,
            table[others],
            score=score,
            y=y,
            threshold=threshold,
            random_state=random_state,
        )
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(str(error)) from error


def _as_fitted(model: Any, manifest: Manifest, X: pd.DataFrame) -> pd.DataFrame:
    """Names as pandas categories where the model was fitted on these; a new one is missing."""
    try:
        columns = columns_of(model, manifest).of
    except ValueError:
        return X  # what the model takes is not known: it gets the file's values, and may refuse
    changed = {}
    for column in columns:
        if column.values is None or column.name not in X:
            continue
        own = X[column.name]
        if not isinstance(own.dtype, pd.CategoricalDtype):
            known = pd.Index(column.written, dtype=str)
            changed[column.name] = column.values_at(places(own, known))
    return X.assign(**changed)


def _labels(table: pd.DataFrame, target: str, manifest: Manifest) -> NDArray[Any]:
    """Labels as the model has them, however the file writes them."""
    if target not in table.columns:
        raise UserError(f"There is no target column {target!r}.")
    known = {text_of(label): label for label in manifest.classes}
    found = np.empty(len(table), dtype=object)
    for row, label in enumerate(table[target]):
        text = "" if pd.isna(label) else text_of(label)
        if text not in known:
            raise UserError(
                f"Target {target!r} holds {label!r} in row {row}; the model knows the labels "
                f"{manifest.classes}."
            )
        found[row] = known[text]
    return found
