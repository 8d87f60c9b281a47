"""Everything that decides a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from focaltab.losses import FocalLoss
from focaltab.workflow._errors import UserError

# Of predictions.csv, beside the target's own.
PREDICTION_COLUMNS = ("row", "probability", "probability_cross_entropy")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run; `check` raises `UserError` on a bad value."""

    target: str
    model: Literal["xgb", "lgbm"] = "xgb"
    gamma: float = 2.0
    alpha: float | str | None = None
    positive: str | None = None
    test_size: float = 0.2
    time_column: str | None = None
    drop: tuple[str, ...] = ()
    n_estimators: int = 500
    learning_rate: float = 0.1
    early_stopping_rounds: int = 50
    random_state: int = 0

    @property
    def rounds(self) -> int:
        """Boosting rounds at most."""
        return self.n_estimators

    def check(self) -> None:
        """Refuse values that no data could make right."""
        try:
            FocalLoss(self.gamma, self.alpha)
        except ValueError as error:
            raise UserError(str(error)) from error
        if self.model not in ("xgb", "lgbm"):
            raise UserError(f"--model must be xgb or lgbm, got {self.model!r}.")
        if not 0.0 < self.test_size < 1.0:
            raise UserError(f"--test-size must lie between 0 and 1, got {self.test_size}.")
        if self.n_estimators < 1 or self.early_stopping_rounds < 1:
            raise UserError("--n-estimators and --early-stopping-rounds must be at least 1.")
        if not 0.0 < self.learning_rate < np.inf:
            raise UserError(
                f"--learning-rate must be positive and finite, got {self.learning_rate}."
            )
        if not 0 <= self.random_state < 2**31:
            raise UserError(f"--random-state must be from 0 to 2^31 - 1, got {self.random_state}.")
        if self.target in PREDICTION_COLUMNS:
            raise UserError(
                f"Target {self.target!r} has the name of another column of predictions.csv: rename "
                "it in the data."
            )
        for name in (self.time_column, *self.drop):
            if name == self.target:
                raise UserError(f"{name!r} is the target: it can be no other column as well.")
