"""A whole fit, time and peak memory, against the libraries' own logistic objectives.

Each fit runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from benchmarks._pairs import (
    Comparison,
    alternate,
    compare,
    environment,
    markdown,
    measure,
    peak_memory,
)

N_ROWS, N_FEATURES, N_ROUNDS = 1_000_000, 20, 100
N_ROWS_OF_CLASSES, N_CLASSES = 200_000, 4


def write_data(folder: Path, n_rows: int) -> float:
    """Write features and labels; the prevalence."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(size=(n_rows, N_FEATURES), dtype=np.float32)
    log_odds = -6.0 + 1.5 * X[:, 0] + X[:, 1] * X[:, 2] - np.abs(X[:, 3])
    np.save(folder / "X.npy", X)
    y = (rng.random(n_rows) < expit(log_odds)).astype(np.int64)
    np.save(folder / "y.npy", y)
    return float(y.mean())


def write_classes(folder: Path, n_rows: int) -> list[float]:
    """Write features and labels of several classes; the share of each."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(size=(n_rows, N_FEATURES), dtype=np.float32)
    score = 1.5 * (X[:, :N_CLASSES] - np.arange(N_CLASSES))
    y = (score + rng.gumbel(size=score.shape)).argmax(axis=1)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    return (np.bincount(y) / n_rows).tolist()


def classifier(name: str, n_jobs: int) -> Any:
    """A classifier of that name at its library's defaults."""
    if name == "focal-xgboost":
        from focaltab import FocalXGBClassifier as Classifier
    elif name == "focal-lightgbm":
        from focaltab import FocalLGBMClassifier as Classifier
    elif name == "xgboost":
        from xgboost import XGBClassifier as Classifier
    else:
        from lightgbm import LGBMClassifier as Classifier
    options = {"verbosity": -1} if "lightgbm" in name else {}
    return Classifier(n_estimators=N_ROUNDS, n_jobs=n_jobs, **options)


def _fit(name: str, folder: Path) -> None:
    """Fit one model and print seconds and peak memory; what the subprocess runs."""
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    model = classifier(name, n_jobs=2)
    seconds = measure(lambda: model.fit(X, y))
    print(json.dumps([seconds, peak_memory()]))


def fit_in_subprocess(name: str, folder: Path, peaks: dict[str, list[float]]) -> float:
    """Seconds of a fit of the named model on the data in a folder; its peak memory is noted."""
    command = [sys.executable, "-m", "benchmarks.whole_fit", name, str(folder)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(out.splitlines()[-1])
    peaks.setdefault(name, []).append(peak)
    return seconds


def compare_fits(folder: Path, n_pairs: int) -> tuple[list[Comparison], list[Comparison]]:
    """Times and peaks of memory of fits on the data in a folder, for both libraries."""
    times, memory = [], []
    for ours, theirs in (("focal-xgboost", "xgboost"), ("focal-lightgbm", "lightgbm")):
        peaks: dict[str, list[float]] = {}
        pairs = alternate(
            partial(fit_in_subprocess, ours, folder, peaks),
            partial(fit_in_subprocess, theirs, folder, peaks),
            n_pairs,
        )
        times.append(compare(ours, pairs))
        memory.append(compare(ours, list(zip(peaks[ours], peaks[theirs], strict=True))))
    return times, memory


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    with tempfile.TemporaryDirectory() as name:
        prevalence = write_data(Path(name), N_ROWS)
        times, memory = compare_fits(Path(name), n_pairs)
    with tempfile.TemporaryDirectory() as name:
        shares = write_classes(Path(name), N_ROWS_OF_CLASSES)
        times_of_classes, _ = compare_fits(Path(name), n_pairs)
    return f"""## A whole fit, {N_ROWS:,} x {N_FEATURES}, against the built-in logistic objective

{n_pairs} alternating pairs, each fit in its own process; {N_ROUNDS} rounds of the libraries' own
defaults on two threads, prevalence {prevalence:.4f}, focal gamma=2.

{markdown(times, "s")}

Peak memory of the process:

{markdown(memory, "MiB")}

{N_CLASSES} classes with shares of {", ".join(f"{share:.3f}" for share in shares)},
{N_ROWS_OF_CLASSES:,} x {N_FEATURES}, against the built-in softmax objectives (a tree for each class
in each round):

{markdown(times_of_classes, "s")}

{environment("numpy", "xgboost", "lightgbm")}
"""


if __name__ == "__main__":
    _fit(sys.argv[1], Path(sys.argv[2]))
