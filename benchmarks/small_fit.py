"""Fits on small tables, where Python's share of each round shows most."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._pairs import alternate, compare, environment, markdown, measure
from benchmarks.whole_fit import N_FEATURES, N_ROUNDS, classifier, write_data

SIZES = (1_000, 10_000, 100_000)


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    rows = []
    for n_rows in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            write_data(Path(folder), n_rows)
            X, y = np.load(Path(folder) / "X.npy"), np.load(Path(folder) / "y.npy")
        for library in ("xgboost", "lightgbm"):
            # The first fit of a process loads libraries.
            ours, theirs = (
                classifier(name, n_jobs=1).fit(X, y) for name in (f"focal-{library}", library)
            )
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
