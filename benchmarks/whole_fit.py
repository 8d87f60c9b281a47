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

import numpy as np
from scipy.special import expit

from benchmarks._pairs import alternate, compare, environment, markdown, measure, peak_memory

N_ROWS, N_FEATURES, N_ROUNDS = 1_000_000, 20, 100


def write_data(folder: Path, n_rows: int) -> float:
    """Write features and labels; the prevalence."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(size=(n_rows, N_FEATURES), dtype=np.float32)
    log_odds = -6.0 + 1.5 * X[:, 0] + X[:, 1] * X[:, 2] - np.abs(X[:, 3])
    np.save(folder / "X.npy", X)
    y = (rng.random(n_rows) < expit(log_odds)).astype(np.int64)
    np.save(folder / "y.npy", y)
    return float(y.mean())


def _fit(name: str, folder: Path) -> None:
    """Fit one model and print seconds and peak memory; what the subprocess runs."""
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    if name == "focal-xgboost":
        from focaltab import FocalXGBClassifier as Classifier
    elif name == "focal-lightgbm":
        from focaltab import FocalLGBMClassifier as Classifier
    elif name == "xgboost":
        from xgboost import XGBClassifier as Classifier
    else:
        from lightgbm import LGBMClassifier as Classifier
    options = {"verbosity": -1} if "lightgbm" in name else {}
    model = Classifier(n_estimators=N_ROUNDS, n_jobs=2, **options)
    seconds = measure(lambda: model.fit(X, y))
    print(json.dumps([seconds, peak_memory()]))


def fit_in_subprocess(name: str, folder: Path, peaks: dict[str, list[float]]) -> float:
    """Seconds of a fit of the named model on the data in a folder; its peak memory is noted."""
    command = [sys.executable, "-m", "benchmarks.whole_fit", name, str(folder)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(out.splitlines()[-1])
    peaks.setdefault(name, []).append(peak)
    return seconds


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    times, memory = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prevalence = write_data(folder, N_ROWS)
        for ours, theirs in (
            ("focal-xgboost", "xgboost"),
            ("focal-lightgbm", "lightgbm"),
        ):
            peaks: dict[str, list[float]] = {}
            pairs = alternate(
                partial(fit_in_subprocess, ours, folder, peaks),
                partial(fit_in_subprocess, theirs, folder, peaks),
                n_pairs,
            )
            times.append(compare(ours, pairs))
            both = list(zip(peaks[ours], peaks[theirs], strict=True))
            memory.append(compare(ours, both))
    return f"""## A whole fit, {N_ROWS:,} x {N_FEATURES}, against the built-in logistic objective

{n_pairs} alternating pairs, each fit in its own process; {N_ROUNDS} rounds of the libraries' own
defaults on two threads, prevalence {prevalence:.4f}, focal gamma=2.

{markdown(times, "s")}

Peak memory of the process:

{markdown(memory, "MiB")}

{environment("numpy", "xgboost", "lightgbm")}
"""


if __name__ == "__main__":
    _fit(sys.argv[1], Path(sys.argv[2]))
