"""One fit, one row of the file of results; what is in the file is not fitted again."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from benchmarks.quality._models import MODELS
from benchmarks.quality._tables import MOST_ROWS, N_FOLDS, N_REPEATS, QUICK_ROWS, load, table_names
from focaltab._errors import first_line
from focaltab.metrics import average_precision, brier_skill_score, calibration_error


class Fit(NamedTuple):
    """What one row of the results is of."""

    repeat: int
    table: str
    fold: int
    model: str
    most_rows: int


def wanted(quick: bool, models: Collection[str]) -> Iterator[Fit]:
    """Every fit of these models, all tables of one repetition before the next."""
    for repeat in range(1 if quick else N_REPEATS):
        for table in table_names():
            for fold in range(N_FOLDS):
                for model in models:
                    yield Fit(repeat, table, fold, model, QUICK_ROWS if quick else MOST_ROWS)


def read(path: Path) -> pd.DataFrame:
    """Rows of earlier runs; a last line that a kill cut off is left out."""
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return pd.DataFrame(rows, columns=[*Fit._fields, *_FIGURES, "seconds", "error"])


def run(path: Path, *, quick: bool, n_jobs: int, models: Collection[str] | None = None) -> None:
    """Fit what is missing, and append a row as soon as a fit has ended."""
    models = list(MODELS) if models is None else models
    if unknown := sorted(set(models) - set(MODELS)):
        raise SystemExit(f"No contender is called {unknown}; there are {list(MODELS)}.")
    for name in ("catboost", "imxgboost", "imlightgbm"):
        import_module(name)  # a rival that is not installed has not failed: it was not asked
    known = read(path)
    done = set(zip(*(known[name] for name in Fit._fields), strict=True))
    missing = [fit for fit in wanted(quick, models) if fit not in done]
    print(f"{len(done)} fits are in {path.name}, {len(missing)} are missing.", flush=True)
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("a") as file:
            file.write("\n")  # after a line that was cut off
    rows = Parallel(n_jobs, return_as="generator_unordered", pre_dispatch="1*n_jobs")(
        delayed(judge)(fit) for fit in missing
    )
    for number, row in enumerate(rows, start=1):
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(
            f"{number}/{len(missing)}", row["table"], row["model"], row["error"] or "", flush=True
        )


_FIGURES = ("average_precision", "log_loss", "brier_skill", "calibration_error")


def judge(fit: Fit) -> dict[str, Any]:
    """Train on one half of a table, judge on the other."""
    X, y = load(fit.table, fit.most_rows)
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=fit.repeat)
    train, test = list(splitter.split(X, y))[fit.fold]
    row: dict[str, Any] = {**fit._asdict(), "error": None}
    seed = fit.repeat * N_FOLDS + fit.fold
    begun = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MODELS[fit.model](seed, y[train])
            model.fit(X.iloc[train], y[train])
            row["seconds"] = time.perf_counter() - begun
            p = np.asarray(model.predict_proba(X.iloc[test])[:, 1], dtype=float)
        # In the order as stated: clipping would tie what saturates.
        row["average_precision"] = float(average_precision(y[test], p))
        # log_loss is infinite at a wrong 0 or 1: stated no more surely than 1 in 10 million.
        p = np.clip(p, 1e-7, 1.0 - 1e-7)
        row |= {
            "log_loss": float(log_loss(y[test], p)),
            "brier_skill": float(brier_skill_score(y[test], p)),
            "calibration_error": float(calibration_error(y[test], p)),
        }
    except Exception as error:  # a rival that fails on a table is part of the results
        row["error"] = first_line(error)
    return row
