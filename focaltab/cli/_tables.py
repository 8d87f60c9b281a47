"""Commands for tables: train, predict, report, simulate, demo. Thin over `focaltab.workflow`."""

from __future__ import annotations

import shlex
import tempfile
import time
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from focaltab._errors import first_line
from focaltab.cli._console import door_errors, err, out

if TYPE_CHECKING:
    from focaltab.workflow import TableModel, TrainConfig, TrainResult

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
simulate_app = typer.Typer(help="Write simulated data.", no_args_is_help=True)
app.add_typer(simulate_app, name="simulate")


class Library(StrEnum):
    """Which model to train."""

    auto = "auto"
    ensemble = "ensemble"
    xgb = "xgb"
    lgbm = "lgbm"
    mlp = "mlp"


class Sampling(StrEnum):
    """Which rows to train on."""

    hard_negative = "hard_negative"


def _read(path: Path, **options: Any) -> Any:
    """Read a table, and print what was guessed about the file."""
    from focaltab.workflow import ReadingNote, read_table

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ReadingNote)
        table = read_table(path, **options)
    for warning in caught:
        if issubclass(warning.category, ReadingNote):
            err.print(f"[yellow]Note:[/] {escape(str(warning.message))}", soft_wrap=True)
    return table


def _alpha(text: str) -> float | str | None:
    from focaltab.workflow import UserError

    if text.lower() == "none":
        return None
    if text == "balanced":
        return text
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"--alpha must be a number in (0, 1), 'balanced' or 'none', got {text!r}."
        ) from None


def _gamma(text: str) -> float | None:
    from focaltab.workflow import UserError

    if text.lower() == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--gamma must be a number or 'auto', got {text!r}.") from None


def _show_version(asked: bool) -> None:
    if asked:
        from focaltab import __version__

        out.print(f"focaltab {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and end.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Focal loss for tables with rare positives."""


@app.command()
def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="CSV or Parquet file; with --external-memory Parquet files."),
    ],
    target: Annotated[str, typer.Option(help="Column to predict: any two labels.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    model: Annotated[
        Library,
        typer.Option(
            help="auto: many models, weighted by what they add, within --time-budget; ensemble: "
            "the same without a limit; or one booster, or a network (needs torch)."
        ),
    ] = Library.auto,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds that --model auto may take; 60 unless given.")
    ] = None,
    gamma: Annotated[
        str, typer.Option(help="Focusing parameter, at least 0; auto keeps what does better.")
    ] = "auto",
    alpha: Annotated[str, typer.Option(help="Number in (0, 1), 'balanced' or 'none'.")] = "none",
    positive: Annotated[str | None, typer.Option(help="The positive label.")] = None,
    test_size: Annotated[float, typer.Option(help="Share of rows held out.")] = 0.2,
    time_column: Annotated[
        str | None, typer.Option(help="Hold out the latest rows by this column.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out.")] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(help="Column whose values are names though they look like numbers (codes)."),
    ] = None,
    n_estimators: Annotated[
        int | None, typer.Option(help="Most rounds of a booster; 500 unless given.")
    ] = None,
    max_epochs: Annotated[
        int | None, typer.Option(help="Most epochs of --model mlp; 50 unless given.")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Shrinkage of each round, 0.1 unless given; for mlp the rate, 0.001."),
    ] = None,
    early_stopping_rounds: Annotated[
        int | None,
        typer.Option(help="Stop after so many rounds without a better log loss: 50, or 10 epochs."),
    ] = None,
    sampling: Annotated[
        Sampling | None,
        typer.Option(
            help="Train on all positives and the negatives that a small pilot model finds hard: "
            "faster where positives are rarer than 1 in 50."
        ),
    ] = None,
    random_state: Annotated[int, typer.Option(help="Seed.")] = 0,
    external_memory: Annotated[
        bool,
        typer.Option(
            "--external-memory",
            help=(
                "Read Parquet files in batches, for data larger than memory (boosters; xgb writes "
                "its cache into TMPDIR). No column is looked at as a whole: constants and numeric "
                "identifiers are not found, text is never taken as times, and categories are those "
                "of all rows. Columns of dates must be left out with --drop."
            ),
        ),
    ] = False,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Train a booster on this Dask scheduler, or 'local'; DATA may be a glob."
        ),
    ] = None,
) -> None:
    """Train a model for rare positives, and judge it on rows held out."""
    with door_errors():
        from focaltab.workflow import TrainConfig, UserError
        from focaltab.workflow._model_dir import check_new_folder

        config = TrainConfig(
            target=target,
            model=model.value,
            gamma=_gamma(gamma),
            alpha=_alpha(alpha),
            positive=positive,
            test_size=test_size,
            time_column=time_column,
            drop=tuple(drop or ()),
            categorical=tuple(categorical or ()),
            n_estimators=n_estimators,
            max_epochs=max_epochs,
            learning_rate=learning_rate,
            early_stopping_rounds=early_stopping_rounds,
            sampling=None if sampling is None else "hard_negative",
            time_budget=time_budget,
            random_state=random_state,
            external_memory=external_memory,
            dask=dask,
        )
        config.check()
        check_new_folder(out_dir)
        if not external_memory and len(data) > 1:
            raise UserError(
                "Several files are read with --external-memory alone; with --dask, give one "
                "glob in quotes."
            )
        table: Any = data
        if not external_memory and dask is None:
            named = config.categorical
            table = _read(data[0], text_columns=named, names=named, target=target)
        has_report = _train(table, config, out_dir, str(data[0]) if len(data) == 1 else None)
        out.print(
            f"Written to {escape(str(out_dir))}: the model, schema.json, metrics.json, "
            f"predictions.csv, top_rows.csv{', report.html' if has_report else ''}",
            soft_wrap=True,
        )


def _train(table: Any, config: TrainConfig, out_dir: Path, source: str | None = None) -> bool:
    """Train, save, show the figures and write the report; whether there is a report.

    `table` is a frame, or paths to read from as the training goes on; on a Dask cluster workers
    read them.
    """
    from focaltab.workflow import save_model, train_from_files
    from focaltab.workflow import train as train_in_memory

    train_model: Any = train_from_files if config.external_memory else train_in_memory

    bar = Progress(
        TextColumn("{task.description:>14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
        console=err,
    )
    with bar:
        tasks: dict[str, Any] = {}

        def progress(name: str, done: int, most: int, text: str = "") -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name.replace("_", "-"), total=most, text=text)
            # With all rounds done the bar's clock stops.
            bar.update(tasks[name], completed=done, total=most, text=text)

        if config.dask:
            from focaltab.workflow._dask import train_on_dask

            result = train_on_dask(str(source), config, progress)
        else:
            result = train_model(table, config, progress)
    save_model(result, out_dir, source=source)
    _show(result)
    return _write_report(out_dir)


def _write_report(model_dir: Path) -> bool:
    from focaltab.report import write_report

    try:
        write_report(model_dir)
    except Exception as error:
        # Whatever fails in a drawing library, the model is trained and saved.
        reason = first_line(error)
        err.print(
            f"[yellow]Warning:[/] the report could not be written ({escape(reason)}): the model is "
            "whole; try focaltab report.",
            soft_wrap=True,
        )
        return False
    return True


def _show(result: TrainResult) -> None:
    from focaltab.workflow._summary import (
        MEMBER_HEAD,
        best_rounds,
        figure_rows,
        member_rows,
        warnings_about,
    )

    figures = result.figures
    rows = figures["rows"]
    # On a cluster one part is held out to stop early by, in place of folds.
    stopping = f"{rows['early_stopping']:,} to stop early, " if "early_stopping" in rows else ""
    out.print(
        f"Positive label: {escape(result.labels[1])}. Rows: {rows['train']:,} to train, "
        f"{stopping}{rows['test']:,} held out "
        f"({figures['positives']['test']:,} positives, prevalence "
        f"{figures['cross_entropy']['prevalence']:.5f})."
    )
    if sampled := figures.get("sampled"):
        out.print(
            f"Trained on {sampled['kept']:,} of {sampled['of']:,} rows: all positives, and the "
            "negatives that a pilot model finds hard."
        )
    features = result.features
    for name, reason in features.left_out_.items():
        out.print(f"Column {escape(name)} left out: {reason}.")
    times = [name for name, kind in features.kinds_.items() if kind == "date"]
    if times and result.config.time_column is None:
        out.print(
            f"Column {escape(times[0])} holds dates, which grow: --time-column "
            f"{escape(shlex.quote(times[0]))} holds out the latest rows instead, and --drop leaves "
            "it out.",
            soft_wrap=True,
        )
    for name, reason in features.doubtful_.items():
        out.print(
            f"Column {escape(name)} is used, but holds {escape(reason)}: if that is not meant, "
            f"leave it out with --drop {escape(shlex.quote(name))}.",
            soft_wrap=True,
        )
    out.print(f"Best {figures['rounds']['unit']}: {escape(best_rounds(figures))}.")
    for warning in warnings_about(figures):
        err.print(f"[yellow]Warning:[/] {escape(warning)}", soft_wrap=True)
    if members := member_rows(figures):
        board = Table(title="Members of the ensemble, out of fold")
        for head in MEMBER_HEAD:
            board.add_column(head, justify="left" if head == "member" else "right")
        for row in members:
            board.add_row(*map(escape, row))
        out.print(board)
    table = Table(title="Held-out figures")
    table.add_column("", no_wrap=True)
    for head in (*figures["names"].values(), "no skill"):
        table.add_column(head, justify="right")
    for row in figure_rows(figures):
        # An interval stands under its value: a terminal is narrow.
        table.add_row(*(escape(cell.replace(" [", "\n[")) for cell in row))
    out.print(table)
    out.print(escape(result.verdict), soft_wrap=True)


@app.command()
def predict(
    model_dir: Annotated[Path, typer.Argument(help="Folder of train, or of focaltab.save.")],
    data: Annotated[Path, typer.Argument(help="CSV or Parquet file.")],
    out_file: Annotated[Path, typer.Option("--out", help="CSV or Parquet; must not exist.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Column of the data to write beside the scores, such as an identifier."),
    ] = None,
) -> None:
    """Score new rows; columns are matched by name."""
    with door_errors():
        from focaltab.workflow import load_model
        from focaltab.workflow._table import check_new_file, check_table_file, read_kept

        check_new_file(out_file)
        check_table_file(data)
        model = load_model(model_dir)
        table = _read(data, text_columns=model.text_columns, names=model.odd_names)
        columns = list(dict.fromkeys(keep or ()))
        check_kept(columns, table)
        _predict(model, table, out_file, read_kept(data, columns) if columns else None)
        out.print(f"Written to {escape(str(out_file))}", soft_wrap=True)


def check_kept(columns: list[str], table: Any) -> None:
    """Refuse to keep a column that is not there, or that has the name of one of the scores'."""
    from focaltab.workflow import UserError
    from focaltab.workflow._config import check_named

    check_named(table.columns, keep=columns)
    taken = [name for name in columns if name in ("row", "probability")]
    if taken:
        raise UserError(f"--keep {taken[0]!r} has the name of a column of the scores: rename it.")


def _predict(model: TableModel, table: Any, out_file: Path, kept: Any = None) -> None:
    """Write scores, with the columns of `kept` beside them."""
    import pandas as pd

    from focaltab.workflow import write_table

    probability, unknown = model.score_rows(table)
    for name, count in unknown.items():
        err.print(
            f"[yellow]Warning:[/] column {escape(name)}: training did not have {count} of the "
            "values, which are taken as missing.",
            soft_wrap=True,
        )
    scores = pd.DataFrame({"row": range(len(table)), "probability": probability})
    if kept is not None:
        scores = pd.concat([scores[["row"]], kept, scores[["probability"]]], axis=1)
    write_table(scores, out_file)
    out.print(
        f"Scored {len(table):,} rows: mean probability of label {escape(str(model.pos_label))} is "
        f"{probability.mean():.5f}.",
        soft_wrap=True,
    )


@app.command()
def report(
    model_dir: Annotated[Path, typer.Argument(help="Folder that train wrote.")],
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="HTML file; without it report.html in the folder, anew."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file that --out names.")
    ] = False,
) -> None:
    """Write one HTML page about a trained model, to open in any browser."""
    with door_errors():
        from focaltab.report import write_report

        path = write_report(model_dir, out_file, overwrite=overwrite)
        out.print(f"Written to {escape(str(path))}", soft_wrap=True)


@simulate_app.command("fraud")
def simulate_fraud_command(
    out_file: Annotated[Path, typer.Option("--out", help="CSV or Parquet; must not exist.")],
    rows: Annotated[int, typer.Option(help="Number of transactions.")] = 100_000,
    prevalence: Annotated[float, typer.Option(help="Share of frauds.")] = 0.002,
    random_state: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Simulate card transactions with rare frauds."""
    with door_errors():
        from focaltab.datasets import simulate_fraud
        from focaltab.workflow import write_table
        from focaltab.workflow._table import check_new_file

        check_new_file(out_file)
        table = simulate_fraud(rows, prevalence=prevalence, random_state=random_state)
        write_table(table, out_file)
        out.print(
            f"Wrote {rows:,} transactions, {int(table['is_fraud'].sum()):,} frauds: "
            f"{escape(str(out_file))}",
            soft_wrap=True,
        )


@simulate_app.command("defects")
def simulate_defects_command(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    images: Annotated[int, typer.Option(help="Number of images.")] = 300,
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 128,
    random_state: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Simulate images of a surface with rare small defects, in COCO's format."""
    with door_errors():
        from focaltab.datasets import make_defects

        data = make_defects(images, size=size, random_state=random_state)
        data.write_coco(out_dir)
        n_boxes = sum(map(len, data.boxes))
        out.print(
            f"Wrote {images:,} images, {n_boxes:,} defects: {escape(str(out_dir))}", soft_wrap=True
        )


@app.command()
def demo(
    rows: Annotated[int, typer.Option(help="Number of simulated transactions.")] = 200_000,
) -> None:
    """Simulate, train and predict in a temporary folder."""
    with door_errors(), tempfile.TemporaryDirectory() as folder:
        from focaltab.datasets import simulate_fraud
        from focaltab.workflow import TrainConfig, load_model

        start = time.perf_counter()
        table = simulate_fraud(rows, random_state=0)
        out.print(f"Simulated {rows:,} card transactions, {int(table['is_fraud'].sum())} frauds.")
        config = TrainConfig(
            target="is_fraud",
            time_column="time",
            drop=("customer_id", "terminal_id"),
            time_budget=25.0,
        )
        _train(table, config, Path(folder) / "model")
        new = simulate_fraud(10_000, random_state=1)
        _predict(load_model(Path(folder) / "model"), new, Path(folder) / "scores.csv")
        out.print(f"Done in {time.perf_counter() - start:.0f} s.")
