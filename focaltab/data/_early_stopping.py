"""What early stopping goes by where no evaluation set is given: folds, or one part held out.

Of each fold's rows the booster of the others stops at its own best round. A model of all rows is
then trained for as many rounds as these say, since it has more rows and so bears more of them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, check_cv, train_test_split

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

# Of "auto". More of them cost a network more than they tell.
BOOSTER_FOLDS, NETWORK_FOLDS = 5, 3
# From so many rows on, fewer folds say as much, and each costs more.
_FEW_FOLDS, _ROWS_FOR_FEW_FOLDS = 3, 20_000
_ROWS_FOR_ONE_PART = 200_000
# A model of so few is hardly one. An epoch is a pass over all rows, a round a single tree.
EARLY_STOP: dict[str, int] = {"round": 3, "epoch": 1}


class EarlyStopWarning(UserWarning):
    """Early stopping kept so few rounds that hardly anything was learned."""


@dataclass(frozen=True)
class StoppedFold:
    """Where training on the rows outside of a fold stopped.

    Parameters
    ----------
    best_round : int
        Round or epoch, counted from 1.
    history : dict of str to list of float
        Each metric on the fold's rows, by round.
    share : float
        Of all rows, those that were trained on.
    """

    best_round: int
    history: Mapping[str, Sequence[float]]
    share: float


def rounds_for_all_rows(
    folds: Sequence[StoppedFold], at_most: int, factor: float | None = None
) -> int:
    """Rounds for a model of all rows: the folds' geometric mean, times `factor`.

    Without one, times the rows that it has more than the folds' models.
    """
    mean = math.exp(float(np.mean([math.log(fold.best_round) for fold in folds])))
    share = float(np.mean([fold.share for fold in folds]))
    rounds = mean / share if factor is None else factor * mean
    return max(1, min(at_most, round(rounds)))


def histories_of(folds: Sequence[StoppedFold]) -> dict[str, dict[str, Sequence[float]]]:
    """Each fold's metrics by round, as ``evals_result_`` has them."""
    return {f"fold_{k}": dict(fold.history) for k, fold in enumerate(folds)}


def mean_best_scores(folds: Sequence[StoppedFold]) -> dict[str, float]:
    """Each metric at the best round, as the mean over folds."""
    of_all = set.intersection(*(set(fold.history) for fold in folds))
    return {
        name: float(np.mean([fold.history[name][fold.best_round - 1] for fold in folds]))
        for name in folds[0].history
        if name in of_all
    }


def folds_of(
    codes: NDArray[np.integer[Any]], folds: Any, fraction: float, random_state: Any, most: int
) -> list[Split]:
    """Rows to train on and rows to stop by, for each fold.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class numbers.
    folds : "auto", int, splitter or list of (train, test)
        "auto" is `most` stratified folds, three from 20,000 rows and `fraction` of the rows held
        out once from 200,000.
    fraction : float
    random_state : int, RandomState, Generator or None
    most : int

    Raises
    ------
    ValueError
        For a class too rare to stand on both sides of a fold, or `folds` that are none.
    """
    counts = np.bincount(codes)
    check_hold_out(counts, fraction)
    rarest = int(counts.min())
    if isinstance(folds, str) and folds == "auto":
        folds = auto_folds(counts, most)
        if folds == 1:
            return [validation_rows(codes, fraction, random_state)]
    is_number = isinstance(folds, Integral) and not isinstance(folds, bool)
    is_other = isinstance(folds, list) or callable(getattr(folds, "get_n_splits", None))
    if (folds < 2) if is_number else not is_other:
        raise ValueError(
            "early_stopping_folds must be 'auto', an int from 2, a splitter or a list of "
            f"(train, test), got {folds!r}."
        )
    if is_number:
        if rarest < folds:
            raise ValueError(
                f"early_stopping_folds={folds!r}, but class number {int(counts.argmin())} has "
                f"{rarest} rows, and every fold needs one: set 'auto'."
            )
        folds = StratifiedKFold(int(folds), shuffle=True, random_state=_seed(random_state))
    rows = np.zeros((codes.size, 1))
    splits = [(np.asarray(a), np.asarray(b)) for a, b in check_cv(folds, codes).split(rows, codes)]
    for k, (train, held_out) in enumerate(splits):
        if np.bincount(codes[train], minlength=counts.size).min() == 0 or held_out.size == 0:
            raise ValueError(
                f"early_stopping_folds: fold {k} has no row to stop by, or lacks a class to train "
                "on."
            )
    return splits


def auto_folds(counts: NDArray[np.integer[Any]], most: int) -> int:
    """Folds of "auto", for so many rows of each class; 1 for one part that is held out."""
    n_rows = int(counts.sum())
    if n_rows >= _ROWS_FOR_ONE_PART:
        return 1
    return min(_FEW_FOLDS if n_rows >= _ROWS_FOR_FEW_FOLDS else most, int(counts.min()))


def warn_of_early_stop(
    best_round: int, n_rounds: int, unit: Literal["round", "epoch"] = "round"
) -> None:
    """Warn where hardly anything was learned before the best round.

    Parameters
    ----------
    best_round : int
        Counted from 1.
    n_rounds : int
        Rounds that were asked for; a model that was to be so small is no surprise.
    unit : {"round", "epoch"}
    """
    if best_round <= EARLY_STOP[unit] < n_rounds:
        warnings.warn(
            f"Early stopping ended the model at {unit} {best_round} of at most {n_rounds}: with "
            "more, the rows that it goes by are predicted worse. Either the features say next to "
            "nothing of the target, or these rows are too few or unlike the others. Compare it "
            "with a model of a fixed number of rounds.",
            EarlyStopWarning,
            stacklevel=3,
        )


def validation_rows(codes: NDArray[np.integer[Any]], fraction: float, random_state: Any) -> Split:
    """Rows to train on and a stratified part to stop early on.

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), or a class is too rare to stand on both sides.
    """
    counts = np.bincount(codes)
    check_hold_out(counts, fraction)
    # At least one row of every class on each side.
    n_held_out = max(math.ceil(float(fraction) * codes.size), counts.size)
    if codes.size - n_held_out < counts.size:
        raise ValueError(
            f"validation_fraction={fraction!r} of {codes.size} rows leaves too few of "
            f"{counts.size} classes to train on: pass eval_set, or switch early stopping off."
        )
    train, held_out = train_test_split(
        np.arange(codes.size),
        test_size=n_held_out,
        stratify=codes,
        random_state=_seed(random_state),
    )
    # A class of a few rows may round to none held out: move one of its rows.
    for k in np.flatnonzero(np.bincount(codes[held_out], minlength=counts.size) == 0):
        moved = train[codes[train] == k][0]
        train, held_out = train[train != moved], np.append(held_out, moved)
    return np.sort(train), np.sort(held_out)


def check_hold_out(counts: NDArray[np.integer[Any]], fraction: float) -> None:
    """Refuse to hold out what leaves a side without a class.

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), or a class has a single row.
    """
    if not (isinstance(fraction, Real) and 0.0 < fraction < 1.0):
        raise ValueError(f"validation_fraction must lie strictly in (0, 1), got {fraction!r}.")
    if counts.min() < 2:
        raise ValueError(
            f"early stopping holds out part of every class, but class number "
            f"{int(counts.argmin())} has {int(counts.min())} row: pass eval_set, or "
            "switch early stopping off."
        )


def _seed(random_state: Any) -> Any:
    """What scikit-learn's splitters take for a random state."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    return random_state
