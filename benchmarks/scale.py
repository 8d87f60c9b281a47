"""How time and memory of a fit grow with rows, against the libraries' own logistic objectives."""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._pairs import alternate, environment
from benchmarks.whole_fit import N_FEATURES, N_ROUNDS, fit_in_subprocess, write_data

SIZES = (100_000, 1_000_000, 5_000_000, 10_000_000)
# Fits of a minute each: growth needs no interval.
_FEW_PAIRS, _MANY_ROWS = 1, 5_000_000
PAIRS = (("focal-xgboost", "xgboost"), ("focal-lightgbm", "lightgbm"))


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    seconds: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for n_rows in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_data(folder, n_rows)
            for ours, theirs in PAIRS:
                peaks: dict[str, list[float]] = {}
                pairs = alternate(
                    partial(fit_in_subprocess, ours, folder, peaks),
                    partial(fit_in_subprocess, theirs, folder, peaks),
                    n_pairs if n_rows < _MANY_ROWS else _FEW_PAIRS,
                )
                for k, model in enumerate((ours, theirs)):
                    seconds.setdefault(model, []).append(statistics.median(p[k] for p in pairs))
                    memory.setdefault(model, []).append(statistics.median(peaks[model]))
                ratios.setdefault(ours, []).append(statistics.median(a / b for a, b in pairs))
                print(f"{n_rows:,}", ours, f"{ratios[ours][-1]:.3f}", flush=True)
    head = " | ".join(f"{n:,}" for n in SIZES)
    lines = [f"| | {head} | exponent |", "| --- |" + " ---: |" * (len(SIZES) + 1)]
    for model, values in seconds.items():
        lines.append(_line(f"{model}, s", values, f"{_exponent(values):.2f}", ".1f"))
    for model, values in ratios.items():
        lines.append(_line(f"{model}, ratio", values, "", ".3f"))
    for model, values in memory.items():
        lines.append(_line(f"{model}, MiB", values, f"{_exponent(values):.2f}", ".0f"))
    per_million = (memory["focal-xgboost"][-1] - memory["focal-xgboost"][1]) / (
        (SIZES[-1] - SIZES[1]) / 1e6
    )
    table = "\n".join(lines)
    return f"""## Growth with rows, {N_FEATURES} columns

{N_ROUNDS} rounds of the libraries' own defaults on two threads, each fit in its own process,
{n_pairs} alternating pairs, {_FEW_PAIRS} from {_MANY_ROWS:,} rows on; medians. The exponent is
the slope of a line through the logarithms of rows and figures, from a million rows on: 1 is
linear.

{table}

Every further million rows takes FocalXGBClassifier {per_million:,.0f} MiB, the features themselves
({N_FEATURES * 4e6 / 2**20:,.0f} MiB in float32) included: by this line 16 GiB hold about
{16 * 1024 / per_million:,.0f} million rows of {N_FEATURES} columns. Beyond that, train from files
([external.md](external.md)) or on hard negatives ([sampling.md](sampling.md)).

{environment("numpy", "xgboost", "lightgbm")}
"""


def _line(name: str, values: list[float], last: str, form: str) -> str:
    return "| " + " | ".join([name, *(format(v, form) for v in values), last]) + " |"


def _exponent(values: list[float]) -> float:
    """Slope of log figure over log rows from the second size on; a start-up cost hides it below."""
    return float(np.polyfit(np.log(SIZES[1:]), np.log(values[1:]), 1)[0])
