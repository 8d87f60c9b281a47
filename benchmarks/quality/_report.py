"""``docs/quality.md`` and its figure, from the file of results, whatever it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scikit_posthocs as posthocs
from scipy.stats import friedmanchisquare, rankdata, studentized_range, wilcoxon

from benchmarks.quality._models import MODELS, N_INNER_FOLDS, N_TRIALS
from benchmarks.quality._tables import N_FOLDS, N_REPEATS, table_names
from focaltab._new_file import part_of

OURS = "FocalEnsemble"
TWINS = (("FocalXGB tuned", "XGBoost tuned"), ("FocalLGBM tuned", "LightGBM tuned"))
FIGURES = {"average_precision": -1.0, "log_loss": 1.0}


def write(results: pd.DataFrame, folder: Path) -> str:
    """Write the page and the critical-difference diagrams; return the page."""
    results = comparable(results)
    by_table = results.groupby(["table", "model"])
    means = by_table[list(FIGURES)].mean()
    # A fit that had to wait for other work says little of the rest.
    seconds = by_table["seconds"].median().unstack()
    parts = [_introduction(results)]
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
    training = ["table", "repeat", "fold"]
    n_models = results.groupby(training)["model"].transform("nunique")
    found = results[n_models == len(MODELS)]
    if found.empty:
        raise SystemExit("No table has been trained on by every contender yet: run goes on.")
    return found


def _introduction(results: pd.DataFrame) -> str:
    done = results.groupby("table")[["repeat", "fold"]].apply(lambda r: len(r.drop_duplicates()))
    rows = ", ".join(sorted({f"{n:,}" for n in results["most_rows"]}))
    waiting = sorted(set(table_names()) - set(done.index))
    still = f" Still to come: {', '.join(waiting)}." if waiting else ""
    counts = sorted({int(done.min()), int(done.max())})
    trainings = " to ".join(map(str, counts))
    return f"""# Quality on imbalanced tables

{done.size} tables of at most {rows} rows, {trainings} trainings each on one half and judged on the
other (stratified); {N_REPEATS * N_FOLDS} are meant.{still}

Tuned models: `FocalSearchCV` with {N_TRIALS} candidates, {N_INNER_FOLDS} folds, by log loss; the
same budget and, but for gamma and alpha, the same space. A search with focal loss scores one
candidate more, the best one's twin without it. Other models at their defaults. Weighted and
resampled models state the probabilities that their libraries state. A model that failed on a table
has the last rank there. Seconds are those of one thread on a machine with other work.

Made by `python -m benchmarks.quality report` from the rows that `python -m benchmarks.quality run`
appended.
"""


def _section(
    figure: str, sign: float, by_table: pd.DataFrame, seconds: pd.DataFrame, folder: Path
) -> str:
    values = (sign * by_table).fillna(np.inf).to_numpy()
    ranks = pd.Series(rankdata(values, axis=1).mean(axis=0), index=by_table.columns)
    n_tables, n_models = values.shape
    q = studentized_range.ppf(0.95, n_models, np.inf) / np.sqrt(2.0)
    critical = q * np.sqrt(n_models * (n_models + 1) / (6.0 * n_tables))
    p_value = friedmanchisquare(*values.T).pvalue if n_tables > 2 else np.nan
    ours = values[:, list(by_table.columns).index(OURS)]
    rows = []
    for k, model in enumerate(by_table.columns):
        against = values[:, k]
        better, worse = int((ours < against).sum()), int((ours > against).sum())
        ties = n_tables - better - worse
        rows.append(
            {
                "model": model,
                "mean rank": f"{ranks[model]:.2f}",
                "mean": f"{by_table[model].mean():.4f}",
                "ensemble wins / ties / losses": f"{better} / {ties} / {worse}",
                "seconds, median": f"{seconds[model].median():.1f}",
            }
        )
    rows.sort(key=lambda row: float(row["mean rank"]))
    name = figure.replace("_", " ")
    _diagram(ranks, critical, folder / f"quality_{figure}.svg")
    return f"""## {name.capitalize()}

Mean rank over {n_tables} tables, 1 is best of {n_models}. Friedman's test: p = {p_value:.2g}. Mean
ranks less than {critical:.2f} apart are not told apart at 5% (Nemenyi).

![Mean ranks by {name}; bars join what Nemenyi's test does not tell apart](quality_{figure}.svg)

{_table(pd.DataFrame(rows))}
<details><summary>Each table</summary>

{_table(by_table.round(4).reset_index())}
</details>
"""


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
                    "p": f"{wilcoxon(gain).pvalue:.2f}" if (gain != 0).any() else "",
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
