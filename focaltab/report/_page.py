"""The report as one HTML file, with everything it needs inside."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path

from focaltab._new_file import part_of
from focaltab.report._content import Content
from focaltab.report._figures import figures
from focaltab.report._html import table
from focaltab.report._thresholds import threshold_part
from focaltab.workflow import UserError
from focaltab.workflow._summary import (
    MEMBER_HEAD,
    best_rounds,
    figure_rows,
    member_rows,
    warnings_about,
)

# Of a highest-scored row's own: a wider table is read by nobody.
_OWN_COLUMNS = 30


def write_report(
    model_dir: str | Path, out: str | Path | None = None, *, overwrite: bool = False
) -> Path:
    """Write the report of a folder that ``focaltab train`` made.

    Parameters
    ----------
    model_dir : path
    out : path, default=None
        The HTML file; unless given, ``report.html`` in the folder, written anew.
    overwrite : bool, default=False
        Whether an existing file that `out` names may be replaced.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    UserError
        If the folder is none of a model's, or the file that `out` names exists or has another
        ending than .html or .htm.

    Notes
    -----
    Plots need matplotlib (``pip install "focaltab[plots]"``); without it the page says so.
    """
    model_dir = Path(model_dir)
    path = model_dir / "report.html" if out is None else Path(out)
    content = Content.of(model_dir)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{path}: the report is an HTML page, so its ending must be .html or .htm.")
    if out is not None and path.exists() and not overwrite:
        raise UserError(f"{path} exists already: choose another --out, or pass --overwrite.")
    if not path.resolve().parent.is_dir():
        raise UserError(f"There is no folder {path.resolve().parent}.")
    with part_of(path) as part:
        part.write_text(_page(content), encoding="utf-8")
        part.replace(path)
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
{_warnings(content)}<h2>Held-out figures</h2>
{_figures_table(content)}
{_members_table(content)}<h2>Where to set the threshold</h2>
{threshold_part(content.y, content.probability)}
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


def _warnings(content: Content) -> str:
    told = warnings_about(content.figures)
    return "".join(f'<p class="note">{escape(warning)}</p>\n' for warning in told)


def _figures_table(content: Content) -> str:
    head = ["", *content.figures["names"].values(), "no skill"]
    return table(head, figure_rows(content.figures))


def _members_table(content: Content) -> str:
    rows = member_rows(content.figures)
    if not rows:
        return ""
    note = (
        '<p class="note">Out of fold, on the training rows; what has no weight is not part of the '
        "model.</p>"
    )
    return f"<h2>Members of the ensemble</h2>\n{table(MEMBER_HEAD, rows)}{note}\n"


def _highest_table(content: Content) -> str:
    target = content.schema["config"]["target"]
    own = content.own_values
    names = own.columns[:_OWN_COLUMNS].tolist()
    # A folder without these values, or of other rows, still has its scores.
    values = own.reindex(content.highest()["row"]).iloc[:, : len(names)].fillna("")
    rows = [
        [
            f"{row['row']}",
            str(row[target]),
            f"{row['probability']:.4f}",
            f"{row[f'probability_{content.other}']:.4f}",
            *of_row,
        ]
        for (_, row), of_row in zip(
            content.highest().iterrows(), values.to_numpy().tolist(), strict=True
        )
    ]
    other = content.figures["names"][content.other]
    head = ["row", target, f"probability, {content.name}", other, *names]
    more = own.shape[1] - len(names)
    note = f'<p class="note">{more} more columns are in top_rows.csv.</p>' if more else ""
    return table(head, rows) + note


def _facts_table(content: Content) -> str:
    schema, rows = content.schema, content.figures["rows"]
    kinds = list(schema["kinds"].values())
    facts = [
        ["positive label", str(schema["positive"])],
        ["prevalence, held out", f"{content.figures[content.other]['prevalence']:.5f}"],
        ["rows to train", f"{rows['train']:,}"],
        *(["rows to stop early", f"{n:,}"] for side, n in rows.items() if side == "early_stopping"),
        ["rows held out", f"{rows['test']:,}"],
        ["positives held out", f"{content.figures['positives']['test']:,}"],
        [f"best {content.figures['rounds']['unit']}", best_rounds(content.figures)],
        *([f"columns, {kind}", str(kinds.count(kind))] for kind in sorted(set(kinds))),
        *([f"left out: {name}", reason] for name, reason in schema["left_out"].items()),
        *([f"doubtful: {name}", reason] for name, reason in schema["doubtful"].items()),
        *([name, number] for name, number in schema["versions"].items()),
        ["focaltab", schema["focaltab"]],
    ]
    return table(["", ""], facts)
