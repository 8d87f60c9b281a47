"""One row and 10,000 rows through onnxruntime, against the models' own ``predict_proba``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from benchmarks._pairs import alternate, compare, environment, markdown, measure
from focaltab import FocalLGBMClassifier, FocalMLPClassifier, FocalXGBClassifier
from focaltab.datasets import simulate_fraud
from focaltab.export import onnx_inputs, to_onnx
from focaltab.pipeline import make_pipeline

N_TRAINING, N_ROWS, N_FEATURES = 50_000, 10_000, 30
N_TREES = 300
# Calls whose mean is one measurement of a single row.
N_CALLS = 200


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    single, many = [], []
    for name, predict, infer, X in _models():
        one = X[:1]
        single.append(_compared(name, predict, infer, one, N_CALLS, n_pairs))
        many.append(_compared(name, predict, infer, X, 1, n_pairs))
    return f"""## ONNX, against `predict_proba`

{n_pairs} alternating pairs, one thread each. Arrays of {N_FEATURES} doubles with gaps and frames of
simulated fraud; {N_TREES} trees of depth 6 (31 leaves), a network of 256 and 128 units. The frame's
inputs are made beforehand. Focal margins (`link="focal"`) throughout: the link is in the graph.

### One row, mean of {N_CALLS} calls

{markdown(single, "ms")}

### {N_ROWS:,} rows

{markdown(many, "ms")}

{environment("xgboost", "lightgbm", "torch", "onnxruntime")}
"""


def _compared(name, predict, infer, X, n_calls, n_pairs) -> Any:
    ours, theirs = infer(X), partial(predict, X)
    difference = np.abs(ours() - theirs()).max()
    assert difference < 1e-5, difference
    pairs = alternate(
        partial(_milliseconds, ours, n_calls), partial(_milliseconds, theirs, n_calls), n_pairs
    )
    return compare(name, pairs)


def _milliseconds(call: Callable[[], object], n_calls: int) -> float:
    def repeat() -> None:
        for _ in range(n_calls):
            call()

    return measure(repeat) * 1000.0 / n_calls


def _models() -> Iterator[tuple[str, Any, Any, Any]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_TRAINING, N_FEATURES))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.logistic(size=N_TRAINING) > 4.0).astype(int)
    X[rng.random(X.shape) < 0.05] = np.nan
    new = X[:N_ROWS]
    trees = {"n_estimators": N_TREES, "link": "focal", "n_jobs": 1}
    yield _told("`FocalXGBClassifier`, array", FocalXGBClassifier(**trees), X, y, new)
    lightgbm = FocalLGBMClassifier(**trees, verbosity=-1)
    yield _told("`FocalLGBMClassifier`, array", lightgbm, X, y, new)
    network = FocalMLPClassifier((256, 128), link="focal", max_iter=3, random_state=0)
    yield _told("`FocalMLPClassifier`, array", network, X, y, new)
    fraud = simulate_fraud(N_TRAINING, random_state=0)
    table, target = fraud.drop(columns="is_fraud"), fraud["is_fraud"]
    pipeline = make_pipeline(FocalXGBClassifier(**trees), random_state=0)
    yield _told(
        "`make_pipeline(FocalXGBClassifier)`, frame", pipeline, table, target, table[:N_ROWS]
    )


def _told(name: str, model: Any, X: Any, y: Any, new: Any) -> tuple[str, Any, Any, Any]:
    model.fit(X, y)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString(), options)

    def infer(rows: pd.DataFrame | np.ndarray) -> Callable[[], Any]:
        inputs = onnx_inputs(session, rows)
        return lambda: session.run(["probabilities"], inputs)[0]

    return name, model.predict_proba, infer, new
