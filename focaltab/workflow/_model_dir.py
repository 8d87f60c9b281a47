"""A trained model as a folder: the saved model, a schema, figures and predictions. No pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from focaltab import __version__
from focaltab._new_file import part_of
from focaltab.persistence import load, read_manifest, save
from focaltab.workflow._errors import UserError
from focaltab.workflow._table_classifier import TableClassifier
from focaltab.workflow._train import TrainResult


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
        (part / "metrics.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        result.predictions.to_csv(part / "predictions.csv", index=False)
        result.top_rows.to_csv(part / "top_rows.csv", index=False)
        part.replace(path)


def load_model(path: str | Path) -> TableClassifier:
    """Read a folder that `save_model` wrote.

    Raises
    ------
    UserError
        If it is no such folder, was changed or damaged, or needs a library that is not installed.
    """
    try:
        model = load(path)
    except (ValueError, ImportError) as error:
        raise UserError(str(error)) from error
    if not isinstance(model, TableClassifier):
        raise UserError(
            f"{path} holds a {type(model).__name__}, not a model of focaltab train: read it with "
            "focaltab.load."
        )
    return model
