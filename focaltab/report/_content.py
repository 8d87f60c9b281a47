"""What the report tells, read from a model folder."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.metrics._curve import Curve
from focaltab.metrics._door import BinaryRows
from focaltab.workflow import UserError

_THRESHOLDS = 200


@dataclass(frozen=True)
class Content:
    """Figures, facts and held-out predictions of one model folder."""

    schema: dict[str, Any]
    figures: dict[str, Any]
    predictions: pd.DataFrame
    y: NDArray[np.bool_]

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
            kept = {target: str, "probability": float, "probability_cross_entropy": float}
            predictions = pd.read_csv(
                model_dir / "predictions.csv", dtype=kept, keep_default_na=False
            )
            y = (predictions[target] == schema["positive"]).to_numpy()
            figures["focal"]["average_precision_low"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{model_dir} is no model folder of focaltab train: {error}") from error
        if not 0 < y.sum() < y.size:
            raise UserError(f"{model_dir}: predictions.csv does not hold both labels.")
        return cls(schema, figures, predictions, y)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Held-out probabilities of the focal model."""
        return self.predictions["probability"].to_numpy()

    @property
    def name(self) -> str:
        """The focal model in a few words."""
        config = self.schema["config"]
        alpha = "" if config["alpha"] is None else f", alpha={config['alpha']}"
        return f"focal gamma={config['gamma']:g}{alpha}"

    @property
    def verdict(self) -> str:
        """One sentence: both average precisions, and whether the difference means anything."""
        focal, plain = (self._told(k) for k in ("focal", "cross_entropy"))
        gap = self.figures["difference"]
        told = f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"
        if gap["low"] <= 0.0 <= gap["high"]:
            end = f"the difference, {told}, is within the noise"
        else:
            end = f"focal loss {'helped' if gap['value'] > 0 else 'hurt'} here, by {told}"
        name = self.name[0].upper() + self.name[1:]
        return f"{name}: average precision {focal} against {plain} with cross-entropy; {end}."

    def _told(self, model: str) -> str:
        f = self.figures[model]
        low, high = f["average_precision_low"], f["average_precision_high"]
        return f"{f['average_precision']:.3f} [{low:.3f}, {high:.3f}]"

    def thresholds(self) -> dict[str, list[float]]:
        """Threshold, alerts and hits at up to 200 numbers of alerts, evenly on a log scale."""
        curve = Curve.of(BinaryRows(self.y, self.probability, None))
        called = curve.called
        wanted = np.geomspace(1.0, called[-1], _THRESHOLDS)
        rows = np.unique(np.minimum(np.searchsorted(called, wanted), called.size - 1))
        return {
            "threshold": curve.threshold[rows].tolist(),
            "alerts": called[rows].tolist(),
            "hits": curve.true_positive[rows].tolist(),
        }

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
            "learning_rate", "early_stopping_rounds", "random_state",
        ):  # fmt: skip
            if config[key] is not None:
                words += [f"--{key.replace('_', '-')}", str(config[key])]
        for column in config["drop"]:
            words += ["--drop", column]
        return shlex.join(words)
