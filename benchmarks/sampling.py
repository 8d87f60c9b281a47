"""Hard-negative sampling against all rows, a uniform sample, and LightGBM's GOSS.

Every fit appends a row to ``benchmarks/sampling.jsonl``; what is in the file is not fitted again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.metrics import log_loss
from xgboost import XGBClassifier

from benchmarks._pairs import environment, measure
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.calibration import undo_resampling
from focaltab.datasets import simulate_fraud
from focaltab.metrics import average_precision

N_ROWS, N_TEST, N_FEATURES = 2_000_000, 1_000_000, 30
ROWS = Path(__file__).parent / "sampling.jsonl"
UNIFORM = 0.05
# The same trees for all.
TREES = {"n_estimators": 200, "max_depth": 4, "learning_rate": 0.1, "n_jobs": 2}
LIGHTGBM = {"num_leaves": 16, "min_child_weight": 1.0, "reg_lambda": 1.0, "verbosity": -1}
BUILT_IN, OURS = "all rows, built-in objective", "hard negatives"


class Cell(NamedTuple):
    """One training set."""

    data: str
    one_in: int
    seed: int


def cells(n_seeds: int) -> Iterator[Cell]:
    """1 in 1,000 with all seeds, other rates with one, also those where sampling hardly thins."""
    for seed in range(n_seeds):
        yield from (Cell(data, 1000, seed) for data in ("generated", "fraud"))
    for one_in in (100, 10_000):
        yield from (Cell(data, one_in, 0) for data in ("generated", "fraud"))
    yield from (Cell("generated", one_in, 0) for one_in in (20, 10))


class Data(NamedTuple):
    """Rows to train on and to judge by; `truth` has the probabilities where they are known."""

    X: Any
    y: Any
    X_test: Any
    y_test: Any
    truth: Any


def load(cell: Cell) -> Data:
    """Make the rows of a cell."""
    if cell.data == "fraud":
        tables = [
            simulate_fraud(n_rows, prevalence=1 / cell.one_in, random_state=seed)
            for n_rows, seed in ((N_ROWS, cell.seed), (N_TEST, 1000 + cell.seed))
        ]
        dropped = ["is_fraud", "time", "customer_id", "terminal_id"]
        (X, y), (X_test, y_test) = (
            (table.drop(columns=dropped), table["is_fraud"].to_numpy()) for table in tables
        )
        for name in X.select_dtypes(exclude="number").columns:
            X[name] = X[name].astype("category")
            X_test[name] = pd.Categorical(X_test[name], categories=X[name].cat.categories)
        return Data(X, y, X_test, y_test, None)
    rng = np.random.default_rng([cell.seed, cell.one_in])
    X = rng.normal(size=(N_ROWS + N_TEST, N_FEATURES)).astype(np.float32)
    f = _log_odds(X)
    part = f[:200_000]
    intercept = brentq(lambda c: expit(part + c).mean() - 1 / cell.one_in, -60.0, 20.0)
    p = expit(f + intercept)
    y = (rng.random(p.size) < p).astype(np.int64)
    return Data(X[:N_ROWS], y[:N_ROWS], X[N_ROWS:], y[N_ROWS:], p[N_ROWS:])


def _log_odds(X: Any) -> Any:
    """Main effects, an interaction, a threshold and a wave; most columns are noise."""
    step = np.where(X[:, 4] > 1.0, -2.0 * X[:, 5], 0.0)
    linear = X[:, 7:12] @ np.array([0.4, -0.3, 0.2, 0.2, -0.1], dtype=np.float32)
    f = 1.2 * X[:, 0] + X[:, 1] * X[:, 2] + 0.8 * np.abs(X[:, 3]) + 0.8 * step
    return 1.3 * (f + np.sin(2.0 * X[:, 6]) + linear)


def contenders() -> dict[str, Callable[[], Any]]:
    """What is timed, by name: each makes an unfitted model."""
    xgb = {**TREES, "tree_method": "hist", "enable_categorical": True}
    lgbm = {**TREES, **LIGHTGBM}
    return {
        f"xgb: {BUILT_IN}": lambda: XGBClassifier(**xgb),
        "xgb: all rows, focal gamma=2": lambda: FocalXGBClassifier(**xgb),
        f"xgb: {OURS}": lambda: FocalXGBClassifier(
            focal_gamma=0.0, sampling="hard_negative", random_state=0, **xgb
        ),
        f"xgb: {OURS}, focal gamma=2": lambda: FocalXGBClassifier(
            sampling="hard_negative", random_state=0, **xgb
        ),
        "xgb: uniform 5% of negatives": lambda: Uniform(XGBClassifier(**xgb)),
        f"lgbm: {BUILT_IN}": lambda: LGBMClassifier(**lgbm),
        "lgbm: GOSS": lambda: LGBMClassifier(data_sample_strategy="goss", **lgbm),
        f"lgbm: {OURS}": lambda: FocalLGBMClassifier(
            focal_gamma=0.0, sampling="hard_negative", random_state=0, **lgbm
        ),
        f"lgbm: {OURS}, focal gamma=2": lambda: FocalLGBMClassifier(
            sampling="hard_negative", random_state=0, **lgbm
        ),
        "lgbm: uniform 5% of negatives": lambda: Uniform(LGBMClassifier(**lgbm)),
    }


class Uniform:
    """Negatives thinned uniformly, and the prior put back."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, X: Any, y: Any) -> Uniform:
        kept = np.flatnonzero((y == 1) | (np.random.default_rng(0).random(y.size) < UNIFORM))
        self.model.fit(X.iloc[kept] if hasattr(X, "iloc") else X[kept], y[kept])
        return self

    def predict_proba(self, X: Any) -> Any:
        p = undo_resampling(self.model.predict_proba(X)[:, 1], negative_rate=UNIFORM)
        return np.stack([1.0 - p, p], axis=1)


def judge(cell: Cell, name: str, data: Data) -> dict[str, Any]:
    """Fit one contender; its row."""
    model = contenders()[name]()
    seconds = measure(lambda: model.fit(data.X, data.y))
    p = np.clip(np.asarray(model.predict_proba(data.X_test)[:, 1], dtype=float), 1e-9, 1 - 1e-9)
    drawn = getattr(model, "sampling_", None)
    return {
        **cell._asdict(),
        "model": name,
        "seconds": seconds,
        "average_precision": float(average_precision(data.y_test, p)),
        "log_loss": float(log_loss(data.y_test, p)),
        # Against the known probabilities, whose mean has no noise of drawn labels.
        "mean_ratio": float(p.mean() / (data.y_test if data.truth is None else data.truth).mean()),
        "kept": None if drawn is None else drawn.n_kept,
    }


def read() -> list[dict[str, Any]]:
    """Rows of earlier runs."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``; `n_pairs` is the number of seeds at 1:1000."""
    done = {(row["data"], row["one_in"], row["seed"], row["model"]) for row in read()}
    for cell in cells(n_pairs):
        missing = [name for name in contenders() if (*cell, name) not in done]
        if not missing:
            continue
        data = load(cell)
        for name in missing:
            row = judge(cell, name, data)
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(cell, name, f"{row['seconds']:.1f} s", flush=True)
    return section(pd.DataFrame(read()))


def section(rows: pd.DataFrame) -> str:
    """The tables, whatever they say."""
    parts = []
    order = sorted({(r.data != "generated", r.one_in) for r in rows.itertuples()})
    for kind, rates in groupby(order, key=lambda cell: cell[0]):
        data = "fraud" if kind else "generated"
        told = "the fraud simulator" if kind else f"{N_FEATURES} generated columns"
        for _, one_in in rates:
            own = rows[(rows.data == data) & (rows.one_in == one_in)]
            n_seeds = own.seed.nunique()
            parts.append(
                f"### 1 in {one_in:,}, {told}, {n_seeds} seed{'s' if n_seeds > 1 else ''}\n\n"
                + _table(own)
            )
    tables = "\n\n".join(parts)
    return f"""## Hard-negative sampling, {N_ROWS:,} rows

All with the same {TREES["n_estimators"]} trees of depth {TREES["max_depth"]} on two threads. Ratios
and differences are against the built-in objective of the same library on all rows of the same
seed: means, and where there are several seeds 95% intervals (Student's t). Judged on {N_TEST:,}
other rows; the mean probability is over the true share. Pilot and scoring are part of the time.

{tables}

{environment("numpy", "xgboost", "lightgbm")}
"""


def _table(rows: pd.DataFrame) -> str:
    lines = [
        "| | seconds | of built-in's time | rows kept | average precision, difference | "
        "log loss, difference in % | mean probability / share |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in contenders():
        own = rows[rows.model == name].set_index("seed")
        if own.empty:
            continue
        base = rows[rows.model == f"{name.split(':')[0]}: {BUILT_IN}"].set_index("seed")
        base = base.loc[own.index]
        is_base = name.endswith(BUILT_IN)
        ap = own.average_precision - base.average_precision
        ll = 100.0 * (own.log_loss / base.log_loss - 1.0)
        kept = "" if own.kept.isna().all() else f"{own.kept.mean():,.0f}"
        cells = [
            name,
            f"{own.seconds.mean():.1f}",
            "" if is_base else f"{(own.seconds / base.seconds).median():.3f}",
            kept,
            f"{own.average_precision.mean():.4f}" if is_base else _with_interval(ap, 4),
            f"({own.log_loss.mean():.5f})" if is_base else _with_interval(ll, 2),
            f"{own.mean_ratio.mean():.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_interval(values: pd.Series, digits: int) -> str:
    mean = f"{values.mean():+.{digits}f}"
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    low, high = values.mean() - half, values.mean() + half
    return f"{mean} [{low:+.{digits}f}, {high:+.{digits}f}]"
