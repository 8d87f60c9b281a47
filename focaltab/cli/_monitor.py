"""``focaltab monitor``: do new rows still look like those that the model was judged on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from focaltab.cli._console import door_errors, out
from focaltab.cli._tables import _read

if TYPE_CHECKING:
    from focaltab.monitoring import DriftReport

_MOST_COLUMNS = 15


def monitor(
    model_dir: Annotated[Path, typer.Argument(help="Folder of train, or of focaltab.save.")],
    data: Annotated[Path, typer.Argument(help="New rows: CSV or Parquet file.")],
    target: Annotated[
        str | None, typer.Option(help="Column of labels, where they are known by now.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability from which rows are alerted; the model's own unless given."),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="JSON file for all figures; must not exist.")
    ] = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit with 1 where columns or scores changed.")
    ] = False,
    random_state: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
) -> None:
    """Compare new rows with those the model was judged on; say whether the threshold must move."""
    with door_errors():
        from focaltab._new_file import check_new, written_whole
        from focaltab.workflow._monitor import monitor as compare
        from focaltab.workflow._monitor import odd_names, read_reference, text_columns
        from focaltab.workflow._table import check_table_file

        if out_file is not None:
            check_new(out_file)
        check_table_file(data)
        reference = read_reference(model_dir)
        table = _read(data, text_columns=text_columns(reference), names=odd_names(reference))
        report = compare(
            model_dir, table, target=target, threshold=threshold, random_state=random_state
        )
        _show(report)
        if out_file is not None:
            with written_whole(out_file) as part:
                text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
                part.write_text(text + "\n", encoding="utf-8")
            out.print(f"Written to {escape(str(out_file))}", soft_wrap=True)
        changed = report.score is not None and (
            report.score.beyond_chance and report.score.level != "stable"
        )
        if fail_on_drift and (report.drifted or changed):
            raise typer.Exit(1)


def _show(report: DriftReport) -> None:
    shown = report.columns.sort_values("psi", ascending=False, kind="stable").head(_MOST_COLUMNS)
    table = Table(
        title=f"{report.n_rows:,} new rows against {report.n_reference:,}",
        caption="PSI: population stability index; by chance: what chance alone may make of it",
    )
    table.add_column("column")
    for head in ("PSI", "by chance", "missing before", "now", "unseen"):
        table.add_column(head, justify="right")
    table.add_column("change")
    for row in shown.to_dict("records"):
        table.add_row(
            escape(str(row["column"])),
            f"{row['psi']:.3f}",
            f"{row['psi_limit']:.3f}",
            f"{row['missing_before']:.1%}",
            f"{row['missing']:.1%}",
            "" if math.isnan(row["unseen"]) else f"{row['unseen']:.1%}",
            f"[bold]{row['level']}[/]" if row["column"] in report.drifted else "",
        )
    out.print(table)
    if len(report.columns) > len(shown):
        out.print(f"{len(report.columns) - len(shown)} more columns changed less.")
    out.print(escape(report.verdict), soft_wrap=True)
    if report.prevalence_observed is not None:
        figures = [f"prevalence {report.prevalence_observed:.3%}"]
        for name in ("average_precision", "log_loss"):
            value = getattr(report, name)
            if value is not None:
                figures.append(f"{name.replace('_', ' ')} {value:.4g}")
        out.print(f"By the labels: {', '.join(figures)}.", soft_wrap=True)
