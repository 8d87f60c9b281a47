"""What the report tells, read from a model folder."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.workflow import UserError
from focaltab.workflow._summary import verdict

_MANY_DECIMALS = re.compile(r"-?\d+\.\d{5,}")


@dataclass(frozen=True)
class Content:
    """Figures, facts and held-out predictions of one model folder."""

    schema: dict[str, Any]
    figures: dict[str, Any]
    predictions: pd.DataFrame
    y: NDArray[np.bool_]
    own_values: pd.DataFrame

    @classmethod
    def of(cls, model_dir: Path) -> Content:
        """Read the folder that ``focaltab train`` wrote.

        Raises
        ------
        UserError
            If it is no such folder, or its files do not fit together.
        """
        try:
            schema = json.loads((model_dir / "schema.json").read_text(encoding="utf-8"))
            figures = json.loads((model_dir / "metrics.json").read_text(encoding="utf-8"))
            target = schema["config"]["target"]
            schema["doubtful"]
            other = next(key for key in figures["names"] if key != figures["kept"])
            types = {target: str, "probability": float, f"probability_{other}": float}
            predictions = pd.read_csv(
                model_dir / "predictions.csv", dtype=types, keep_default_na=False
            )
            predictions[list(types)]
            y = (predictions[target] == schema["positive"]).to_numpy()
            figures[figures["kept"]]["average_precision_low"], figures["rounds"]["most"]
            figures["positives"]["test"]
            own_values = _own_values(model_dir / "top_rows.csv")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{model_dir} is no model folder of focaltab train: {error}") from error
        if not 0 < y.sum() < y.size:
            raise UserError(f"{model_dir}: predictions.csv does not hold both labels.")
        return cls(schema, figures, predictions, y, own_values)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Held-out probabilities of the model that was kept."""
        return self.predictions["probability"].to_numpy()

    @property
    def name(self) -> str:
        """The model that was kept in a few words."""
        return str(self.figures["names"][self.figures["kept"]])

    @property
    def other(self) -> str:
        """Key of the model that it is compared with."""
        return next(key for key in self.figures["names"] if key != self.figures["kept"])

    @property
    def verdict(self) -> str:
        """Both average precisions, and whether the difference means anything."""
        return verdict(self.figures)

    def highest(self, n_rows: int = 20) -> pd.DataFrame:
        """The held-out rows that score highest."""
        return self.predictions.nlargest(n_rows, "probability")

    @property
    def command(self) -> str:
        """The command that repeats the training."""
        config = self.schema["config"]
        source = self.schema.get("source") or "DATA"
        words = ["focaltab", "train", source, "--target", config["target"], "--out", "NEW_FOLDER"]
        words += ["--positive", self.schema["positive"]]
        for key in (
            "model", "gamma", "alpha", "time_column", "test_size", "n_estimators",
            "max_epochs", "learning_rate", "early_stopping_rounds", "sampling", "time_budget",
            "random_state", "dask",
        ):  # fmt: skip
            if config.get(key) is not None:
                words += [f"--{key.replace('_', '-')}", str(config[key])]
        if config.get("external_memory"):
            words.append("--external-memory")
        for option in ("drop", "categorical"):
            for column in config.get(option, ()):
                words += [f"--{option}", column]
        return shlex.join(words)


def _own_values(path: Path) -> pd.DataFrame:
    """Columns of the highest-scored rows as text, by row number; none in folders without the file.

    Read by place, since a column of the data may be named ``row`` too.
    """
    if not path.is_file():
        return pd.DataFrame(index=pd.Index([], dtype=np.int64))
    lines = pd.read_csv(path, header=None, dtype=str, keep_default_na=False)
    numbers = lines.iloc[1:, 0].astype(np.int64)
    values = lines.iloc[1:, 1:].map(_short)
    return values.set_axis(numbers).set_axis(lines.iloc[0, 1:].tolist(), axis=1)


def _short(text: str) -> str:
    """Text as it is, but for a number with more decimals than anyone reads."""
    if not _MANY_DECIMALS.fullmatch(text):
        return text
    value = float(text)
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
