"""Folds that are checked for rare positives before a model is fitted on any of them."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from focaltab._compat.sklearn import count_rows
from focaltab.data import encode_target

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def checked_folds(
    cv: Any,
    X: Any,
    y: Any,
    groups: Any = None,
    *,
    pos_label: Any = None,
    random_state: Any = None,
) -> Folds:
    """Rows to train on and to test on, fold by fold, with both classes on both sides.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test)
        A number makes shuffled stratified folds, of whole groups where `groups` are given.
        An iterable gives row numbers or boolean masks.
    X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Two labels.
    groups : array-like of shape (n_samples,), default=None
        Whose row it is. No group may then stand on both sides of a fold, except under a splitter
        that lets groups come back later in time, as `TimeGapSplit` does.
    pos_label : label, default=None
        The positive label; None for the second in sorted order.
    random_state : int, RandomState instance or None, default=None
        Shuffles the folds that a number makes.

    Returns
    -------
    list of (ndarray of intp, ndarray of intp)

    Raises
    ------
    ValueError
        For a `y` that is not binary, fewer positives or negatives than folds, a side of a fold
        without one of the classes, a row or a group on both sides of a fold, missing groups, or a
        `cv` that gives no folds.
    """
    positive, labels = positive_rows(y, pos_label)
    n_rows = positive.size
    if count_rows(X) != n_rows:
        raise ValueError(f"X has {count_rows(X)} rows but y has {n_rows} labels.")
    if groups is not None:
        groups = checked_groups(groups, n_rows)
    folds = [
        (_rows(train, n_rows, k, "train"), _rows(test, n_rows, k, "test"))
        for k, (train, test) in enumerate(
            _pairs(cv, X, y, groups, positive, labels, random_state), start=1
        )
    ]
    if not folds:
        raise ValueError("cv gives no folds: it needs at least one pair of train and test rows.")
    may_recur = getattr(cv, "groups_may_recur", False)
    for k, (train, test) in enumerate(folds, start=1):
        both = np.intersect1d(train, test)
        if both.size:
            raise ValueError(
                f"fold {k} has row {both[0]} in its train and its test part: a model would be "
                "judged on rows that it was fitted on."
            )
        check_classes(k, "train", positive[train], labels)
        check_classes(k, "test", positive[test], labels)
        if groups is not None and not may_recur:
            _check_apart(k, groups, train, test)
    return folds


def positive_rows(y: Any, pos_label: Any = None) -> tuple[NDArray[np.bool_], list[Any]]:
    """Whether each row is positive, and the negative and the positive label.

    Raises
    ------
    ValueError
        For labels that are missing, or not of two kinds.
    """
    classes, codes = encode_target(y, pos_label)
    if classes.labels.size > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is multiclass: y has "
            f"{classes.labels.size} classes, {classes.labels.tolist()[:5]}."
        )
    return codes == 1, classes.by_number.tolist()


def checked_groups(groups: Any, n_rows: int) -> NDArray[Any]:
    """One group for each row, none of them missing.

    Raises
    ------
    ValueError
        Names the first row without a group.
    """
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(
            f"groups must hold one value for each of {n_rows} rows, got shape {values.shape}."
        )
    absent = np.asarray(pd.isna(groups))
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueError(
            f"groups is missing in row {row}: give such rows a group of their own or drop them."
        )
    return values


def check_classes(
    fold: int, part: str, positive: NDArray[np.bool_], labels: list[Any], advice: str = ""
) -> None:
    """Refuse a part of a fold that lacks one of the classes.

    Raises
    ------
    ValueError
        Names the fold, counted from 1, the part and the class.
    """
    advice = advice or "use fewer folds, or folds that are stratified"
    for present, kind, label in (
        (positive.any(), "positive", labels[1]),
        (not positive.all(), "negative", labels[0]),
    ):
        if not present:
            raise ValueError(
                f"fold {fold} has no row of the {kind} class {label!r} in its {part} part of "
                f"{positive.size} rows: {advice}."
            )


def _pairs(
    cv: Any,
    X: Any,
    y: Any,
    groups: Any,
    positive: NDArray[np.bool_],
    labels: list[Any],
    random_state: Any,
) -> Iterable[tuple[Any, Any]]:
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        check_enough(positive, labels, int(cv), groups)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        splitter = kind(int(cv), shuffle=True, random_state=random_state)
        return splitter.split(np.zeros(positive.size), positive, groups)
    if hasattr(cv, "split") and not isinstance(cv, str | bytes):
        return cv.split(X, y, groups)
    if isinstance(cv, Iterable) and not isinstance(cv, str | bytes):
        return [_pair(k, fold) for k, fold in enumerate(cv, start=1)]
    raise ValueError(
        "cv must be a number of folds, a scikit-learn splitter, or an iterable of (train, test) "
        f"rows, got {cv!r}."
    )


def check_enough(
    positive: NDArray[np.bool_], labels: list[Any], n_folds: int, groups: Any = None
) -> None:
    """Refuse more folds than a class has rows, or groups with such rows.

    Raises
    ------
    ValueError
        Names the class, and how many folds it suffices for.
    """
    if n_folds < 2:
        raise ValueError(f"cv={n_folds} folds are too few: use at least 2.")
    for rows, kind, label in (
        (positive, "positive", labels[1]),
        (~positive, "negative", labels[0]),
    ):
        n_rows = int(rows.sum())
        found = n_rows if groups is None else len(pd.unique(groups[rows]))
        if found < n_folds:
            what = "" if groups is None else f" in {found} group{'s' * (found != 1)}"
            advice = (
                f"use cv of at most {found}, or find more such rows"
                if found > 1
                else "no cross-validation is possible; find more such rows"
            )
            raise ValueError(
                f"y has {n_rows} row{'s' * (n_rows != 1)} of the {kind} class {label!r}{what}, "
                f"fewer than {n_folds} folds: {advice}."
            )


def _pair(fold: int, given: Any) -> tuple[Any, Any]:
    try:
        train, test = given
    except (TypeError, ValueError):
        raise ValueError(
            f"fold {fold} of cv is no pair of train and test rows, but {given!r:.80}."
        ) from None
    return train, test


def _rows(given: Any, n_rows: int, fold: int, part: str) -> NDArray[np.intp]:
    rows = np.asarray(given)
    if rows.dtype == np.bool_ and rows.shape == (n_rows,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(
            f"the {part} part of fold {fold} must hold row numbers, or a mask of {n_rows} rows, "
            f"got {rows.dtype} values of shape {rows.shape}."
        )
    if rows.size == 0:
        raise ValueError(f"the {part} part of fold {fold} is empty.")
    if rows.min() < 0 or rows.max() >= n_rows:
        bad = rows.min() if rows.min() < 0 else rows.max()
        raise ValueError(
            f"the {part} part of fold {fold} holds row {bad}, but X has rows 0 to {n_rows - 1}."
        )
    return rows.astype(np.intp)


def _check_apart(
    fold: int, groups: NDArray[Any], train: NDArray[np.intp], test: NDArray[np.intp]
) -> None:
    known = pd.Index(groups[train])
    seen = np.asarray(pd.Index(groups[test]).isin(known))
    if seen.any():
        group = groups[test][seen].tolist()[0]
        raise ValueError(
            f"group {group!r} stands in the train and the test part of fold {fold}: use a splitter "
            "that keeps groups whole, as a number of folds does, or pass no groups."
        )
