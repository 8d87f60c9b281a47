"""Train a focal model beside the same model with plain cross-entropy, and compare them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.data import take_rows
from focaltab.monitoring import Reference
from focaltab.pipeline import ColumnWarning, TableFeatures, TabularPipeline
from focaltab.pipeline._kinds import ColumnKinds, as_numbers, as_text
from focaltab.pipeline._layers import positive_label
from focaltab.sampling._sampled import MIN_POSITIVES
from focaltab.workflow._config import TrainConfig
from focaltab.workflow._csv import check_unique
from focaltab.workflow._errors import UserError
from focaltab.workflow._evaluate import difference, evaluate
from focaltab.workflow._fit import Progress, fit, fit_ensemble, pipeline_of
from focaltab.workflow._split import VALIDATION_SHARE, check_enough, moments, split
from focaltab.workflow._summary import loss_name, verdict
from focaltab.workflow._target import binary_target, plain_labels, text_of

_TOP_ROWS = 20
_REFERENCE_ROWS = 50_000


@dataclass(frozen=True)
class TrainResult:
    """A trained model with its held-out figures and those of another to compare it with.

    ``model`` takes a table and gives its own labels; ``labels`` are the negative and the positive
    one as text. ``top_rows`` holds the row numbers and the columns of the held-out rows that score
    highest, ``reference`` what the held-out rows look like.
    """

    config: TrainConfig
    model: TabularPipeline
    labels: tuple[str, str]
    figures: dict[str, Any]
    predictions: pd.DataFrame
    top_rows: pd.DataFrame
    reference: Reference

    @property
    def features(self) -> TableFeatures:
        """The columns that the model reads, and what it makes of them."""
        return self.model[0]

    @property
    def verdict(self) -> str:
        """Both average precisions, and whether their difference means anything."""
        return verdict(self.figures)


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
        rounds done on all folds and on all rows together, and the rounds at most; in the end these
        are as many as were done.

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
    when = None if config.time_column is None else moments(table, config.time_column)
    used = {config.target, *config.drop} | ({config.time_column} - {None})
    features = table.drop(columns=[str(name) for name in used])
    check_columns(features, config.categorical)
    if when is None:
        check_enough(y, (negative, positive), config.test_size)
    kept, held_out = split(y, when, config.test_size, config.random_state, (negative, positive))
    target = Target(y, plain_labels(table, config.target, y), when, kept, held_out)
    return fit_and_judge(config, target, features, lambda rows: features.iloc[rows], progress)


def check_columns(features: pd.DataFrame, categorical: Collection[str] = ()) -> ColumnKinds:
    """Refuse before a long training what it or its judgement would fail on.

    Returns
    -------
    ColumnKinds
        Of all rows.

    Raises
    ------
    UserError
        For two columns of one name, infinite values, lists, or numbers with a stray word.
    """
    check_unique([str(name) for name in features.columns])
    try:
        found = ColumnKinds.of_table(features, len(features), categorical)
        for name, kind in found.kinds.items():
            if kind == "number":
                as_numbers(name, features[name])
    except ValueError as error:
        raise UserError(
            f"{error} (--drop leaves a column out, --categorical takes its values for names.)"
        ) from None
    return found


@dataclass(frozen=True)
class Target:
    """Labels as 0 and 1 and as they are, the rows' moments if any, and who is held out."""

    y: NDArray[np.int8]
    labels: NDArray[Any]
    when: NDArray[np.float64] | None
    kept: NDArray[np.intp]
    held_out: NDArray[np.intp]

    @property
    def names(self) -> tuple[str, str]:
        """The negative and the positive label as text."""
        return text_of(self.labels[0]), text_of(self.labels[1])


def fit_and_judge(
    config: TrainConfig,
    target: Target,
    X: Any,
    rows_of: Callable[[NDArray[np.intp]], pd.DataFrame],
    progress: Progress | None,
) -> TrainResult:
    """Train both losses on the kept rows of a table, and judge them on the held-out ones.

    `rows_of` gives rows of the table in memory.
    """
    y, kept, held_out = target.y, target.kept, target.held_out
    folds: Any = "auto"
    if target.when is not None:
        later = split(
            y[kept],
            target.when[kept],
            VALIDATION_SHARE,
            config.random_state,
            target.names,
            purpose="early-stopping",
        )
        folds = [later]
    n_positives = int(y[kept].sum())
    if config.sampling is not None and n_positives < MIN_POSITIVES:
        raise UserError(
            f"--sampling needs at least {MIN_POSITIVES} rows of {target.names[1]!r} to train on, "
            f"but there are {n_positives}: leave it out."
        )
    X_kept, y_kept = take_rows(X, kept), target.labels[y[kept]]
    positive = target.labels[1].item()
    fits: dict[str, Fitted] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColumnWarning)  # the features say it in the end
        losses = config.losses
        if config.is_ensemble:
            losses = {"cross_entropy": losses["cross_entropy"]}
            ensemble = fit_ensemble(config, X_kept, y_kept, positive, progress)
            fits["ensemble"] = Fitted(ensemble, f"ensemble of {len(ensemble[-1].members_)}")
        for name, (gamma, alpha) in losses.items():
            # The same folds for both losses, so that only the loss differs.
            pipeline = pipeline_of(config.single, gamma, alpha, positive, folds)
            best_round = fit(config.single, pipeline, X_kept, y_kept, name, progress)
            pipeline.set_params(model__early_stopping_folds="auto")  # which these rows alone have
            fits[name] = Fitted(pipeline, loss_name(name, gamma, alpha), best_round)
    kept_fit = next(iter(fits))
    if config.gamma is None and not config.is_ensemble:
        kept_fit = better_loss(fits)
    sides = {"train": kept, "test": held_out}
    counts = {
        "rows": {side: int(rows.size) for side, rows in sides.items()},
        **_sampled(fits[kept_fit].model),
        "positives": {side: int(y[rows].sum()) for side, rows in sides.items()},
    }
    held = HeldOut(
        held_out, y[held_out], take_rows(X, held_out), lambda places: rows_of(held_out[places])
    )
    return judge(config, fits, kept_fit, target.names, counts, held)


def positive_probability(model: Any, X: Any) -> NDArray[np.float64]:
    """Probability of the positive label for each row of a table."""
    place = np.asarray(model.classes_).tolist().index(positive_label(model))
    return np.asarray(model.predict_proba(X), dtype=np.float64)[:, place]


@dataclass(frozen=True)
class HeldOut:
    """Rows to judge by: their numbers, labels 0/1 and columns.

    `columns_at` gives the columns of those at some places among these rows in memory.
    """

    numbers: NDArray[Any]
    truth: NDArray[Any]
    X: Any
    columns_at: Callable[[NDArray[np.intp]], pd.DataFrame]


@dataclass(frozen=True)
class Fitted:
    """A fitted model, what it is called, and its rounds or epochs if it has any."""

    model: TabularPipeline
    name: str
    best_round: int | None = None


def better_loss(fits: dict[str, Fitted]) -> str:
    """Which of both losses to keep: focal loss where it is better by more than the noise.

    By the log loss of the folds that both stopped by, and the standard error of its difference.
    """
    losses = [
        np.array([min(fold["logloss"]) for fold in fits[name].model[-1].evals_result_.values()])
        for name in ("focal", "cross_entropy")
    ]
    gain = losses[1] - losses[0]
    error = 0.0 if gain.size == 1 else float(gain.std(ddof=1)) / np.sqrt(gain.size)
    return "focal" if gain.mean() > error else "cross_entropy"


def judge(
    config: TrainConfig,
    fits: dict[str, Fitted],
    kept: str,
    labels: tuple[str, str],
    counts: dict[str, Any],
    held: HeldOut,
) -> TrainResult:
    """Figures of the fits on held-out rows.

    Parameters
    ----------
    fits : dict
        What was asked for, and ``"cross_entropy"`` to compare it with.
    kept : str
        Which of them is to be saved.
    counts : dict
        ``"rows"`` and ``"positives"`` of each side of the split, and what else was counted.
    """
    negative, positive = labels
    truth = held.truth
    scores = {name: positive_probability(fitted.model, held.X) for name, fitted in fits.items()}
    first, plain = fits
    rounds = {name: f.best_round for name, f in fits.items() if f.best_round is not None}
    figures = {
        **counts,
        "kept": kept,
        "chosen": config.gamma is None and not config.is_ensemble,
        "names": {name: fitted.name for name, fitted in fits.items()},
        "rounds": {"unit": config.unit, "most": config.rounds, **rounds},
        **{
            name: evaluate(truth, s, random_state=config.random_state) for name, s in scores.items()
        },
        "difference": difference(
            truth, scores[first], scores[plain], random_state=config.random_state
        ),
        **_out_of_fold(fits[first].model),
    }
    predictions = pd.DataFrame(
        {
            "row": held.numbers,
            config.target: np.where(truth == 1, positive, negative),
            "probability": scores[kept],
            **{f"probability_{name}": scores[name] for name in fits if name != kept},
        }
    )
    top = np.argsort(-scores[kept], kind="stable")[:_TOP_ROWS]
    model = fits[kept].model
    top_rows = held.columns_at(top)[list(model[0].kinds_)].reset_index(drop=True)
    top_rows.insert(0, "row", held.numbers[top], allow_duplicates=True)
    return TrainResult(
        config,
        model,
        labels,
        figures,
        predictions,
        top_rows,
        _reference(config, model, held, scores[kept]),
    )


def _out_of_fold(model: TabularPipeline) -> dict[str, Any]:
    """What each member of an ensemble is worth, the best first."""
    table = getattr(model[-1], "out_of_fold_", None)
    if table is None or table.empty:
        return {}
    rows = table.sort_values("log_loss").reset_index()
    return {"members": rows.to_dict("records"), "not_tried": list(model[-1].not_tried_)}


def _reference(
    config: TrainConfig, model: TabularPipeline, held: HeldOut, score: NDArray[Any]
) -> Reference:
    """What held-out rows look like, for those that come later; of many rows a sample says it."""
    chosen = np.arange(held.truth.size)
    if chosen.size > _REFERENCE_ROWS:
        rng = np.random.default_rng(config.random_state)
        chosen = np.sort(rng.choice(chosen, _REFERENCE_ROWS, replace=False))
    features = model[0]
    rows = held.columns_at(chosen)[list(features.kinds_)]
    # Codes of digits would else be summarised as numbers.
    names = {name: as_text(rows[name]).astype("category") for name in features.categories_}
    positive = positive_label(model)
    other = next(label for label in model.classes_.tolist() if label != positive)
    return Reference.from_rows(
        rows.assign(**names),
        np.array([other, positive])[held.truth[chosen]],
        score=score[chosen],
        pos_label=positive,
    )


def _sampled(model: TabularPipeline) -> dict[str, Any]:
    """How many of the training rows were kept, where they were sampled."""
    result = getattr(model[-1], "sampling_", None)
    return {} if result is None else {"sampled": {"kept": result.n_kept, "of": result.n_rows}}
