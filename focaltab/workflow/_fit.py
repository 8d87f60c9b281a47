"""One fit of one kind of model: its library's calls, its progress, its best round."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from focaltab.data import EarlyStopWarning, auto_folds, told_of_common_positive
from focaltab.data._early_stopping import BOOSTER_FOLDS, NETWORK_FOLDS
from focaltab.pipeline import TabularPipeline, make_pipeline
from focaltab.pipeline._needs import ANY_NUMBER
from focaltab.workflow._config import TrainConfig


class Progress(Protocol):
    """Told the name of a fit, the rounds (or members) done, those at most, and what is going on.

    First with none done, and when the fit has ended with as many done as there are.
    """

    def __call__(self, name: str, done: int, most: int, text: str = "") -> None: ...


# LightGBM's own 1e-3 lets leaves of a few rows take any value where positives are rare: on
# simulated fraud every round after the first makes held-out rows worse, with its built-in
# objective as well. 1 is XGBoost's default.
LIGHTGBM_MIN_CHILD_WEIGHT = 1.0
_MAX_CATEGORIES = 40


def pipeline_of(
    config: TrainConfig, gamma: float, alpha: Any, pos_label: Any, folds: Any = "auto"
) -> TabularPipeline:
    """The pipeline that is trained under one loss; `folds` say for how long."""
    pipeline: TabularPipeline = make_pipeline(
        estimator_of(config, gamma, alpha).set_params(early_stopping_folds=folds),
        # Text of more values is encoded by the target, for which all rows must be in memory.
        max_categories=ANY_NUMBER if config.external_memory else _MAX_CATEGORIES,
        categorical=config.categorical,
        pos_label=pos_label,
        random_state=config.random_state,
    )
    return pipeline


def fit(
    config: TrainConfig,
    pipeline: TabularPipeline,
    X: Any,
    y: NDArray[Any],
    name: str,
    progress: Progress | None,
) -> int:
    """Train one pipeline.

    Returns
    -------
    best_round : int
        The rounds or epochs that the model has: those that folds were predicted best with.
    """
    finished = latest = 0
    most = config.rounds * _fits(config, y)

    def count(n: int) -> None:
        """Rounds done of all folds together: on each, and on all rows, they start anew."""
        nonlocal finished, latest
        if n <= latest:
            finished += latest
        latest = n
        if progress is not None:
            progress(name, finished + n, max(most, finished + n))

    if progress is not None:
        progress(name, 0, most)
    train = {"xgb": _fit_xgboost, "lgbm": _fit_lightgbm, "mlp": _fit_network}[config.model]
    with told_of_common_positive(), warnings.catch_warnings():
        # The labels are known to the user, and an early stop is told of: `warnings_about`.
        warnings.simplefilter("ignore", EarlyStopWarning)
        best_round = train(pipeline, X, y, count)
    if progress is not None:
        progress(name, finished + latest, finished + latest)
    return best_round


def _fits(config: TrainConfig, y: NDArray[Any]) -> int:
    """How often the model is trained, at most: on each fold, and on all rows."""
    if config.time_column is not None:
        return 2
    counts = np.unique(y, return_counts=True)[1]
    return 1 + auto_folds(counts, NETWORK_FOLDS if config.model == "mlp" else BOOSTER_FOLDS)


def estimator_of(config: TrainConfig, gamma: float, alpha: Any) -> Any:
    """The model of a run under one loss."""
    if config.model == "mlp":
        from focaltab.neural import FocalMLPClassifier

        own: dict[str, Any] = {
            "max_iter": config.max_epochs,
            "learning_rate_init": config.learning_rate,
            "n_iter_no_change": config.early_stopping_rounds,
            "early_stopping": True,
            "tol": 0.0,  # any improvement counts, as it does for the boosters
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


def fit_ensemble(
    config: TrainConfig, X: Any, y: NDArray[Any], pos_label: Any, progress: Progress | None
) -> TabularPipeline:
    """Train many models, and weight them by what they add out of fold."""
    from focaltab.ensemble import FocalEnsembleClassifier, default_members

    members = default_members()
    for member in members.values():
        focal = getattr(member, "focal_gamma", 0.0)
        if focal and config.gamma is not None:
            member.set_params(focal_gamma=config.gamma)
        if focal and config.alpha is not None:
            member.set_params(focal_alpha=config.alpha)
    ensemble = FocalEnsembleClassifier(
        members, time_budget=config.time_budget, n_jobs=-1, random_state=config.random_state
    )
    model = make_pipeline(
        ensemble,
        categorical=config.categorical,
        pos_label=pos_label,
        random_state=config.random_state,
    )

    def tell(done: int, most: int, text: str) -> None:
        if progress is not None:
            progress("ensemble", done, most, text)

    with told_of_common_positive():
        model.fit(X, y, model__callback=tell)
    return model


def best_round_of(booster: Any) -> int:
    """The round of a fitted booster that scored best, counted from 1."""
    if hasattr(booster, "best_iteration"):
        return int(booster.best_iteration) + 1  # XGBoost counts from 0
    return int(booster.best_iteration_)


def _fit_lightgbm(
    pipeline: TabularPipeline, X: Any, y: NDArray[Any], count: Callable[[int], None]
) -> int:
    def tell(env: Any) -> None:
        count(env.iteration + 1)

    pipeline.fit(X, y, model__callbacks=[tell])
    return best_round_of(pipeline[-1])


def _fit_xgboost(
    pipeline: TabularPipeline, X: Any, y: NDArray[Any], count: Callable[[int], None]
) -> int:
    from xgboost.callback import TrainingCallback

    class Tell(TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            count(epoch + 1)
            return False

    pipeline.set_params(model__callbacks=[Tell()])
    pipeline.fit(X, y)
    # It told of this fit, and is no part of the model.
    pipeline.set_params(model__callbacks=None)
    return best_round_of(pipeline[-1])


def _fit_network(
    pipeline: TabularPipeline, X: Any, y: NDArray[Any], count: Callable[[int], None]
) -> int:
    pipeline.fit(X, y, model__callback=count)
    return int(pipeline[-1].best_iter_)
