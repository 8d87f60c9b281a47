"""Train a focal model beside the same model with plain cross-entropy, and compare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.data import take_rows
from focaltab.monitoring import Reference
from focaltab.sampling._sampled import MIN_POSITIVES
from focaltab.workflow._config import PREDICTION_COLUMNS, TrainConfig
from focaltab.workflow._errors import UserError
from focaltab.workflow._evaluate import difference, evaluate
from focaltab.workflow._features import Schema
from focaltab.workflow._fit import Parts, Progress, fit
from focaltab.workflow._split import VALIDATION_SHARE, check_enough, moments, split
from focaltab.workflow._summary import model_name, verdict
from focaltab.workflow._table import check_columns
from focaltab.workflow._table_classifier import TableClassifier
from focaltab.workflow._target import binary_target

_TOP_ROWS = 20
_REFERENCE_ROWS = 50_000


@dataclass(frozen=True)
class TrainResult:
    """A trained model with its held-out figures and those of cross-entropy.

    ``top_rows`` holds the row numbers and the columns of the held-out rows that score highest,
    ``reference`` what the held-out rows look like.
    """

    config: TrainConfig
    estimator: Any
    schema: Schema
    labels: tuple[str, str]
    figures: dict[str, Any]
    predictions: pd.DataFrame
    top_rows: pd.DataFrame
    reference: Reference

    @property
    def model(self) -> TableClassifier:
        """The focal model with the columns it reads."""
        return TableClassifier(self.estimator, self.schema, self.labels)

    @property
    def verdict(self) -> str:
        """Both average precisions, and whether focal loss helped."""
        return verdict(self.figures, self.name)

    @property
    def name(self) -> str:
        """The focal model in a few words."""
        return model_name(self.config.gamma, self.config.alpha)


def train(
    table: pd.DataFrame, config: TrainConfig, progress: Progress | None = None
) -> TrainResult:
    """Train on a table and judge on its held-out part.

    Parameters
    ----------
    table : DataFrame
        As `read_table` returns it.
    config : TrainConfig
    progress : callable, default=None
        Called before a fit, after each of its rounds and when it has ended, with its name, the
        rounds done and the rounds at most; in the end these are as many as were done.

    Returns
    -------
    TrainResult

    Raises
    ------
    UserError
        For anything in the table or the options that cannot be trained on.
    """
    config.check()
    config = config.filled()
    y, negative, positive = binary_target(table, config.target, config.positive)
    config.check_named(table.columns)
    looked_at = table.drop(columns=[n for n in config.drop if n != config.time_column])
    check_columns(looked_at, config.categorical)
    when = None if config.time_column is None else moments(table, config.time_column)
    used = {config.target, *config.drop} | ({config.time_column} - {None})
    features = table.drop(columns=[str(name) for name in used])
    labels = (negative, positive)
    if when is None:
        check_enough(y, labels, config.test_size)
    kept, held_out = split(y, when, config.test_size, config.random_state, labels)
    schema = Schema.from_table(features.iloc[kept], config.categorical)
    X, _ = schema.apply(features)

    def rows_of(rows: NDArray[np.intp]) -> pd.DataFrame:
        return features.iloc[rows][list(schema.kinds)]

    target = Target(y, labels, when, kept, held_out)
    return fit_and_judge(config, target, schema, X, rows_of, progress)


@dataclass(frozen=True)
class Target:
    """Labels as 0 and 1 with their names, the rows' moments if any, and who is held out."""

    y: NDArray[np.int8]
    labels: tuple[str, str]
    when: NDArray[np.float64] | None
    kept: NDArray[np.intp]
    held_out: NDArray[np.intp]


def fit_and_judge(
    config: TrainConfig,
    target: Target,
    schema: Schema,
    X: Any,
    rows_of: Callable[[NDArray[np.intp]], pd.DataFrame],
    progress: Progress | None,
) -> TrainResult:
    """Train both losses on the kept rows of features, and judge them on the held-out ones.

    `rows_of` gives rows of the data as they are, under the names of the schema.
    """
    y, kept, held_out = target.y, target.kept, target.held_out
    positive = target.labels[1]
    inner = None if target.when is None else target.when[kept]
    fit_rows, stop_rows = (
        kept[rows]
        for rows in split(
            y[kept],
            inner,
            VALIDATION_SHARE,
            config.random_state,
            target.labels,
            purpose="early-stopping",
        )
    )
    # One early-stopping part for both losses, so that only the loss differs.
    parts = Parts(take_rows(X, fit_rows), y[fit_rows], take_rows(X, stop_rows), y[stop_rows])
    n_positives = int(y[fit_rows].sum())
    if config.sampling is not None and n_positives < MIN_POSITIVES:
        raise UserError(
            f"--sampling needs at least {MIN_POSITIVES} rows of {positive!r} to train on, but "
            f"there are {n_positives}: leave it out."
        )
    fits = {
        name: fit(config, gamma, alpha, parts, name, progress)
        for name, (gamma, alpha) in config.losses.items()
    }
    sides = {"train": fit_rows, "early_stopping": stop_rows, "test": held_out}
    counts = {
        "rows": {side: int(rows.size) for side, rows in sides.items()},
        **_sampled(fits["focal"][0]),
        "positives": {side: int(y[rows].sum()) for side, rows in sides.items()},
    }
    held = HeldOut(
        held_out, y[held_out], take_rows(X, held_out), lambda places: rows_of(held_out[places])
    )
    return judge(config, fits, schema, target.labels, counts, held)


@dataclass(frozen=True)
class HeldOut:
    """Rows to judge by: their numbers, labels 0/1 and features.

    `columns_at` gives the columns as they are in the data of those at some places among these rows.
    """

    numbers: NDArray[Any]
    truth: NDArray[Any]
    X: Any
    columns_at: Callable[[NDArray[np.intp]], pd.DataFrame]


def judge(
    config: TrainConfig,
    fits: dict[str, tuple[Any, int]],
    schema: Schema,
    labels: tuple[str, str],
    counts: dict[str, Any],
    held: HeldOut,
) -> TrainResult:
    """Figures of both fits on held-out rows.

    Parameters
    ----------
    fits : dict
        Estimator and best round of ``"focal"`` and ``"cross_entropy"``.
    counts : dict
        ``"rows"`` and ``"positives"`` of each side of the split, and what else was counted.
    """
    negative, positive = labels
    truth = held.truth
    scores: dict[str, NDArray[Any]] = {
        name: estimator.predict_proba(held.X)[:, 1] for name, (estimator, _) in fits.items()
    }
    figures = {
        **counts,
        "rounds": {
            "unit": config.unit,
            "most": config.rounds,
            **{name: best for name, (_, best) in fits.items()},
        },
        **{
            name: evaluate(truth, s, random_state=config.random_state) for name, s in scores.items()
        },
        "difference": difference(
            truth, scores["focal"], scores["cross_entropy"], random_state=config.random_state
        ),
    }
    row, focal, plain = PREDICTION_COLUMNS
    predictions = pd.DataFrame(
        {
            row: held.numbers,
            config.target: np.where(truth == 1, positive, negative),
            focal: scores["focal"],
            plain: scores["cross_entropy"],
        }
    )
    top = np.argsort(-scores["focal"], kind="stable")[:_TOP_ROWS]
    top_rows = held.columns_at(top)[list(schema.kinds)]
    top_rows.insert(0, row, held.numbers[top], allow_duplicates=True)
    return TrainResult(
        config,
        fits["focal"][0],
        schema,
        labels,
        figures,
        predictions,
        top_rows,
        _reference(config, schema, labels, held, scores["focal"]),
    )


def _reference(
    config: TrainConfig,
    schema: Schema,
    labels: tuple[str, str],
    held: HeldOut,
    score: NDArray[Any],
) -> Reference:
    """What held-out rows look like, for those that come later; of many rows a sample says it."""
    chosen = np.arange(held.truth.size)
    if chosen.size > _REFERENCE_ROWS:
        rng = np.random.default_rng(config.random_state)
        chosen = np.sort(rng.choice(chosen, _REFERENCE_ROWS, replace=False))
    return Reference.from_rows(
        schema.as_named(held.columns_at(chosen)),
        np.asarray(labels)[held.truth[chosen]],
        score=score[chosen],
        pos_label=labels[1],
    )


def _sampled(estimator: Any) -> dict[str, Any]:
    """How many of the training rows were kept, where they were sampled."""
    result = estimator.sampling_
    return {} if result is None else {"sampled": {"kept": result.n_kept, "of": result.n_rows}}
