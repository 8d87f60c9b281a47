"""One fit of one kind of model: its library's calls, its progress, its best round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from focaltab.data import told_of_common_positive
from focaltab.workflow._config import TrainConfig

# Called with the name of the fit, the rounds done and the rounds at most: first with none done,
# and when the fit has ended with as many done as there are.
Progress = Callable[[str, int, int], None]

# LightGBM's own 1e-3 lets leaves of a few rows take any value where positives are rare: on
# simulated fraud every round after the first makes held-out rows worse, with its built-in
# objective as well. 1 is XGBoost's default.
LIGHTGBM_MIN_CHILD_WEIGHT = 1.0


@dataclass(frozen=True)
class Parts:
    """Features and labels to train on, and those to stop early by."""

    X: pd.DataFrame
    y: NDArray[Any]
    X_stop: pd.DataFrame
    y_stop: NDArray[Any]


def fit(
    config: TrainConfig,
    gamma: float,
    alpha: Any,
    parts: Parts,
    name: str,
    progress: Progress | None,
) -> tuple[Any, int]:
    """Train one model.

    Returns
    -------
    estimator
    best_round : int
        The round or epoch, counted from 1, that scored best on the early-stopping rows.
    """
    most = config.rounds

    def tell(done: int, total: int = most) -> None:
        if progress is not None:
            progress(name, done, total)

    tell(0)
    train = {"xgb": _fit_xgboost, "lgbm": _fit_lightgbm, "mlp": _fit_network}[config.model]
    with told_of_common_positive():  # of labels that the user knows: `warnings_about`
        estimator, best_round, done = train(config, gamma, alpha, parts, tell)
    tell(done, done)
    return estimator, best_round


def boosting_options(config: TrainConfig, gamma: float, alpha: Any) -> dict[str, Any]:
    return {
        "focal_gamma": gamma,
        "focal_alpha": alpha,
        "n_estimators": config.n_estimators,
        "learning_rate": config.learning_rate,
        "early_stopping_rounds": config.early_stopping_rounds,
        "sampling": config.sampling,
        "random_state": config.random_state,
    }


def _fit_lightgbm(
    config: TrainConfig, gamma: float, alpha: Any, parts: Parts, tell: Callable[[int], None]
) -> tuple[Any, int, int]:
    from focaltab.boosting import FocalLGBMClassifier

    done = 0

    def count(env: Any) -> None:
        nonlocal done
        done = env.iteration + 1
        tell(done)

    estimator = FocalLGBMClassifier(
        verbosity=-1,
        min_child_weight=LIGHTGBM_MIN_CHILD_WEIGHT,
        **boosting_options(config, gamma, alpha),
    )
    estimator.fit(parts.X, parts.y, eval_set=[(parts.X_stop, parts.y_stop)], callbacks=[count])
    return estimator, int(estimator.best_iteration_), done


def _fit_xgboost(
    config: TrainConfig, gamma: float, alpha: Any, parts: Parts, tell: Callable[[int], None]
) -> tuple[Any, int, int]:
    from xgboost.callback import TrainingCallback

    from focaltab.boosting import FocalXGBClassifier

    class Count(TrainingCallback):  # type: ignore[misc]
        done = 0

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            self.done = epoch + 1
            tell(self.done)
            return False

    count = Count()
    estimator = FocalXGBClassifier(callbacks=[count], **boosting_options(config, gamma, alpha))
    estimator.fit(parts.X, parts.y, eval_set=[(parts.X_stop, parts.y_stop)])
    # It told of this fit, and is no part of the model.
    estimator.set_params(callbacks=None)
    return estimator, int(estimator.best_iteration) + 1, count.done


def _fit_network(
    config: TrainConfig, gamma: float, alpha: Any, parts: Parts, tell: Callable[[int], None]
) -> tuple[Any, int, int]:
    from focaltab.neural import FocalMLPClassifier

    options: dict[str, Any] = {
        "max_iter": config.max_epochs,
        "learning_rate_init": config.learning_rate,
        "n_iter_no_change": config.early_stopping_rounds,
    }
    model = FocalMLPClassifier(
        focal_gamma=gamma,
        focal_alpha=alpha,
        sampling=config.sampling,
        tol=0.0,  # any rise in average precision counts, as it does for the boosters
        random_state=config.random_state,
        **options,
    )
    model.fit(parts.X, parts.y, eval_set=(parts.X_stop, parts.y_stop), callback=tell)
    return model, model.best_iter_, model.n_iter_
