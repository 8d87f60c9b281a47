"""What is done with one partition's rows, on the worker that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from focaltab.data import (
    Classes,
    Reader,
    as_table,
    check_hold_out,
    check_rows,
    checked_labels,
    read_table,
    said_of,
    take_rows,
)
from focaltab.losses._validation import check_weight


@dataclass(frozen=True)
class Facts:
    """What the client must know of a partition: its rows, and how many there are of each label."""

    n_rows: int
    labels: NDArray[Any]
    counts: NDArray[np.intp]


def facts_of(place: str, X: Any, y: Any, weight: Any, meta: Any) -> Facts:
    """Check a partition and count its labels.

    Raises
    ------
    ValueError
        For lengths that differ, missing labels, weights or features that cannot be used.
    """
    with said_of(place):
        check_rows(X, y)
        n_rows = len(y)
        if weight is not None:
            _check_weight(np.asarray(weight, dtype=np.float64), n_rows)
        if n_rows == 0:
            return Facts(0, np.empty(0, object), np.empty(0, np.intp))
        if isinstance(meta, pd.DataFrame):
            _check_categories(X, meta)
        codes, labels = pd.factorize(checked_labels(y))
    return Facts(n_rows, np.asarray(labels), np.bincount(codes))


def read(place: str, X: Any, reader: Reader) -> Any:
    """A partition's features in a plain form, checked for a library."""
    with said_of(place):
        return read_table(X, reader) if len(X) else as_table(X)


def _check_weight(weight: NDArray[np.float64], n_rows: int) -> None:
    # A partition may be without weight as a whole; the training set may not.
    flat = weight.reshape(-1) if weight.ndim == 2 and weight.shape[1] == 1 else weight
    if flat.shape != (n_rows,) or flat.any():
        check_weight(flat, n_rows)


def _check_categories(X: pd.DataFrame, meta: pd.DataFrame) -> None:
    for position, name in enumerate(meta.columns):
        expected, found = meta.dtypes.iloc[position], X.dtypes.iloc[position]
        if isinstance(expected, pd.CategoricalDtype) and not (
            isinstance(found, pd.CategoricalDtype)
            and found.categories.astype(object).equals(expected.categories.astype(object))
        ):
            raise ValueError(
                f"column {name!r} has other categories than the collection: call .categorize()."
            )


def encode(place: str, y: Any, classes: Classes) -> NDArray[np.int8 | np.int16]:
    """Class numbers of a partition's labels."""
    dtype = np.min_scalar_type(-classes.labels.size)
    if len(y) == 0:
        return np.empty(0, dtype)
    return classes.encode_more(checked_labels(y), place).astype(dtype)


def weigh(
    codes: NDArray[Any], weight: Any, factor: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """A row's own weight times its class's."""
    own = (
        np.ones(codes.size)
        if weight is None
        else np.asarray(weight, dtype=np.float64).reshape(codes.size)
    )
    return own if factor is None else own * factor[codes]


def class_totals(codes: NDArray[Any], weight: Any, n_classes: int) -> NDArray[np.float64]:
    """Weight of the rows of every class."""
    return np.bincount(codes, weight, minlength=n_classes).astype(np.float64)


def held_out(codes: NDArray[Any], n_held_out: NDArray[np.integer[Any]], seed: int) -> NDArray[Any]:
    """Which rows to stop early on: as many of every class as `n_held_out` says, at random."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(codes.size, dtype=bool)
    for k, n in enumerate(n_held_out):
        chosen[rng.choice(np.flatnonzero(codes == k), int(n), replace=False)] = True
    return chosen


def take(data: Any, chosen: NDArray[np.bool_]) -> Any:
    """The chosen rows of an array or frame."""
    return take_rows(data, np.flatnonzero(chosen))


@dataclass
class Joined:
    """Rows of several partitions as one."""

    features: Any
    codes: NDArray[Any]
    weight: NDArray[np.float64] | None


def joined(meta: Any, features: list[Any], codes: list[Any], weight: list[Any] | None) -> Joined:
    """Partitions as one; those of none are no rows of `meta`'s kind."""
    stack: Any = pd.concat if isinstance(meta, pd.DataFrame) else np.concatenate
    return Joined(
        stack(features) if features else meta,
        np.concatenate([np.empty(0, np.int8), *codes]),
        None if weight is None else np.concatenate([np.empty(0), *weight]),
    )


def rows_to_hold_out(
    counts: NDArray[np.intp], fraction: float, random_state: Any
) -> tuple[NDArray[np.int64], list[int]]:
    """How many rows of every class each partition gives away, and a seed for each to choose by.

    Parameters
    ----------
    counts : ndarray of shape (n_partitions, n_classes)
    fraction : float
    random_state : int, Generator, RandomState or None

    Returns
    -------
    n_held_out : ndarray of shape (n_partitions, n_classes)
        Drawn without replacement from all rows of a class, wherever they are.
    seeds : list of int

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), or a class has a single row.
    """
    per_class = counts.sum(axis=0)
    check_hold_out(per_class, fraction)
    if isinstance(random_state, np.random.Generator):
        rng = random_state
    else:
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    held = np.clip(np.rint(per_class * float(fraction)).astype(np.int64), 1, per_class - 1)
    by_class = [
        rng.multivariate_hypergeometric(counts[:, k], held[k], method="marginals")
        for k in range(held.size)
    ]
    seeds: Any = rng.integers(2**31, size=counts.shape[0])
    return np.stack(by_class, axis=1), seeds.tolist()
