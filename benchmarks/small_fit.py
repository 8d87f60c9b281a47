"""Fits on small tables, where Python's share of each round shows most."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._pairs import alternate, compare, environment, markdown, measure
from benchmarks.whole_fit import N_FEATURES, N_ROUNDS, write_data

SIZES = (1_000, 10_000, 100_000)


def _models(name: str) -> tuple[Any, Any]:
    """Ours and theirs, at the library's defaults on one thread."""
    if name == "xgboost":
        from xgboost import XGBClassifier

        from focaltab import FocalXGBClassifier

        options: dict[str, Any] = {"n_estimators": N_ROUNDS, "n_jobs": 1}
        return FocalXGBClassifier(**options), XGBClassifier(**options)
    from lightgbm import LGBMClassifier

    from focaltab import FocalLGBMClassifier

    options = {"n_estimators": N_ROUNDS, "n_jobs": 1, "verbosity": -1}
    return FocalLGBMClassifier(**options), LGBMClassifier(**options)


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    rows = []
    for n_rows in SIZES:
        with tempfile.TemporaryDirectory() as name:
            write_data(Path(name), n_rows)
            X, y = np.load(Path(name) / "X.npy"), np.load(Path(name) / "y.npy")
        for library in ("xgboost", "lightgbm"):
            # The first fit of a process loads libraries.
            ours, theirs = (model.fit(X, y) for model in _models(library))
            pairs = alternate(
                partial(measure, partial(ours.fit, X, y)),
                partial(measure, partial(theirs.fit, X, y)),
                n_pairs,
            )
            rows.append(compare(f"focal-{library}, {n_rows:,} rows", pairs))
    return f"""## Fits on small tables

{n_pairs} alternating pairs in one process; {N_FEATURES} columns, {N_ROUNDS} rounds of the
libraries' own defaults on one thread, focal gamma=2.

{markdown(rows, "s")}

{environment("numpy", "xgboost", "lightgbm")}
"""
