"""A trained model as a folder: the model's own file, a schema and figures. No pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab import __version__
from focaltab._new_file import part_of
from focaltab.workflow import _model_file
from focaltab.workflow._config import require_library
from focaltab.workflow._errors import UserError
from focaltab.workflow._features import Schema
from focaltab.workflow._train import TrainResult


def check_new_folder(path: Path) -> None:
    """Refuse an output folder that exists or has no parent."""
    if path.exists():
        raise UserError(f"{path} exists already: choose another --out or remove it.")
    if not path.resolve().parent.is_dir():
        raise UserError(f"There is no folder {path.resolve().parent}.")


def save_model(result: TrainResult, path: str | Path, *, source: str | None = None) -> None:
    """Write a model and what is known of it into a new folder.

    Beside the model's own file: ``schema.json``, ``metrics.json``, ``predictions.csv`` of the
    held-out rows, and ``top_rows.csv`` with the columns of the 20 that score highest.

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
        part.mkdir()
        _model_file.write(result.config.model, result.estimator, part)
        schema = {
            "focaltab": __version__,
            "source": source,
            "config": asdict(result.config),
            "versions": {
                name: version(name)
                for name in (
                    _model_file.LIBRARIES[result.config.model],
                    "numpy",
                    "pandas",
                    "scikit-learn",
                )
            },
            "loss": {
                "gamma": result.config.gamma,
                "alpha": result.config.alpha,
                "link": "logit",
            },
            "labels": list(result.labels),
            "positive": result.labels[1],
            "columns": list(result.schema.kinds),
            "feature_names": result.schema.feature_names,
            "kinds": result.schema.kinds,
            "categories": result.schema.categories,
            "left_out": result.schema.left_out,
            "doubtful": result.schema.doubtful,
        }
        (part / "schema.json").write_text(json.dumps(schema, indent=1), encoding="utf-8")
        figures = {**result.figures, "verdict": result.verdict}
        (part / "metrics.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        result.predictions.to_csv(part / "predictions.csv", index=False)
        result.top_rows.to_csv(part / "top_rows.csv", index=False)
        part.replace(path)


@dataclass(frozen=True)
class LoadedModel:
    """A model folder read back: scores tables by column name."""

    library: str
    model: Any
    schema: Schema
    positive: str

    @property
    def text_columns(self) -> list[str]:
        """Columns to read as text, since their values are names: 7 is no other than "7"."""
        return [name for name, kind in self.schema.kinds.items() if kind == "category"]

    def predict(self, table: pd.DataFrame) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Calibrated probabilities of the positive label, and counts of unknown categories.

        Raises
        ------
        UserError
            If columns are missing or hold other kinds of values than in training.
        """
        X, unknown = self.schema.apply(table)
        return _model_file.probability(self.library, self.model, X), unknown


def load_model(path: str | Path) -> LoadedModel:
    """Read a folder that `save_model` wrote.

    Raises
    ------
    UserError
        If it is no such folder.
    """
    path = Path(path)
    try:
        stored = json.loads((path / "schema.json").read_text(encoding="utf-8"))
        library = stored["config"]["model"]
        model_file = path / _model_file.FILES[library]
        schema = Schema(stored["kinds"], stored["categories"], stored["left_out"])
        positive = stored["labels"][1]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path} is no model folder of focaltab train: {error}") from error
    if not model_file.is_file():
        raise UserError(f"{path} has no {model_file.name}.")
    require_library(library)
    try:
        model = _model_file.read(library, path)
    except Exception as error:
        # Each library raises types of its own; whichever it is, the file is broken.
        raise UserError(
            f"{model_file} cannot be read by {_model_file.LIBRARIES[library]}."
        ) from error
    return LoadedModel(library, model, schema, positive)
