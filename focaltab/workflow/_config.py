"""Everything that decides a training run."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from focaltab._optional import require
from focaltab.losses import FocalLoss
from focaltab.sampling._hard_negative import sampling_of
from focaltab.workflow._errors import UserError

# Of predictions.csv, beside the target's own.
PREDICTION_COLUMNS = (
    "row",
    "probability",
    "probability_focal",
    "probability_cross_entropy",
)


# What None stands for. A network's epoch sees every row, so it needs fewer of them.
USUAL_GAMMA = 2.0
_BOOSTER = {"n_estimators": 500, "learning_rate": 0.1, "early_stopping_rounds": 50}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "xgb": _BOOSTER,
    "lgbm": _BOOSTER,
    "mlp": {"max_epochs": 50, "learning_rate": 0.001, "early_stopping_rounds": 10},
    "auto": {"time_budget": 60.0},
    "ensemble": {},
}
# Many models, weighted by what they add out of fold.
_ENSEMBLES = ("auto", "ensemble")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run; `check` raises `UserError` on a bad value.

    None stands for the model's own default, which `filled` puts in its place. ``"auto"`` is an
    ensemble of what can be trained in ``time_budget`` seconds, or where an option of boosters is
    given ``"xgb"``, of networks ``"mlp"``; ``"ensemble"`` is one of all members.
    A ``gamma`` of None tries 2 and cross-entropy, and keeps the better; on a cluster it is 2.
    Boosters have at most ``n_estimators`` rounds, a network has at most ``max_epochs`` epochs.
    ``categorical`` names columns whose values are names though they look like numbers.
    ``external_memory`` says that the rows are read from their files in batches: see
    `train_from_files`. ``dask`` is the address of the scheduler that a booster is trained through,
    or ``"local"``.
    """

    target: str
    model: Literal["auto", "ensemble", "xgb", "lgbm", "mlp"] = "auto"
    gamma: float | None = None
    alpha: float | str | None = None
    positive: str | None = None
    test_size: float = 0.2
    time_column: str | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    n_estimators: int | None = None
    max_epochs: int | None = None
    learning_rate: float | None = None
    early_stopping_rounds: int | None = None
    sampling: Literal["hard_negative"] | None = None
    time_budget: float | None = None
    random_state: int = 0
    external_memory: bool = False
    dask: str | None = None

    def filled(self) -> TrainConfig:
        """The same with the model's defaults for what is None."""
        if self.model == "auto" and (chosen := self._chosen_by_options()):
            return replace(self, model=chosen).filled()
        if self.dask and self.gamma is None:
            return replace(self, gamma=USUAL_GAMMA).filled()
        open_to = {k: v for k, v in _DEFAULTS[self.model].items() if getattr(self, k) is None}
        return replace(self, **open_to)

    def _chosen_by_options(self) -> Literal["xgb", "mlp"] | None:
        """The one model that "auto" is where an option is given that an ensemble has not."""
        if self.max_epochs is not None:
            return "mlp"
        of_boosters = (self.n_estimators, self.learning_rate, self.early_stopping_rounds)
        if any(value is not None for value in of_boosters):
            return "xgb"
        return "xgb" if self.external_memory or self.dask or self.sampling else None

    @property
    def is_ensemble(self) -> bool:
        """Whether many models are trained."""
        return self.filled().model in _ENSEMBLES

    @property
    def single(self) -> TrainConfig:
        """The same for one model: of an ensemble, the booster that it is compared with."""
        if not self.is_ensemble:
            return self
        return replace(self, model="xgb", time_budget=None, alpha=None).filled()

    @property
    def rounds(self) -> int:
        """Boosting rounds, or epochs, at most, of one model."""
        filled = self.single.filled()
        return filled.n_estimators or filled.max_epochs or 0

    @property
    def unit(self) -> str:
        """What the rounds are called."""
        return "epoch" if self.single.model == "mlp" else "round"

    @property
    def losses(self) -> dict[str, tuple[float, float | str | None]]:
        """Gamma and alpha of the loss that is asked for, and of the one to compare it with."""
        gamma = USUAL_GAMMA if self.gamma is None else self.gamma
        return {"focal": (gamma, self.alpha), "cross_entropy": (0.0, None)}

    def check_named(self, columns: Iterable[Any]) -> None:
        """Refuse to leave out, or take for names, a column that is not there."""
        check_named(set(columns), drop=self.drop, categorical=self.categorical)

    def check(self) -> None:
        """Refuse values that no data could make right."""
        try:
            FocalLoss(self.losses["focal"][0], self.alpha)
        except ValueError as error:
            raise UserError(str(error)) from error
        if self.model not in _DEFAULTS:
            raise UserError(f"--model must be one of {', '.join(_DEFAULTS)}, got {self.model!r}.")
        if self.time_budget is not None and not (0.0 < self.time_budget < np.inf):
            raise UserError(f"--time-budget must be positive seconds, got {self.time_budget}.")
        if not self.is_ensemble and self.time_budget is not None:
            raise UserError("--time-budget is for --model auto: a single model has no use for it.")
        if self.model == "ensemble" and (chosen := self._chosen_by_options()):
            raise UserError(
                "--n-estimators, --max-epochs, --learning-rate, --early-stopping-rounds, "
                f"--sampling, --external-memory and --dask are for one model: use --model {chosen}."
            )
        if self.model == "mlp" and self.n_estimators is not None:
            raise UserError("--n-estimators is for boosters: with --model mlp use --max-epochs.")
        if self.model != "mlp" and self.max_epochs is not None:
            raise UserError("--max-epochs is for --model mlp: boosters have --n-estimators.")
        try:
            sampling_of(self.sampling)
        except ValueError:
            raise UserError(f"--sampling must be hard_negative, got {self.sampling!r}.") from None
        if self.filled().model not in ("xgb", "lgbm") and self.external_memory:
            raise UserError("--external-memory is for boosters: use --model xgb or lgbm.")
        require_library(self.model)
        if not 0.0 < self.test_size < 1.0:
            raise UserError(f"--test-size must lie between 0 and 1, got {self.test_size}.")
        for option in ("n_estimators", "max_epochs", "early_stopping_rounds"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise UserError(f"--{option.replace('_', '-')} must be at least 1, got {value}.")
        if self.learning_rate is not None and not 0.0 < self.learning_rate < np.inf:
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
        for name in (self.time_column, *self.drop, *self.categorical):
            if name == self.target:
                raise UserError(f"{name!r} is the target: it can be no other column as well.")
        for name in self.categorical:
            if name in (self.time_column, *self.drop):
                raise UserError(f"--categorical {name!r} is no feature: it is left out.")
        if self.categorical and (self.external_memory or self.dask):
            raise UserError(
                "--categorical is for tables in memory: with --external-memory and --dask, store "
                f"column {self.categorical[0]!r} as text."
            )


def check_named(columns: Collection[Any], **options: Iterable[str]) -> None:
    """Refuse options, such as ``drop``, that name a column which is not there."""
    for option, names in options.items():
        absent = [name for name in names if name not in columns]
        if absent:
            raise UserError(f"--{option} names a column that is not there: {absent[0]!r}.")


def require_library(model: str) -> None:
    """Refuse a model whose library is not installed."""
    if model == "mlp":
        try:
            require("torch", "--model mlp", extra="torch")
        except ImportError as error:
            raise UserError(f"{error}.") from None
