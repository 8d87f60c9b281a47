"""The file of a trained model in its library's own format, or as plain arrays. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

FILES = {"xgb": "model.json", "lgbm": "model.txt", "mlp": "model.npz"}
LIBRARIES = {"xgb": "xgboost", "lgbm": "lightgbm", "mlp": "torch"}


def write(kind: str, estimator: Any, folder: Path) -> None:
    """Write an estimator of a kind into a folder."""
    path = folder / FILES[kind]
    if kind == "xgb":
        best = estimator.best_iteration + 1
        estimator.get_booster()[:best].save_model(path)
    elif kind == "lgbm":
        estimator.booster_.save_model(path)
    else:
        from focaltab.neural._state import to_arrays

        np.savez(path, **to_arrays(estimator))  # type: ignore[arg-type]


def read(kind: str, folder: Path) -> Any:
    """A booster, or the network's estimator; whatever its library raises means a broken file."""
    path = folder / FILES[kind]
    if kind == "xgb":
        import xgboost as xgb

        return xgb.Booster(model_file=path)
    if kind == "lgbm":
        import lightgbm as lgb

        return lgb.Booster(model_file=path)
    from focaltab.neural._state import from_arrays

    with np.load(path, allow_pickle=False) as arrays:
        return from_arrays(dict(arrays))


def probability(kind: str, model: Any, X: pd.DataFrame) -> NDArray[np.float64]:
    """Calibrated probabilities of the positive label.

    A booster's margins are true log-odds, so its own file and a sigmoid are all it takes.
    """
    if kind == "mlp":
        return np.asarray(model.predict_proba(X)[:, 1])
    if kind == "xgb":
        import xgboost as xgb

        margin = model.predict(xgb.DMatrix(X, enable_categorical=True), output_margin=True)
    else:
        margin = model.predict(X, raw_score=True)
    return np.asarray(expit(np.asarray(margin, dtype=np.float64)))
