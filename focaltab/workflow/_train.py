"""Train a focal model beside the same model with plain cross-entropy, and compare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.losses import FocalLoss
from focaltab.metrics import paired_difference
from focaltab.workflow._errors import UserError
from focaltab.workflow._evaluate import evaluate
from focaltab.workflow._features import Schema
from focaltab.workflow._split import moments, split
from focaltab.workflow._table import check_columns
from focaltab.workflow._target import binary_target
from focaltab.workflow._told import model_name, verdict

# Called with the name of the fit and the number of rounds done.
Progress = Callable[[str, int], None]
_VALIDATION_SHARE = 0.2
# Of predictions.csv, beside the target's own.
PREDICTION_COLUMNS = ("row", "probability", "probability_cross_entropy")
_TOP_ROWS = 20


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


@dataclass(frozen=True)
class TrainResult:
    """A trained model with its held-out figures and those of cross-entropy.

    ``top_rows`` holds the row numbers and the columns of the held-out rows that score highest.
    """

    config: TrainConfig
    estimator: Any
    schema: Schema
    labels: tuple[str, str]
    figures: dict[str, Any]
    predictions: pd.DataFrame
    top_rows: pd.DataFrame

    @property
    def verdict(self) -> str:
        """Both average precisions, and whether focal loss helped."""
        return verdict(self.figures, self.name)

    @property
    def name(self) -> str:
        """The focal model in a few words."""
        return model_name(self.config.gamma, self.config.alpha)


def train(
    table: pd.DataFrame, config: TrainConfig, progress: Progress | None = None
) -> TrainResult:
    """Train on a table and judge on its held-out part.

    Parameters
    ----------
    table : DataFrame
        As `read_table` returns it.
    config : TrainConfig
    progress : callable, default=None
        Called after every boosting round with the fit's name and the rounds done.

    Returns
    -------
    TrainResult

    Raises
    ------
    UserError
        For anything in the table or the options that cannot be trained on.
    """
    config.check()
    y, negative, positive = binary_target(table, config.target, config.positive)
    absent = [name for name in config.drop if name not in table.columns]
    if absent:
        raise UserError(f"--drop names a column that is not there: {absent[0]!r}.")
    check_columns(table.drop(columns=[n for n in config.drop if n != config.time_column]))
    when = None if config.time_column is None else moments(table, config.time_column)
    used = {config.target, *config.drop} | ({config.time_column} - {None})
    features = table.drop(columns=[str(name) for name in used])
    kept, held_out = split(y, when, config.test_size, config.random_state)
    schema = Schema.from_table(features.iloc[kept])
    X, _ = schema.apply(features)
    inner = None if when is None else when[kept]
    fit_rows, stop_rows = (
        kept[rows]
        for rows in split(
            y[kept],
            inner,
            _VALIDATION_SHARE,
            config.random_state,
            purpose="early-stopping",
            remedy="more rows of the rarer class or a smaller --test-size are needed",
        )
    )
    # One early-stopping part for both losses, so that only the loss differs.
    parts = (X.iloc[fit_rows], y[fit_rows], X.iloc[stop_rows], y[stop_rows])
    scores: dict[str, NDArray[Any]] = {}
    estimators: dict[str, Any] = {}
    for name, gamma, alpha in (
        ("focal", config.gamma, config.alpha),
        ("cross_entropy", 0.0, None),
    ):
        estimators[name] = _fit(config, gamma, alpha, parts, name, progress)
        scores[name] = estimators[name].predict_proba(X.iloc[held_out])[:, 1]
    truth = y[held_out]
    gap = paired_difference(
        "average_precision",
        truth,
        scores["focal"],
        scores["cross_entropy"],
        random_state=config.random_state,
    )
    figures = {
        "rows": {"train": fit_rows.size, "early_stopping": stop_rows.size, "test": held_out.size},
        **{
            name: evaluate(truth, s, random_state=config.random_state) for name, s in scores.items()
        },
        "difference": {"value": gap.value, "low": gap.low, "high": gap.high},
    }
    row, focal, plain = PREDICTION_COLUMNS
    predictions = pd.DataFrame(
        {
            row: held_out,
            config.target: np.where(truth == 1, positive, negative),
            focal: scores["focal"],
            plain: scores["cross_entropy"],
        }
    )
    top = held_out[np.argsort(-scores["focal"], kind="stable")[:_TOP_ROWS]]
    top_rows = features.iloc[top][list(schema.kinds)]
    top_rows.insert(0, row, top, allow_duplicates=True)
    return TrainResult(
        config, estimators["focal"], schema, (negative, positive), figures, predictions, top_rows
    )


def _fit(
    config: TrainConfig,
    gamma: float,
    alpha: Any,
    parts: tuple[pd.DataFrame, NDArray[Any], pd.DataFrame, NDArray[Any]],
    name: str,
    progress: Progress | None,
) -> Any:
    X, y, X_stop, y_stop = parts
    shared = {
        "focal_gamma": gamma,
        "focal_alpha": alpha,
        "n_estimators": config.n_estimators,
        "learning_rate": config.learning_rate,
        "early_stopping_rounds": config.early_stopping_rounds,
        "random_state": config.random_state,
    }
    if config.model == "lgbm":
        from focaltab.boosting import FocalLGBMClassifier

        def lightgbm_progress(env: Any) -> None:
            if progress is not None:
                progress(name, env.iteration + 1)

        return FocalLGBMClassifier(verbosity=-1, **shared).fit(
            X, y, eval_set=[(X_stop, y_stop)], callbacks=[lightgbm_progress]
        )
    from xgboost.callback import TrainingCallback

    from focaltab.boosting import FocalXGBClassifier

    class XGBoostProgress(TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if progress is not None:
                progress(name, epoch + 1)
            return False

    estimator = FocalXGBClassifier(callbacks=[XGBoostProgress()], **shared)
    return estimator.fit(X, y, eval_set=[(X_stop, y_stop)])
