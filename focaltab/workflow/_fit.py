"""One fit of one kind of model: its library's calls, its progress, its best round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.data import told_of_common_positive
from focaltab.pipeline import TabularPipeline, make_pipeline
from focaltab.workflow._config import TrainConfig

# Called with the name of the fit, the rounds done and the rounds at most: first with none done,
# and when the fit has ended with as many done as there are.
Progress = Callable[[str, int, int], None]

# LightGBM's own 1e-3 lets leaves of a few rows take any value where positives are rare: on
# simulated fraud every round after the first makes held-out rows worse, with its built-in
# objective as well. 1 is XGBoost's default.
LIGHTGBM_MIN_CHILD_WEIGHT = 1.0
_MAX_CATEGORIES = 40
# Text of more values is encoded by the target, for which the training rows must be in memory.
ANY_NUMBER = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class Parts:
    """Columns and labels to train on, and those to stop early by."""

    X: Any
    y: NDArray[Any]
    X_stop: Any
    y_stop: NDArray[Any]


def pipeline_of(config: TrainConfig, gamma: float, alpha: Any, pos_label: Any) -> TabularPipeline:
    """The pipeline that is trained under one loss."""
    pipeline: TabularPipeline = make_pipeline(
        estimator_of(config, gamma, alpha),
        max_categories=ANY_NUMBER if config.external_memory else _MAX_CATEGORIES,
        categorical=config.categorical,
        pos_label=pos_label,
        random_state=config.random_state,
    )
    return pipeline


def fit(
    config: TrainConfig,
    pipeline: TabularPipeline,
    parts: Parts,
    name: str,
    progress: Progress | None,
) -> int:
    """Train one pipeline.

    Returns
    -------
    best_round : int
        The round or epoch, counted from 1, that scored best on the early-stopping rows.
    """
    done = 0

    def count(n: int) -> None:
        nonlocal done
        done = n
        if progress is not None:
            progress(name, n, max(config.rounds, n))

    count(0)
    train = {"xgb": _fit_xgboost, "lgbm": _fit_lightgbm, "mlp": _fit_network}[config.model]
    with told_of_common_positive():  # of labels that the user knows: `warnings_about`
        best_round = train(pipeline, parts, count)
    if progress is not None:
        progress(name, done, done)
    return best_round


def estimator_of(config: TrainConfig, gamma: float, alpha: Any) -> Any:
    """The model of a run under one loss."""
    if config.model == "mlp":
        from focaltab.neural import FocalMLPClassifier

        own: dict[str, Any] = {
            "max_iter": config.max_epochs,
            "learning_rate_init": config.learning_rate,
            "n_iter_no_change": config.early_stopping_rounds,
            "tol": 0.0,  # any rise in average precision counts, as it does for the boosters
        }
        return FocalMLPClassifier(
            focal_gamma=gamma,
            focal_alpha=alpha,
            sampling=config.sampling,
            random_state=config.random_state,
            **own,
        )
    options = boosting_options(config, gamma, alpha)
    if config.model == "xgb":
        from focaltab.boosting import FocalXGBClassifier

        return FocalXGBClassifier(**options)
    from focaltab.boosting import FocalLGBMClassifier

    return FocalLGBMClassifier(**options)


def boosting_options(config: TrainConfig, gamma: float, alpha: Any) -> dict[str, Any]:
    """Parameters of a booster, whether it is trained on this machine or on a cluster."""
    options = {
        "focal_gamma": gamma,
        "focal_alpha": alpha,
        "n_estimators": config.n_estimators,
        "learning_rate": config.learning_rate,
        "early_stopping_rounds": config.early_stopping_rounds,
        "sampling": config.sampling,
        "random_state": config.random_state,
    }
    if config.model == "lgbm":
        options |= {"verbosity": -1, "min_child_weight": LIGHTGBM_MIN_CHILD_WEIGHT}
    return options


def best_round_of(booster: Any) -> int:
    """The round of a fitted booster that scored best, counted from 1."""
    if hasattr(booster, "best_iteration"):
        return int(booster.best_iteration) + 1  # XGBoost counts from 0
    return int(booster.best_iteration_)


def _fit_lightgbm(pipeline: TabularPipeline, parts: Parts, count: Callable[[int], None]) -> int:
    def tell(env: Any) -> None:
        count(env.iteration + 1)

    pipeline.fit(parts.X, parts.y, eval_set=[(parts.X_stop, parts.y_stop)], model__callbacks=[tell])
    return best_round_of(pipeline[-1])


def _fit_xgboost(pipeline: TabularPipeline, parts: Parts, count: Callable[[int], None]) -> int:
    from xgboost.callback import TrainingCallback

    class Tell(TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            count(epoch + 1)
            return False

    pipeline.set_params(model__callbacks=[Tell()])
    pipeline.fit(parts.X, parts.y, eval_set=[(parts.X_stop, parts.y_stop)])
    # It told of this fit, and is no part of the model.
    pipeline.set_params(model__callbacks=None)
    return best_round_of(pipeline[-1])


def _fit_network(pipeline: TabularPipeline, parts: Parts, count: Callable[[int], None]) -> int:
    pipeline.fit(parts.X, parts.y, eval_set=[(parts.X_stop, parts.y_stop)], model__callback=count)
    return int(pipeline[-1].best_iter_)
