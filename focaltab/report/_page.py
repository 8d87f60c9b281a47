"""The report as one HTML file, with everything it needs inside."""

from __future__ import annotations

import json
import os
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from focaltab.report._content import Content
from focaltab.report._figures import figures
from focaltab.workflow import UserError

_COSTS = {"review": 1.0, "missed": 20.0}


def write_report(
    model_dir: str | Path, out: str | Path | None = None, *, overwrite: bool = False
) -> Path:
    """Write the report of a folder that ``focaltab train`` made.

    Parameters
    ----------
    model_dir : path
    out : path, default=None
        The HTML file; ``report.html`` in the folder unless given.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    UserError
        If the folder is none of a model's, or the file exists.

    Notes
    -----
    Plots need matplotlib (``pip install "focaltab[plots]"``); without it the page says so.
    """
    model_dir = Path(model_dir)
    path = model_dir / "report.html" if out is None else Path(out)
    content = Content.of(model_dir)
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists already: choose another --out, or pass --overwrite.")
    if not path.resolve().parent.is_dir():
        raise UserError(f"There is no folder {path.resolve().parent}.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(_page(content), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _page(content: Content) -> str:
    target = escape(str(content.schema["config"]["target"]))
    here = files("focaltab.report")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{target}: {escape(content.name)}</title>
<link rel="icon" href="data:,">
<style>{here.joinpath("page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<h1>{target}</h1>
<p class="verdict">{escape(content.verdict)}</p>
<h2>Held-out figures</h2>
{_figures_table(content)}
<h2>Where to set the threshold</h2>
{_threshold_part(content)}
<h2>Plots</h2>
{figures(content)}
<h2>Highest-scored rows</h2>
{_highest_table(content)}
<h2>Data and model</h2>
{_facts_table(content)}
<p>To repeat it:</p>
<pre>{escape(content.command)}</pre>
<script>{here.joinpath("slider.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def _table(head: list[str], rows: list[list[str]], ids: list[str] | None = None) -> str:
    """A table of escaped cells; the first column names the row."""
    names = ids or [""] * len(rows)
    body = "".join(
        f"<tr{f' id={name!r}' if name else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>\n"
        for name, row in zip(names, rows, strict=True)
    )
    cells = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    return (
        f'<div class="wide"><table><thead><tr>{cells}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figures_table(content: Content) -> str:
    focal, plain = content.figures["focal"], content.figures["cross_entropy"]
    rows = []
    for name in focal:
        if name in ("prevalence", "average_precision_low", "average_precision_high"):
            continue
        digits = 5 if name in ("brier_score", "log_loss", "mean_probability") else 3
        no_skill = f"{focal['prevalence']:.5f}" if name == "average_precision" else ""
        rows.append(
            [
                name.replace("_", " "),
                *(f"{f[name]:.{digits}f}" for f in (focal, plain)),
                no_skill,
            ]
        )
    return _table(["", content.name, "cross-entropy", "no skill"], rows)


def _threshold_part(content: Content) -> str:
    data: dict[str, Any] = content.thresholds()
    n = len(data["alerts"])
    positives, n_rows = int(content.y.sum()), int(content.y.size)
    shown = sorted({int(i) for i in np.linspace(0, n - 1, min(n, 8))})
    data |= {"positives": positives, "rows": n_rows, "shown": shown}
    ids = ["chosen", "cheapest", *(f"shown-{k}" for k in range(len(shown)))]
    names = ["chosen", "cheapest", *("" for _ in shown)]
    places = [n // 2, _cheapest(data), *shown]
    rows = [
        [name, *_threshold_cells(data, i, positives, n_rows)]
        for name, i in zip(names, places, strict=True)
    ]
    head = ["", "threshold", "alerts", "precision", "recall", "cost", "saved"]
    text = json.dumps(data).replace("<", "\\u003c")
    return f"""<p class="controls">
<label>A review costs <input id="review-cost" type="number" min="0.01" step="any"
 value="{_COSTS["review"]:g}"></label>
<label>A missed positive costs <input id="missed-cost" type="number" min="0.01" step="any"
 value="{_COSTS["missed"]:g}"></label>
<input id="slider" type="range" min="0" max="{n - 1}" value="{n // 2}"
 aria-label="Threshold, from few alerts to many"></p>
{_table(head, rows, ids)}
<p class="note">On the {n_rows:,} held-out rows. Saved: against the cheaper of reviewing every row
and none.</p>
<script type="application/json" id="thresholds">{text}</script>"""


def _cost(data: dict[str, Any], i: int, positives: int) -> float:
    missed = positives - data["hits"][i]
    return float(data["alerts"][i] * _COSTS["review"] + missed * _COSTS["missed"])


def _cheapest(data: dict[str, Any]) -> int:
    costs = [_cost(data, i, data["positives"]) for i in range(len(data["alerts"]))]
    return int(np.argmin(costs))


def _threshold_cells(data: dict[str, Any], i: int, positives: int, n_rows: int) -> list[str]:
    alerts, hits, cost = data["alerts"][i], data["hits"][i], _cost(data, i, positives)
    base = min(positives * _COSTS["missed"], n_rows * _COSTS["review"])
    return [
        f"{data['threshold'][i]:.3g}",
        f"{alerts:,.0f}",
        f"{hits / alerts:.1%}",
        f"{hits / positives:.1%}",
        f"{cost:,.0f}",
        f"{1 - cost / base:.1%}",
    ]


def _highest_table(content: Content) -> str:
    target = content.schema["config"]["target"]
    rows = [
        [
            f"{row['row']}",
            str(row[target]),
            f"{row['probability']:.4f}",
            f"{row['probability_cross_entropy']:.4f}",
        ]
        for _, row in content.highest().iterrows()
    ]
    return _table(["row", target, f"probability, {content.name}", "cross-entropy"], rows)


def _facts_table(content: Content) -> str:
    schema, rows = content.schema, content.figures["rows"]
    kinds = list(schema["kinds"].values())
    facts = [
        ["positive label", str(schema["positive"])],
        ["prevalence, held out", f"{content.figures['focal']['prevalence']:.5f}"],
        ["rows to train", f"{rows['train']:,}"],
        ["rows to stop early", f"{rows['early_stopping']:,}"],
        ["rows held out", f"{rows['test']:,}"],
        *([f"columns, {kind}", str(kinds.count(kind))] for kind in sorted(set(kinds))),
        *([f"left out: {name}", reason] for name, reason in schema["left_out"].items()),
        *([name, number] for name, number in schema["versions"].items()),
        ["focaltab", schema["focaltab"]],
    ]
    return _table(["", ""], facts)
