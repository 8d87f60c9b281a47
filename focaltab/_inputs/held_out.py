"""Rows that a fit is judged by: a part of its own, or evaluation sets of the user's."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import train_test_split

from focaltab._compat.sklearn import rows_at
from focaltab._inputs.features import check_features, check_rows
from focaltab._inputs.labels import Classes
from focaltab._inputs.lazy import is_lazy
from focaltab.losses._validation import check_weight


def validation_rows(
    codes: NDArray[np.integer[Any]], fraction: float, random_state: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
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
    seed = random_state
    if isinstance(random_state, np.random.Generator):
        seed = int(random_state.integers(2**31))
    train, held_out = train_test_split(
        np.arange(codes.size), test_size=n_held_out, stratify=codes, random_state=seed
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


def encode_evaluation_sets(
    eval_set: list[tuple[Any, Any]], classes: Classes, weights: Any, *, needs_positives: bool
) -> list[tuple[Any, NDArray[np.intp]]]:
    """Check evaluation sets and give them class numbers.

    Raises
    ------
    ValueError
        For features, labels or weights that cannot be used, or where early stopping on average
        precision is asked of a set without positives.
    """
    encoded = []
    for k, (X, y) in enumerate(eval_set):
        check_rows(X, y, f"eval_set {k}: ")
        check_features(X)
        codes = classes.encode_more(y)
        if needs_positives and codes.size and not codes.any():
            raise ValueError(
                f"eval_set {k} has no row of class {classes.by_number.tolist()[1]!r}: average "
                "precision, which early stopping goes by, needs positives."
            )
        if weights is not None and weights[k] is not None:
            check_weight(weights[k], codes.size, f"sample_weight of eval_set {k}")
        encoded.append((X, codes))
    return encoded


def take_rows(data: Any, rows: NDArray[np.intp]) -> Any:
    """Rows of an array, frame, sparse matrix, list or table in files; None stays None."""
    if data is None:
        return None
    if is_lazy(data):
        return data.take(rows)
    if sparse.issparse(data):
        matrix: Any = data
        data = matrix.tocsr()  # not every sparse format can be indexed by row
    return rows_at(data, rows)


def with_weight_only(
    X: Any, codes: NDArray[Any], weight: NDArray[np.float64] | None
) -> tuple[Any, NDArray[Any], NDArray[np.float64] | None]:
    """Leave out the rows without weight, which say nothing but would set scales."""
    if weight is None or (weight > 0).all():
        return X, codes, weight
    kept = np.flatnonzero(weight > 0)
    return take_rows(X, kept), codes[kept], weight[kept]
