"""What both estimators do with their input before the library sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from focaltab.losses import FocalLoss
from focaltab.losses._validation import check_weight

_ROWS_PER_CHECK = 65_536


def encode_target(y: Any) -> tuple[NDArray[Any], NDArray[np.integer[Any]]]:
    """Sorted class labels, and the class number of each row.

    Raises
    ------
    ValueError
        If labels are missing or continuous, or there is only one class.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None.")
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind not in "biuf":
        labels = np.asarray(labels, dtype=object)
        # pandas' own string and nullable dtypes carry their missing values along.
        absent = np.asarray(pd.isna(labels))
    else:
        absent = ~np.isfinite(labels)
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueError(
            f"y has a missing (NaN) or infinite label in row {row}: drop such rows or label them."
        )
    check_classification_targets(labels)
    # Hashing finds the classes in a tenth of the time that sorting all rows takes. pandas' hash
    # of numbers would leave tens of megabytes behind for the fit.
    found = pd.unique(labels) if labels.dtype == object else np.unique(labels)
    try:
        classes = np.sort(found)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in found})
        raise ValueError(
            f"y mixes labels of types {', '.join(kinds)}, which have no common order: "
            "convert them to one type."
        ) from None
    if classes.size == 0:
        raise ValueError("y has 0 sample(s): there is nothing to learn from.")
    if classes.size < 2:
        raise ValueError(
            f"y has only one class, {classes[0]!r}: a classifier needs rows of at least two."
        )
    if classes.dtype == object and all(isinstance(c, str) for c in classes):
        classes = classes.astype(str)
    # The smallest integer type, filled in parts: class numbers live as long as the fit does.
    codes = np.empty(labels.size, np.min_scalar_type(-classes.size))
    for start in range(0, labels.size, _ROWS_PER_CHECK):
        part = slice(start, start + _ROWS_PER_CHECK)
        codes[part] = _class_numbers(labels[part], classes)
    return classes, codes


def encode_eval_target(y: Any, classes: NDArray[Any]) -> NDArray[np.intp]:
    """Class numbers of an evaluation set's labels.

    Raises
    ------
    ValueError
        If a label was not in the training set.
    """
    labels = np.asarray(column_or_1d(y))
    codes = _class_numbers(labels, classes)
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise ValueError(
            f"eval_set: label {labels[row]} in row {row} is not among the training classes "
            f"{list(classes)}."
        )
    return codes


def _class_numbers(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Position of each label among the classes, -1 for a stranger."""
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(labels)), dtype=np.intp)


def check_features(X: Any) -> None:
    """Refuse a table without columns, and infinite values.

    One library rejects infinite values from its core, the other trains on them.

    Raises
    ------
    ValueError
        Names the first column, and row, that has an infinite value.
    """
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) == 2 and shape[1] == 0:
        raise ValueError(f"0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    if isinstance(X, pd.DataFrame):
        for position, name in enumerate(X.columns):
            column = X.iloc[:, position]
            if pd.api.types.is_float_dtype(column.dtype):
                _check_array(column.to_numpy(dtype=np.float64, na_value=np.nan), f"column {name!r}")
    elif sparse.issparse(X):
        values = getattr(X, "data", None)
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            _check_array(values, "the sparse matrix")
    elif isinstance(X, np.ndarray) and X.dtype.kind == "f":
        _check_array(X, "X")


def _check_array(values: NDArray[Any], where: str) -> None:
    # In parts, so that the check needs no memory to speak of.
    for start in range(0, values.shape[0], _ROWS_PER_CHECK):
        infinite = np.isinf(values[start : start + _ROWS_PER_CHECK])
        if infinite.any():
            place = np.argwhere(infinite)[0]
            if infinite.ndim == 2:
                where = f"{where}, column {int(place[1])}"
            raise ValueError(
                f"Infinite value (inf) in {where}, row {start + int(place[0])}: "
                "replace it by NaN (missing) or a finite number."
            )


def label_weights(focal_alpha: Any, classes: NDArray[Any]) -> Any:
    """Turn ``focal_alpha={label: weight}`` into weights in class order; others pass unchanged."""
    if not isinstance(focal_alpha, Mapping):
        return focal_alpha
    unknown = [label for label in focal_alpha if label not in classes]
    absent = [label for label in classes.tolist() if label not in focal_alpha]
    if unknown or absent:
        raise ValueError(
            f"focal_alpha needs one weight for each class {list(classes)}; "
            f"missing: {absent}, unknown: {unknown}."
        )
    return [focal_alpha[label] for label in classes.tolist()]


def training_weight(
    sample_weight: Any,
    class_weight: Any,
    scale_pos_weight: float | None,
    y: Any,
    codes: NDArray[np.integer[Any]],
) -> NDArray[np.float64] | None:
    """Product of all weights a row has, or None where it has none.

    Raises
    ------
    ValueError
        For weights that are negative, not finite, all zero, or not one per row.
    """
    weight = None
    if sample_weight is not None:
        given = np.asarray(sample_weight, dtype=np.float64)
        weight = check_weight(np.full(codes.size, given) if given.ndim == 0 else given, codes.size)
    if class_weight is not None:
        by_class = compute_sample_weight(class_weight, np.asarray(y).reshape(-1))
        weight = by_class if weight is None else weight * by_class
    if scale_pos_weight is not None and scale_pos_weight != 1:
        factor = np.where(codes == 1, float(scale_pos_weight), 1.0)
        weight = factor if weight is None else weight * factor
    if weight is not None:
        counts = np.bincount(codes, weight)
        if not (counts > 0).all():
            raise ValueError(
                f"the sample weights of class number {int(np.argmin(counts))} are all zero, which "
                "leaves fewer than the two classes a classifier needs."
            )
    return weight


def prepare_loss(
    estimator: Any, classes: NDArray[Any], codes: NDArray[np.integer[Any]], weight: Any
) -> tuple[FocalLoss, Any]:
    """The estimator's loss with its class weights resolved, and the weighted prevalence.

    The prevalence is a number for two classes, an array of class shares for more.
    """
    alpha = label_weights(estimator.focal_alpha, classes)
    loss = FocalLoss(
        estimator.focal_gamma, alpha, link=estimator.link, n_classes=classes.size
    ).resolve_alpha(codes, weight)
    shares = np.bincount(codes, weight, minlength=classes.size).astype(np.float64)
    shares /= shares.sum()
    prevalence = shares if loss.is_multiclass else float(shares[1])
    return (loss.normalized(prevalence) if estimator.normalize else loss), prevalence


def validation_rows(
    codes: NDArray[np.integer[Any]], fraction: float, random_state: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to train on and a stratified part to stop early on.

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), or a class is too rare to stand on both sides.
    """
    if not (isinstance(fraction, float) and 0.0 < fraction < 1.0):
        raise ValueError(f"validation_fraction must lie strictly in (0, 1), got {fraction!r}.")
    counts = np.bincount(codes)
    if counts.min() < 2:
        raise ValueError(
            f"early stopping holds out part of every class, but class number "
            f"{int(counts.argmin())} has {int(counts.min())} row: pass eval_set, or set "
            "early_stopping_rounds=None."
        )
    seed = random_state
    if isinstance(random_state, np.random.Generator):
        seed = int(random_state.integers(2**31))
    train, held_out = train_test_split(
        np.arange(codes.size), test_size=fraction, stratify=codes, random_state=seed
    )
    # A class of a few rows may round to none held out: move one of its rows.
    for k in np.flatnonzero(np.bincount(codes[held_out], minlength=counts.size) == 0):
        moved = train[codes[train] == k][0]
        train, held_out = train[train != moved], np.append(held_out, moved)
    return np.sort(train), np.sort(held_out)


def take_rows(data: Any, rows: NDArray[np.intp]) -> Any:
    """Rows of an array, frame, sparse matrix or list; None stays None."""
    if data is None:
        return None
    if sparse.issparse(data):
        matrix: Any = data
        data = matrix.tocsr()  # not every sparse format can be indexed by row
    return _safe_indexing(data, rows)


def own_threads(n_jobs: int | None) -> int | None:
    """Threads for the objective under the estimator's ``n_jobs``; None for all."""
    return n_jobs if n_jobs is not None and n_jobs > 0 else None
