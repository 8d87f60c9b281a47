"""A trained model as a folder: the saved model, a schema, figures and predictions. No pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab import __version__
from focaltab._new_file import part_of
from focaltab.persistence import load, read_manifest, save
from focaltab.pipeline import TableFeatures
from focaltab.pipeline._layers import positive_label, table_features
from focaltab.workflow._csv import with_odd_names
from focaltab.workflow._errors import UserError
from focaltab.workflow._train import TrainResult, positive_probability


def check_new_folder(path: Path) -> None:
    """Refuse an output folder that exists or has no parent."""
    if path.exists():
        raise UserError(f"{path} exists already: choose another --out or remove it.")
    if not path.resolve().parent.is_dir():
        raise UserError(f"There is no folder {path.resolve().parent}.")


def save_model(result: TrainResult, path: str | Path, *, source: str | None = None) -> None:
    """Write a model and what is known of it into a new folder.

    The model as `focaltab.save` writes it, its booster as ``xgboost.json`` or ``lightgbm.txt``;
    ``schema.json``, ``metrics.json``, ``predictions.csv`` of the held-out rows, and
    ``top_rows.csv`` with the columns of the 20 that score highest.

    Parameters
    ----------
    result : TrainResult
    path : path
    source : str, default=None
        Where the table came from, for the command that repeats the training.

    Raises
    ------
    UserError
        If the folder exists.
    """
    path = Path(path)
    check_new_folder(path)
    # Written beside its place and renamed, so that a folder of that name is always whole.
    with part_of(path) as part:
        figures = {**result.figures, "verdict": result.verdict}
        save(result.model, part, reference=result.reference, metrics=figures)
        schema = {
            "focaltab": __version__,
            "source": source,
            "config": asdict(result.config),
            "versions": read_manifest(part).versions,
            "model": result.figures["names"][result.figures["kept"]],
            "labels": list(result.labels),
            "positive": result.labels[1],
            "columns": list(result.features.kinds_),
            "feature_names": result.features.get_feature_names_out().tolist(),
            "kinds": result.features.kinds_,
            "outputs": result.features.outputs_,
            "categories": result.features.categories_,
            "left_out": result.features.left_out_,
            "doubtful": result.features.doubtful_,
        }
        (part / "schema.json").write_text(json.dumps(schema, indent=1), encoding="utf-8")
        (part / "metrics.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        result.predictions.to_csv(part / "predictions.csv", index=False)
        result.top_rows.to_csv(part / "top_rows.csv", index=False)
        part.replace(path)


class TableModel:
    """A saved model that is given tables as files hold them.

    Parameters
    ----------
    model : fitted classifier of two classes
        Whose columns a `TableFeatures` reads, as of ``focaltab train`` and `make_pipeline`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        features = table_features(model)
        assert features is not None
        self.features: TableFeatures = features

    @property
    def pos_label(self) -> Any:
        """The positive label."""
        return positive_label(self.model)

    @property
    def text_columns(self) -> list[str]:
        """Columns to read as text, since their values are names: 7 is no other than "7"."""
        return list(self.features.categories_)

    @property
    def odd_names(self) -> list[str]:
        """Columns among whose names are words that else mean a missing value, such as NA."""
        return with_odd_names(self.features.categories_)

    def score_rows(self, table: pd.DataFrame) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Probabilities of the positive label, and how many values of each column are unseen.

        Raises
        ------
        ValueError
            If columns are missing or hold other kinds of values than in training.
        """
        return positive_probability(self.model, table), self.features.count_unseen(table)


def load_model(path: str | Path) -> TableModel:
    """Read a saved model that tables can be given.

    Raises
    ------
    UserError
        If it is no such folder, was changed or damaged, or needs a library that is not installed.
    """
    try:
        model = load(path)
    except (ValueError, ImportError) as error:
        raise UserError(str(error)) from error
    if table_features(model) is None or positive_label(model) is None:
        raise UserError(
            f"{path} holds a {type(model).__name__}, not a model of two classes whose columns "
            "focaltab.pipeline.TableFeatures reads: read it with focaltab.load."
        )
    return TableModel(model)
