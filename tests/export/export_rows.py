"""Rows that are hard on an export, and a session over what it made."""

import numpy as np
import pandas as pd

N_ROWS = 10_000


def session_of(built):
    from onnxruntime import InferenceSession

    return InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])


def awkward(n_rows, n_features, seed, missing=0.1):
    """Doubles that float32 cannot tell apart, on a grid so that splits fall between them."""
    rng = np.random.default_rng(seed)
    grid = rng.integers(-8, 9, (n_rows, n_features)) / 4.0 + 0.1
    steps = rng.integers(-2, 3, (n_rows, n_features))
    X = grid + steps * 1e-9
    return np.where(rng.random(X.shape) < missing, np.nan, X), steps


def target(X, steps, n_classes, seed):
    """Classes that depend on the ninth decimal as much as on the first."""
    rng = np.random.default_rng(seed)
    whole = np.nan_to_num(X)
    score = whole[:, 0] + 1.5 * (steps[:, 0] > 0) * ~np.isnan(X[:, 0]) + whole[:, 1] * whole[:, 2]
    score = score + np.isnan(X[:, 1]) + 1.0 * (steps[:, 3] < 0) + rng.logistic(size=len(X))
    if n_classes == 2:
        return (score > 3.5).astype(int)
    return np.digitize(score, np.linspace(1.0, 4.0, n_classes - 1))


def frame(n_rows, seed, *, n_many=60):
    """Numbers with gaps and categories of text and of whole numbers."""
    X, steps = awkward(n_rows, 3, seed)
    rng = np.random.default_rng(seed + 100)
    few = rng.choice(["FR", "NO", "New York", ""], n_rows, p=[0.5, 0.3, 0.15, 0.05])
    many = np.array([f"m{k}" for k in range(n_many)])[rng.integers(0, n_many, n_rows)]
    table = pd.DataFrame(
        {
            "amount": X[:, 0],
            "country": pd.Categorical(np.where(rng.random(n_rows) < 0.1, None, few)),
            "small": X[:, 1].astype(np.float32),
            "merchant": pd.Categorical(np.where(rng.random(n_rows) < 0.05, None, many)),
            "count": rng.integers(-3, 4, n_rows),
            "shelf": pd.Categorical(rng.choice([7, 12, 40], n_rows)),
            "known": rng.random(n_rows) < 0.5,
        }
    )
    codes = pd.Series(many).str[1:].astype(int).to_numpy()
    score = np.nan_to_num(X[:, 0]) + 1.2 * (steps[:, 0] > 0) + 2.0 * np.sin(codes * 1.7)
    score = score + 1.5 * (few == "NO") + 0.4 * table["count"] + rng.logistic(size=n_rows)
    score = score + (table["shelf"] == 12).to_numpy() * table["known"].to_numpy()
    return table, score.to_numpy()


def with_strangers(X, columns, rng):
    """Some values of categories that training did not have; and the same rows with gaps there."""
    strange, gaps = X.copy(), X.copy()
    for name in columns:
        rows = rng.random(len(X)) < 0.05
        values = X[name].astype(object)
        new = 99 if isinstance(X[name].cat.categories[0], int | np.integer) else "nowhere"
        strange[name] = pd.Categorical(values.where(~rows, new))
        gaps[name] = pd.Categorical(values.where(~rows, None), categories=X[name].cat.categories)
    return strange, gaps
