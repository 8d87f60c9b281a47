"""Training from Parquet files against the same table in memory: time, and memory beyond imports."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks._pairs import (
    alternate,
    compare,
    environment,
    markdown,
    measure,
    peak_memory,
    restart_peak_memory,
)

N_FILES, ROWS_PER_FILE, N_FEATURES, N_ROUNDS = 10, 100_000, 60, 50


def _write_data(folder: Path) -> None:
    for k in range(N_FILES):
        rng = np.random.default_rng(k)
        X = rng.normal(size=(ROWS_PER_FILE, N_FEATURES))
        log_odds = -6.0 + 1.5 * X[:, 0] + X[:, 1] * X[:, 2] - np.abs(X[:, 3])
        frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(N_FEATURES)])
        frame["y"] = rng.random(ROWS_PER_FILE) < expit(log_odds)
        frame.to_parquet(folder / f"{k:02}.parquet", row_group_size=20_000)


def _fit(library: str, source: str, folder: Path) -> None:
    """Fit one model and print seconds and MiB; what the subprocess runs."""
    from focaltab import FocalLGBMClassifier, FocalXGBClassifier, ParquetTable

    model = {
        "xgboost": partial(FocalXGBClassifier, max_depth=6),
        "lightgbm": partial(FocalLGBMClassifier, verbosity=-1),
    }[library](n_estimators=N_ROUNDS, n_jobs=2, random_state=0)
    start = restart_peak_memory()

    def fit() -> None:
        table = ParquetTable(f"{folder}/*.parquet", target="y", batch_rows=20_000)
        X = table if source == "files" else table.to_frame()
        model.fit(X, table.y)

    seconds = measure(fit)
    print(json.dumps([seconds, peak_memory() - start]))


def _in_subprocess(library: str, source: str, folder: Path, peaks: dict[str, list[float]]) -> float:
    command = [sys.executable, "-m", "benchmarks.external", library, source, str(folder)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(out.splitlines()[-1])
    peaks.setdefault(source, []).append(peak)
    return seconds


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    times, memory = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_data(folder)
        for library in ("xgboost", "lightgbm"):
            peaks: dict[str, list[float]] = {}
            pairs = alternate(
                partial(_in_subprocess, library, "files", folder, peaks),
                partial(_in_subprocess, library, "memory", folder, peaks),
                n_pairs,
            )
            times.append(compare(library, pairs))
            memory.append(compare(library, list(zip(peaks["files"], peaks["memory"], strict=True))))
    size = N_FILES * ROWS_PER_FILE * N_FEATURES * 8 / 2**20
    return f"""## From Parquet files, {N_FILES * ROWS_PER_FILE:,} x {N_FEATURES}, against memory

"focaltab" is `ParquetTable` in batches of 20,000 rows, "other" the same table read into a frame
({size:,.0f} MiB) by the same class; reading is part of the time. {n_pairs} alternating pairs, each
in its own process, {N_ROUNDS} rounds on two threads.

{markdown(times, "s")}

Peak memory beyond what the process had with its libraries imported:

{markdown(memory, "MiB")}

{environment("numpy", "xgboost", "lightgbm", "pyarrow")}
"""


if __name__ == "__main__":
    _fit(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
