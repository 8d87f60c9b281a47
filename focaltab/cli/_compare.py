"""``focaltab compare``: does any loss beat cross-entropy on this table."""

from __future__ import annotations

import json
import math
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape
from rich.table import Table

from focaltab._errors import first_line
from focaltab.cli._console import door_errors, err, out
from focaltab.cli._tables import Library, _read

if TYPE_CHECKING:
    from focaltab.comparison import LossComparison


def compare(
    data: Annotated[Path, typer.Argument(help="CSV or Parquet file.")],
    target: Annotated[str, typer.Option(help="Column to predict: any two labels.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    positive: Annotated[str | None, typer.Option(help="The positive label.")] = None,
    model: Annotated[
        list[Library] | None,
        typer.Option(help="Model to compare; may be repeated. xgb and lgbm unless given."),
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(help="Loss to compare; may be repeated. All but hard_negatives unless given."),
    ] = None,
    cv: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    repeats: Annotated[int, typer.Option(help="How often folds are dealt anew.")] = 2,
    budget: Annotated[
        list[float] | None,
        typer.Option(help="Share of rows that can be alerted; 0.01 and 0.05 unless given."),
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="Rows of one value here (a customer) stay on one side of a fold."),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Train on earlier rows and judge on later ones.")
    ] = None,
    gap: Annotated[
        str | None,
        typer.Option(help="Left out between them, as in 7D; a number for a column of numbers."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out.")] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(help="Column whose values are names though they look like numbers (codes)."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one per core.")] = 1,
    results: Annotated[
        Path | None,
        typer.Option(help="File for finished fits: after a kill the same command goes on."),
    ] = None,
    random_state: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Compare losses and resampling by cross-validation; say which beats cross-entropy, if any."""
    with door_errors():
        from focaltab.comparison import compare_losses
        from focaltab.comparison._candidates import candidates
        from focaltab.workflow._model_dir import check_new_folder

        check_new_folder(out_dir)
        if not 0 <= random_state < 2**31:
            raise ValueError(f"--random-state must be from 0 to 2^31 - 1, got {random_state}.")
        if gap is not None and time_column is None:
            raise ValueError("--gap needs --time-column.")
        models = list(dict.fromkeys(m.value for m in model)) if model else ["xgb", "lgbm"]
        candidates(models, loss or None, random_state)  # an unknown name shows before the reading
        named = tuple(categorical or ())
        table = _read(data, text_columns=named, names=named, target=target)
        X, y, labels, groups = _features(
            table, target, positive, group_column, time_column, tuple(drop or ()), named
        )
        folds = cv if time_column is None else _in_time(table, y, time_column, cv, gap, groups)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            comparison = compare_losses(
                X,
                y,
                models=models,
                losses=loss or None,
                cv=folds,
                n_repeats=repeats,
                budgets=tuple(budget or (0.01, 0.05)),
                groups=groups,
                n_jobs=jobs,
                random_state=random_state,
                verbose=1,
                results=results,
            )
        for note in dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning):
            err.print(f"[yellow]Note:[/] {escape(note)}", soft_wrap=True)
        told = {
            "source": str(data),
            "target": target,
            "labels": list(labels),
            "positive": labels[1],
            "rows": int(y.size),
            "positives": int(y.sum()),
            "features": list(X.columns),
            "categorical": list(named),
            "models": models,
            "cv": cv,
            "repeats": repeats if time_column is None else 1,
            "group_column": group_column,
            "time_column": time_column,
            "gap": gap,
            "random_state": random_state,
        }
        _show(comparison, told)
        written = _write(comparison, told, out_dir)
        out.print(f"Written to {escape(str(out_dir))}: {', '.join(written)}", soft_wrap=True)


def _features(
    table: Any,
    target: str,
    positive: str | None,
    group_column: str | None,
    time_column: str | None,
    drop: tuple[str, ...],
    categorical: tuple[str, ...],
) -> tuple[Any, Any, tuple[str, str], Any]:
    """Columns, labels of 0 and 1, their names, and groups, as `focaltab train` reads a table."""
    from focaltab.workflow import UserError
    from focaltab.workflow._config import check_named
    from focaltab.workflow._target import binary_target
    from focaltab.workflow._train import check_columns

    for option, name in (("--group-column", group_column), ("--time-column", time_column)):
        if name == target:
            raise UserError(f"{name!r} is the target: it can be no other column as well.")
        if name is not None and name not in table.columns:
            raise UserError(f"{option}: there is no column {name!r}.")
    check_named(table.columns, drop=drop, categorical=categorical)
    y, negative, positive = binary_target(table, target, positive)
    used = {target, *drop} | ({group_column, time_column} - {None})
    features = table.drop(columns=[str(name) for name in used])
    for name in categorical:
        if name not in features:
            raise UserError(f"--categorical {name!r} is no feature: it is left out.")
    found = check_columns(features, categorical)
    for name, reason in found.left_out.items():
        out.print(f"Column {escape(name)} left out: {reason}.")
    for name, reason in found.doubtful.items():
        out.print(
            f"Column {escape(name)} is used, but holds {escape(reason)}: else use --drop.",
            soft_wrap=True,
        )
    X = features[list(found.kinds)].astype(dict.fromkeys(categorical, "category"))
    groups = None
    if group_column is not None:
        groups = table[group_column]
        if groups.isna().any():
            row = int(groups.isna().to_numpy().argmax())
            raise UserError(f"--group-column {group_column!r} has no value in row {row}.")
    return X, y, (negative, positive), groups


def _in_time(
    table: Any, y: Any, name: str, n_splits: int, gap: str | None, groups: Any
) -> list[Any]:
    """Rows to train on and later ones to judge by; of other groups, where there are any."""
    import pandas as pd

    from focaltab.model_selection import TimeGapSplit
    from focaltab.workflow._split import moments

    when: Any = pd.Series(moments(table, name))
    length: Any = 0 if gap is None else gap
    if not pd.api.types.is_numeric_dtype(table[name].dtype):
        when = pd.to_datetime(when, unit="s")
    elif gap is not None:
        try:
            length = float(gap)
        except ValueError:
            raise ValueError(
                f"--gap must be a number, as column {name!r} holds numbers, got {gap!r}."
            ) from None
    splitter = TimeGapSplit(n_splits, time=name, gap=length, purge_groups=groups is not None)
    return list(splitter.split(pd.DataFrame({name: when}), y, groups))


def _show(comparison: LossComparison, told: dict[str, Any]) -> None:
    folds = comparison.folds
    out.print(
        f"Positive label: {escape(told['positive'])}. Rows: {told['rows']:,}, "
        f"{told['positives']:,} positive. Folds: {folds['fold'].nunique()}, with "
        f"{folds['positives_test'].min():,} to {folds['positives_test'].max():,} positives to "
        "judge by.",
        soft_wrap=True,
    )
    recalls = [name for name in comparison.table.columns if name.startswith("recall_at_")]
    table = Table(title="Means over folds; difference to cross_entropy of the same model")
    # A terminal is narrow: names may break into lines, numbers must not.
    table.add_column("")
    heads = ["average\nprecision", "difference", "calibr.\nerror"]
    for head in (*heads, *(name.replace("recall_at_", "recall\nat ") for name in recalls)):
        table.add_column(head, justify="right", no_wrap=True)
    last = None
    for candidate, row in comparison.table.iterrows():
        model, loss = cast(tuple[str, str], candidate)
        if last not in (None, model):
            table.add_section()
        last = model
        figures = [f"{row[name]:.4f}" for name in ("calibration_error", *recalls)]
        name = loss if model == "forest" else f"{model} {loss}"
        table.add_row(
            escape(name.replace("_", " ")),
            f"{row['average_precision']:.4f}",
            _difference(row),
            *figures,
        )
    out.print(table)
    for name, error in comparison.failures.items():
        err.print(f"[yellow]Failed:[/] {escape(name)}: {escape(error)}", soft_wrap=True)
    out.print(escape(comparison.verdict), soft_wrap=True)


def _difference(row: Any) -> str:
    if math.isnan(row["difference"]):
        return ""
    if math.isnan(row["difference_low"]):
        return f"{row['difference']:+.4f}"
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.4f}\n{low:+.3f} to {high:+.3f}"


def _write(comparison: LossComparison, told: dict[str, Any], out_dir: Path) -> list[str]:
    """Write a folder that is there whole or not at all; names of its files."""
    from focaltab import __version__
    from focaltab._new_file import written_whole

    written = ["comparison.json", "folds.csv"]
    with written_whole(out_dir) as part:
        part.mkdir()
        stored = {
            "focaltab": __version__,
            **told,
            "verdict": comparison.verdict,
            "table": _records(comparison.table.reset_index()),
            "differences": _records(comparison.differences),
            "failures": comparison.failures,
        }
        (part / written[0]).write_text(
            json.dumps(stored, indent=1, allow_nan=False), encoding="utf-8"
        )
        comparison.folds.to_csv(part / written[1], index=False)
        written += _draw(comparison, part)
    return written


def _records(table: Any) -> list[dict[str, Any]]:
    """Rows as JSON has them: it knows no NaN."""
    rows = table.to_dict(orient="records")
    return [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
        for row in rows
    ]


def _draw(comparison: LossComparison, folder: Path) -> list[str]:
    """Draw where matplotlib is there and there is a difference; whatever fails is told."""
    if find_spec("matplotlib") is None or comparison.differences.empty:
        return []
    try:
        from matplotlib.figure import Figure

        from focaltab.plots import LossComparisonDisplay

        # Of no window system: the command may run anywhere.
        n_lines = comparison.table["difference"].notna().sum()
        figure = Figure(figsize=(6.4, 1.4 + 0.32 * n_lines), layout="constrained")
        LossComparisonDisplay.from_comparison(comparison, ax=figure.subplots())
        for ending in ("png", "svg"):
            figure.savefig(folder / f"comparison.{ending}", dpi=150)
    except Exception as error:
        # Whatever fails in a drawing library, the figures are found and kept.
        err.print(
            f"[yellow]Warning:[/] the plot could not be drawn ({escape(first_line(error))}).",
            soft_wrap=True,
        )
        return []
    return ["comparison.png", "comparison.svg"]
