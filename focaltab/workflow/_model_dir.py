"""A trained model as a folder: the library's own file, a schema and figures. No pickle."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from focaltab import __version__
from focaltab.workflow._errors import UserError
from focaltab.workflow._features import Schema
from focaltab.workflow._train import TrainResult

_FILES = {"xgb": "model.json", "lgbm": "model.txt"}
_LIBRARIES = {"xgb": "xgboost", "lgbm": "lightgbm"}


def check_new_folder(path: Path) -> None:
    """Refuse an output folder that exists or has no parent."""
    if path.exists():
        raise UserError(f"{path} exists already: choose another --out or remove it.")
    if not path.resolve().parent.is_dir():
        raise UserError(f"There is no folder {path.resolve().parent}.")


def save_model(result: TrainResult, path: str | Path, *, source: str | None = None) -> None:
    """Write a model and what is known of it into a new folder.

    Beside the library's own file: ``schema.json``, ``metrics.json``, ``predictions.csv`` of the
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
    part = path.resolve().with_name(f".{path.name}.{os.getpid()}.part")
    part.mkdir()
    try:
        model_file = part / _FILES[result.config.model]
        if result.config.model == "xgb":
            best = result.estimator.best_iteration + 1
            result.estimator.get_booster()[:best].save_model(model_file)
        else:
            result.estimator.booster_.save_model(model_file)
        schema = {
            "focaltab": __version__,
            "source": source,
            "config": asdict(result.config),
            "versions": {
                name: version(name)
                for name in (_LIBRARIES[result.config.model], "numpy", "pandas", "scikit-learn")
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
        }
        (part / "schema.json").write_text(json.dumps(schema, indent=1), encoding="utf-8")
        figures = {**result.figures, "verdict": result.verdict}
        (part / "metrics.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        result.predictions.to_csv(part / "predictions.csv", index=False)
        result.top_rows.to_csv(part / "top_rows.csv", index=False)
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@dataclass(frozen=True)
class LoadedModel:
    """A model folder read back: scores tables by column name."""

    library: str
    booster: Any
    schema: Schema
    positive: str

    @property
    def text_columns(self) -> list[str]:
        """Columns to read as text, since their values are names: 7 is no other than "7"."""
        return [name for name, kind in self.schema.kinds.items() if kind == "category"]

    def predict(self, table: pd.DataFrame) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Calibrated probabilities of the positive label, and counts of unknown categories.

        The margins of the saved model are true log-odds, so the library's own file and a sigmoid
        are all it takes.

        Raises
        ------
        UserError
            If columns are missing or hold other kinds of values than in training.
        """
        X, unknown = self.schema.apply(table)
        if self.library == "xgb":
            import xgboost as xgb

            data = xgb.DMatrix(X, enable_categorical=True)
            margin = self.booster.predict(data, output_margin=True)
        else:
            margin = self.booster.predict(X, raw_score=True)
        return np.asarray(expit(np.asarray(margin, dtype=np.float64))), unknown


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
        model_file = path / _FILES[library]
        schema = Schema(stored["kinds"], stored["categories"], stored["left_out"])
        positive = stored["labels"][1]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path} is no model folder of focaltab train: {error}") from error
    if not model_file.is_file():
        raise UserError(f"{path} has no {model_file.name}.")
    try:
        booster = _read_booster(library, model_file)
    except Exception as error:
        # Each library raises types of its own; whichever it is, the file is broken.
        raise UserError(f"{model_file} cannot be read by {_LIBRARIES[library]}.") from error
    return LoadedModel(library, booster, schema, positive)


def _read_booster(library: str, model_file: Path) -> Any:
    if library == "xgb":
        import xgboost as xgb

        return xgb.Booster(model_file=model_file)
    import lightgbm as lgb

    return lgb.Booster(model_file=model_file)
