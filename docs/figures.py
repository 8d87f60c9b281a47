"""Draw the picture of the home page, docs/img/probabilities.svg: ``python docs/figures.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import xgboost as xgb
from scipy.special import expit, logit

from focaltab import FocalLoss, FocalXGBClassifier, xgboost_objective
from focaltab.metrics import average_precision

N_BINS = 12


def rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels, and the probability that each label was drawn with."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    truth = expit(1.4 * X[:, 0] + X[:, 1] * X[:, 2] - 5.2)
    return X, (rng.random(n) < truth).astype(int), truth


def reliability(stated: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean stated and observed probability of bins of equally many rows."""
    order = np.argsort(stated)
    bins = np.array_split(order, N_BINS)
    return (
        np.array([stated[b].mean() for b in bins]),
        np.array([max(y[b].mean(), 0.5 / b.size) for b in bins]),
    )


def main() -> None:
    X, y, _ = rows(200_000, 0)
    X_test, y_test, _ = rows(200_000, 1)
    options = {"max_depth": 4, "eta": 0.1, "seed": 0}
    # As it is mostly done: the paper's loss as a custom objective, and the margin's sigmoid.
    booster = xgb.train(
        {**options, "base_score": 0.5},
        xgb.DMatrix(X, y),
        150,
        obj=xgboost_objective(FocalLoss(gamma=2.0, alpha=0.25, link="focal")),
    )
    naive = expit(booster.predict(xgb.DMatrix(X_test), output_margin=True))
    model = FocalXGBClassifier(
        focal_gamma=2.0, focal_alpha=0.25, n_estimators=150, max_depth=4, learning_rate=0.1
    ).fit(X, y)
    calibrated = model.predict_proba(X_test)[:, 1]

    figure, axes = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
    limits = np.array([3e-4, 0.4])
    axes.plot(logit(limits), logit(limits), color="0.6", lw=1, label="stated = observed")
    for stated, name, style in (
        (naive, "sigmoid of the focal margin", {"color": "#c0392b", "marker": "s"}),
        (calibrated, "focaltab", {"color": "#2c5aa0", "marker": "o"}),
    ):
        told, seen = reliability(stated, y_test)
        score = average_precision(y_test, stated)
        mean = stated.mean()
        axes.plot(
            logit(told),
            logit(seen),
            label=f"{name}: mean {mean:.1%}, average precision {score:.3f}",
            ms=5,
            **style,
        )
    ticks = np.array([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(logit(ticks), [f"{100 * t:g}%" for t in ticks])
    axes.set_xlabel("probability that the model states")
    axes.set_ylabel("share of positives that is observed")
    axes.set_title(f"Same loss (gamma 2, alpha 0.25); {y_test.mean():.1%} of new rows are positive")
    figure.legend(frameon=False, loc="outside lower left")
    axes.spines[["top", "right"]].set_visible(False)
    path = Path(__file__).parent / "img" / "probabilities.svg"
    figure.savefig(path, metadata={"Date": None})
    print(f"Written to {path}")


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "focaltab"
    main()
