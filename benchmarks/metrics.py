"""Metrics on ten million rows against one sort of the scores; the bootstrap against a loop."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.metrics import average_precision_score

from benchmarks._pairs import alternate, compare, environment, markdown, measure
from focaltab import metrics

N_ROWS = 10_000_000
N_BOOTSTRAP, N_RESAMPLES = 100_000, 1000
OPTIONS = {
    "precision_at_k": {"k": 10_000},
    "recall_at_k": {"k": 10_000},
    "lift_at_k": {"k": 10_000},
    "recall_at_precision": {"precision": 0.5},
    "precision_at_recall": {"recall": 0.5},
    "recall_at_fpr": {"fpr": 0.01},
    "partial_pr_area": {"max_recall": 0.5},
}
DECISIONS = ("expected_cost", "savings_score")
RANKINGS = (
    "average_precision",
    "average_precision_gain",
    *OPTIONS,
    "max_f_beta",
    "max_matthews_corrcoef",
)
PROBABILITIES = ("brier_skill_score", "log_loss_skill_score", "calibration_error")


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    return f"""## Metrics, {N_ROWS:,} rows, against one `np.argsort` of the scores

{n_pairs} alternating pairs, float64 scores without ties, prevalence 0.01.

{markdown(_metrics(n_pairs), "s")}

## Average precision over {N_RESAMPLES:,} resamples of {N_BOOTSTRAP:,} rows

`bootstrap_interval("average_precision", ...)` against a loop that resamples rows and calls
scikit-learn's `average_precision_score`, {n_pairs} alternating pairs. The loop runs 20 resamples,
its time is scaled to {N_RESAMPLES:,}. The cost grows with the number of positives.

{markdown(_bootstrap(n_pairs), "s")}

{environment("numpy", "scikit-learn")}
"""


def _metrics(n_pairs: int) -> list:
    rng = np.random.default_rng(0)
    y = (rng.random(N_ROWS) < 0.01).astype(np.int8)
    score = rng.normal(size=N_ROWS) + 2.0 * y
    p = 1.0 / (1.0 + np.exp(4.0 - score))
    called = (score > 2.0).astype(np.int8)
    amount = rng.gamma(2.0, 50.0, N_ROWS)
    inputs = {
        **{name: (score, OPTIONS.get(name, {})) for name in RANKINGS},
        **{name: (p, {}) for name in PROBABILITIES},
        **{name: (called, {"fp_cost": 5.0, "fn_cost": amount}) for name in DECISIONS},
    }
    sort = partial(measure, partial(np.argsort, score))
    rows = []
    for name, (second, options) in inputs.items():
        call = partial(getattr(metrics, name), y, second, **options)
        rows.append(compare(f"`{name}`", alternate(partial(measure, call), sort, n_pairs)))
    return rows


def _bootstrap(n_pairs: int) -> list:
    rows = []
    for prevalence in (0.002, 0.01, 0.1):
        rng = np.random.default_rng(0)
        y = (rng.random(N_BOOTSTRAP) < prevalence).astype(int)
        score = rng.normal(size=N_BOOTSTRAP) + 2.0 * y
        ours = partial(
            metrics.bootstrap_interval,
            "average_precision",
            y,
            score,
            n_resamples=N_RESAMPLES,
            random_state=0,
        )
        loop = partial(_loop, y, score, rng)
        pairs = alternate(
            partial(measure, ours), lambda loop=loop: measure(loop) * N_RESAMPLES / 20, n_pairs
        )
        rows.append(compare(f"prevalence {prevalence:g}", pairs))
    return rows


def _loop(y, score, rng) -> None:
    for _ in range(20):
        drawn = rng.integers(0, y.size, y.size)
        average_precision_score(y[drawn], score[drawn])
