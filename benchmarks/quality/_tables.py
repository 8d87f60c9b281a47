"""The tables: the suite's Parquet files, capped, and simulated card payments."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from focaltab.datasets import simulate_fraud

SUITE = Path(os.environ.get("BENCHMARK_SUITE", "../shared/suite"))
SIMULATED = "simulated_fraud"
MOST_ROWS, QUICK_ROWS = 50_000, 3_000
N_REPEATS, N_FOLDS = 5, 2


def table_names() -> list[str]:
    """Names of all tables, smallest files first, so that results of most tables come early."""
    paths = sorted(SUITE.glob("*.parquet"), key=lambda path: path.stat().st_size)
    if not paths:
        raise SystemExit(f"No Parquet files in {SUITE}: set BENCHMARK_SUITE.")
    return [*(path.stem for path in paths), SIMULATED]


@lru_cache(maxsize=2)
def load(name: str, most_rows: int) -> tuple[pd.DataFrame, Any]:
    """Features, text as categories, and labels 0 and 1."""
    if name == SIMULATED:
        table = simulate_fraud(200_000, random_state=0)
        table = table.rename(columns={"is_fraud": "target"}).drop(
            columns=["time", "customer_id", "terminal_id"]
        )
    else:
        table = pd.read_parquet(SUITE / f"{name}.parquet")
    if len(table) > most_rows:
        # Stratified and seeded; a class keeps at least ten rows, where it has them.
        share = most_rows / len(table)
        table = pd.concat(
            rows.sample(n=min(len(rows), max(10, round(share * len(rows)))), random_state=0)
            for _, rows in table.groupby("target")
        )
    table = table.sample(frac=1.0, random_state=0).reset_index(drop=True)
    X, y = table.drop(columns="target"), table["target"].to_numpy(np.int64)
    for column in X.columns[X.dtypes.map(lambda kind: not pd.api.types.is_numeric_dtype(kind))]:
        X[column] = X[column].astype(str).where(X[column].notna()).astype("category")
    return X, y
