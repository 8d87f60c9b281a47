"""Rules of early stopping on real imbalanced tables: what each of them leaves behind.

Reads Parquet files with a 0/1 column ``target`` from ``BENCHMARK_SUITE`` (by default
``../shared/suite``), cut to 8,000 rows. Half of the rows is trained on and half is judged by, each
way round, twice; every rule of a model starts from the same parameters.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

from benchmarks._pairs import environment
from benchmarks.quality._tables import SIMULATED, load, table_names
from focaltab import FocalLGBMClassifier, FocalMLPClassifier, FocalXGBClassifier
from focaltab.boosting import EarlyStopWarning

MOST_ROWS = 8_000
WITHOUT = "no early stopping"
_BOOSTER = {"n_estimators": 500, "learning_rate": 0.1, "random_state": 0, "n_jobs": 1}
_NETWORK = FocalMLPClassifier(random_state=0)


def _fitted(model: Any, X: Any, y: Any) -> Any:
    return model.fit(X, y)


def _by_average_precision(model: Any, X: Any, y: Any) -> Any:
    """Stopped by the average precision of a tenth, which is not trained on."""
    train, held_out = train_test_split(np.arange(y.size), test_size=0.1, stratify=y, random_state=0)
    pair = (X.iloc[held_out], y[held_out])
    pairs = pair if isinstance(model, FocalMLPClassifier) else [pair]
    return model.fit(X.iloc[train], y[train], eval_set=pairs)


def _booster_rules(model: Any) -> dict[str, tuple[Any, Callable[..., Any]]]:
    stopped = clone(model).set_params(early_stopping_rounds=50)
    return {
        f"{WITHOUT}, 100 rounds": (clone(model).set_params(n_estimators=100), _fitted),
        "average precision of a tenth": (stopped, _by_average_precision),
        "log loss of a tenth": (clone(stopped).set_params(refit=False), _fitted),
        "folds' log loss, refit (the default)": (stopped, _fitted),
    }


RULES: dict[str, dict[str, tuple[Any, Callable[..., Any]]]] = {
    "FocalXGBClassifier": _booster_rules(FocalXGBClassifier(**_BOOSTER)),
    "FocalLGBMClassifier": _booster_rules(
        FocalLGBMClassifier(verbosity=-1, min_child_weight=1.0, **_BOOSTER)
    ),
    "FocalMLPClassifier": {
        f"{WITHOUT}, 50 epochs": (clone(_NETWORK).set_params(early_stopping=False), _fitted),
        "average precision of a tenth": (_NETWORK, _by_average_precision),
        "log loss of a tenth": (
            clone(_NETWORK).set_params(early_stopping=True, refit=False),
            _fitted,
        ),
        "folds' log loss, refit (the default)": (_NETWORK, _fitted),
    },
}


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``; `n_pairs` is of no use here."""
    tables = [name for name in table_names() if name != SIMULATED]
    judged = Parallel(n_jobs=2)(delayed(_judge)(table) for table in tables)
    by_table = dict(zip(tables, judged, strict=True))
    return (
        "## When to stop\n\n"
        f"`python -m benchmarks early_stopping`: {len(tables)} public tables of at most "
        f"{MOST_ROWS:,} rows, half to train on and half to judge by, each way round, twice; gamma "
        "2, boosters at a rate of 0.1 and stopped after 50 rounds without improvement, all else at "
        "its default. Ranks are among the rules of one model; the worst log loss is that of the "
        f"table where the rule did worst, against {WITHOUT} (tables where that is below 0.001 "
        "apart); the time is that of all fits, against the first rule's.\n\n"
        + "\n".join(_table(model, by_table) for model in RULES)
        + f"\n{environment('xgboost', 'lightgbm', 'torch')}\n"
    )


def _judge(table: str) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Average precision, log loss and seconds of every rule of every model, as means of splits."""
    X, y = load(table, MOST_ROWS)
    halves = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    splits = list(halves.split(X, y))
    judged: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name, rules in RULES.items():
        judged[name] = {}
        for rule, (model, fit) in rules.items():
            found = []
            for train, test in splits:
                begun = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", EarlyStopWarning)
                    fitted = fit(clone(model), X.iloc[train], y[train])
                seconds = time.perf_counter() - begun
                p = np.float64(fitted.predict_proba(X.iloc[test]))[:, 1]
                found.append((average_precision_score(y[test], p), log_loss(y[test], p), seconds))
            mean = np.mean(found, axis=0)
            judged[name][rule] = (float(mean[0]), float(mean[1]), float(mean[2]))
    return judged


def _table(model: str, by_table: dict[str, Any]) -> str:
    rules = list(RULES[model])
    figures = np.array([[by_table[table][model][r] for r in rules] for table in by_table])
    precision, loss, seconds = np.moveaxis(figures, 2, 0)
    ranks = [rankdata(-precision, axis=1).mean(axis=0), rankdata(loss, axis=1).mean(axis=0)]
    times = seconds.sum(axis=0) / seconds[:, 0].sum()
    ratio = loss / loss[:, [0]]
    ratio[loss[:, 0] < 0.001] = 0.0
    worst = ratio.max(axis=0)
    where = np.array(list(by_table))[ratio.argmax(axis=0)]
    head = "mean rank, average precision | mean rank, log loss | mean average precision"
    lines = [
        f"| {model} | {head} | mean log loss | worst log loss | time |",
        "| --- |" + " ---: |" * 6,
    ]
    for k, rule in enumerate(rules):
        told = "" if k == 0 else f"{worst[k]:.3f} ({where[k]})"
        lines.append(
            f"| {rule} | {ranks[0][k]:.2f} | {ranks[1][k]:.2f} | {precision[:, k].mean():.4f} | "
            f"{loss[:, k].mean():.4f} | {told} | {times[k]:.1f} |"
        )
    return "\n".join(lines) + "\n"
