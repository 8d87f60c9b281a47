"""`train` on a Dask cluster, for files that no single machine should hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from focaltab._compat.dask import example_of
from focaltab._errors import first_line
from focaltab._optional import require
from focaltab.data import told_of_common_positive
from focaltab.pipeline import ColumnWarning, TableFeatures, TabularPipeline
from focaltab.pipeline._needs import ANY_NUMBER
from focaltab.workflow._config import TrainConfig
from focaltab.workflow._errors import UserError
from focaltab.workflow._fit import Progress, best_round_of, boosting_options
from focaltab.workflow._split import VALIDATION_SHARE
from focaltab.workflow._summary import loss_name
from focaltab.workflow._table import plain_types
from focaltab.workflow._target import binary_target, plain_labels
from focaltab.workflow._train import Fitted, HeldOut, TrainResult, check_columns, judge

_SIDES = ("train", "early_stopping", "test")
_SAMPLE_ROWS = 100_000
_CONNECT_SECONDS = "20s"


def train_on_dask(
    source: str | Path, config: TrainConfig, progress: Progress | None = None
) -> TrainResult:
    """Train on files that the workers of a cluster read, and judge on a held-out part.

    Parameters
    ----------
    source : path
        A Parquet or CSV file, a folder of Parquet files, or a pattern such as ``"part-*.csv"``.
    config : TrainConfig
        For a booster, without a time column. Its ``dask`` is the scheduler's address, or
        ``"local"`` for a cluster of this machine's cores.
    progress : callable, default=None
        As for `train`; it is told of whole fits only.

    Returns
    -------
    TrainResult
        With ordinary estimators.

    Raises
    ------
    UserError
        For anything in the files or the options that cannot be trained on, a cluster that does not
        answer, or a worker that is lost.
    """
    config.check()
    config = config.filled()
    if config.model not in ("xgb", "lgbm"):
        raise UserError("--dask is for boosters: use --model xgb or lgbm.")
    if config.sampling is not None or config.external_memory:
        raise UserError("--dask goes with neither --sampling nor --external-memory.")
    if config.time_column is not None:
        raise UserError("--dask divides rows at random: leave out --time-column.")
    try:
        for package in ("dask", "distributed"):
            require(package, "--dask", extra="dask")
    except ImportError as error:
        raise UserError(f"{error}.") from None
    with _cluster(config.dask or "local") as client, client.as_current():
        try:
            return _train(client, _read(str(source)), config, progress)
        except (ValueError, RuntimeError, OSError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(first_line(error)) from error


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if address == "local":
        with LocalCluster(dashboard_address=":0") as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"--dask: no scheduler answers at {address}.") from error
    with client:
        yield client


def _read(source: str) -> Any:
    import dask.dataframe as dd

    read = dd.read_csv if source.endswith((".csv", ".txt", ".csv.gz")) else dd.read_parquet
    options = {"blocksize": None} if source.endswith(".gz") else {}
    try:
        table = read(source, **options)
    except Exception as error:
        # Parsers raise many types; whichever it is, the files are what the user can mend.
        raise UserError(f"{source} cannot be read: {first_line(error)}") from error
    if not len(table.columns):
        raise UserError(f"There is no file {source}.")
    return table.map_partitions(plain_types).rename(columns=str)


def _train(client: Any, table: Any, config: TrainConfig, progress: Progress | None) -> TrainResult:
    import dask.dataframe as dd
    from distributed import wait

    config.check_named(table.columns)
    table = client.persist(table.drop(columns=list(config.drop)))
    wait(table)
    chosen, labels, names = _target(table, config)
    sides = _sides(table, config)
    kept = {
        name: dd.map_partitions(_of_side, table, sides, number, meta=example_of(table))
        for number, name in enumerate(_SIDES)
    }
    sample = _sample(kept["train"], config)
    columns = sample.drop(columns=[config.target])
    check_columns(columns)
    features = TableFeatures(max_categories=ANY_NUMBER, plain_names=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColumnWarning)  # the features say it in the end
        features.fit(columns)
    empty = features.transform(columns.iloc[:0])
    X = {n: kept[n].map_partitions(features.transform, meta=empty) for n in _SIDES}
    y = {
        n: kept[n].map_partitions(
            _own_labels, config.target, chosen, labels, meta=pd.Series(labels[:0])
        )
        for n in _SIDES
    }
    is_positive = {n: y[n] == labels[1] for n in _SIDES}
    sizes = client.gather(client.compute([one.size for one in y.values()]))
    sums = client.gather(client.compute([one.sum() for one in is_positive.values()]))
    counts = {
        "rows": {n: int(size) for n, size in zip(_SIDES, sizes, strict=True)},
        "positives": {n: int(total) for n, total in zip(_SIDES, sums, strict=True)},
    }
    for side in _SIDES:
        for label, found in zip(
            names,
            (counts["rows"][side] - counts["positives"][side], counts["positives"][side]),
            strict=True,
        ):
            if found == 0:
                raise UserError(
                    f"The {side} part has no row of label {label!r}: label more rows of it."
                )
    fits = {}
    for name, (gamma, alpha) in config.losses.items():
        if progress is not None:
            progress(name, 0, config.rounds)
        with told_of_common_positive():  # as in training in memory
            model, best_round = _fit(client, config, gamma, alpha, labels[1].item(), X, y)
        pipeline = TabularPipeline([("features", features), ("model", model)])
        fits[name] = Fitted(pipeline, loss_name(name, gamma, alpha), best_round)
        if progress is not None:
            progress(name, config.rounds, config.rounds)
    held, truth, side = client.gather(client.compute([kept["test"], is_positive["test"], sides]))
    # Rows are numbered through all files, as they are read.
    numbers = np.flatnonzero(side.to_numpy() == _SIDES.index("test"))
    rows = HeldOut(numbers, truth.to_numpy(dtype=np.int8), held, lambda places: held.iloc[places])
    return judge(config, fits, "focal", names, counts, rows)


def _target(table: Any, config: TrainConfig) -> tuple[Any, Any, tuple[str, str]]:
    """The positive label as it stands in the files, both as a model gives them, and as text."""
    if config.target not in table.columns:
        binary_target(example_of(table), config.target, config.positive)  # says so
    counts = table[config.target].value_counts(dropna=False, split_out=1).compute().sort_values()
    counts = counts[counts > 0]
    missing = counts.index.isna()
    if missing.any():
        raise UserError(
            f"Target {config.target!r} has {int(counts[missing].sum())} missing values: drop those "
            "rows or label them."
        )
    # Two rows of each label and one of the rarest: all that the choice depends on.
    labels = counts.index.astype(object) if counts.index.dtype == "category" else counts.index
    told = pd.DataFrame({config.target: labels.repeat(2)[1:]})
    y, negative, positive = binary_target(told, config.target, config.positive)
    chosen = told[config.target][int(np.argmax(y))]
    return chosen, plain_labels(told, config.target, y), (negative, positive)


def _sides(table: Any, config: TrainConfig) -> Any:
    """Number of the side that each row is dealt to, by a seed and the number of its partition."""
    import dask.dataframe as dd
    from dask import delayed

    parts = [
        delayed(_deal)(part, [config.random_state, number], config.test_size)
        for number, part in enumerate(table.to_delayed())
    ]
    return dd.from_delayed(parts, meta=pd.Series([], dtype=np.int64), verify_meta=False)


def _deal(part: pd.DataFrame, seed: list[int], test_size: float) -> pd.Series:
    drawn = np.random.default_rng(seed).random((2, len(part)))
    side = np.where(drawn[0] < test_size, 2, np.where(drawn[1] < VALIDATION_SHARE, 1, 0))
    return pd.Series(side.astype(np.int64), index=part.index)


def _sample(table: Any, config: TrainConfig) -> pd.DataFrame:
    """Training rows from which kinds and categories of columns are found."""
    n_rows = len(table)
    if n_rows <= _SAMPLE_ROWS:
        return table.compute()
    return table.sample(frac=_SAMPLE_ROWS / n_rows, random_state=config.random_state).compute()


def _of_side(part: pd.DataFrame, sides: pd.Series, number: int) -> pd.DataFrame:
    return part[sides.to_numpy() == number]


def _own_labels(part: pd.DataFrame, target: str, positive: Any, labels: Any) -> pd.Series:
    is_positive = (part[target] == positive).to_numpy(dtype=np.int8)
    return pd.Series(labels[is_positive], index=part.index)


def _fit(
    client: Any,
    config: TrainConfig,
    gamma: float,
    alpha: Any,
    pos_label: Any,
    X: dict[str, Any],
    y: dict[str, Any],
) -> tuple[Any, int]:
    """An ordinary estimator trained on the cluster, and its best round."""
    from focaltab.distributed import DaskFocalLGBMClassifier, DaskFocalXGBClassifier

    of_library = {"xgb": DaskFocalXGBClassifier, "lgbm": DaskFocalLGBMClassifier}[config.model]
    options = boosting_options(config, gamma, alpha)
    booster: Any = of_library(client=client, pos_label=pos_label, **options)
    evaluation = [(X["early_stopping"], y["early_stopping"])]
    local = booster.fit(X["train"], y["train"], eval_set=evaluation).to_local()
    return local, best_round_of(local)
