"""What both estimators do with their input before the library sees it."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _num_samples

from focaltab.boosting._labels import Classes
from focaltab.losses import FocalLoss
from focaltab.losses._validation import check_weight

_ROWS_PER_CHECK = 65_536


def check_rows(X: Any, y: Any, name: str = "") -> None:
    """Refuse features and labels of different lengths.

    Raises
    ------
    ValueError
        Names both lengths, and the evaluation set if it is one.
    """
    n_rows, n_labels = _num_samples(X), _num_samples(y)
    if n_rows != n_labels:
        raise ValueError(f"{name}X has {n_rows} rows but y has {n_labels} labels.")


def check_features(X: Any) -> None:
    """Refuse a table without columns, columns that are no features, and infinite values.

    One library rejects infinite values from its core, the other trains on them.

    Raises
    ------
    ValueError
        Names the first column, and row, that has an infinite value; a column of dates or times;
        a name that stands twice.
    """
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) == 2 and shape[1] == 0:
        raise ValueError(f"0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    if isinstance(X, pd.DataFrame):
        _check_frame(X)
    elif sparse.issparse(X):
        matrix: Any = X
        flat = matrix.format in ("csr", "csc", "coo", "bsr", "dia")
        values = (matrix if flat else matrix.tocsr()).data
        if values.dtype.kind == "f":
            _check_array(values, "the sparse matrix")
    elif isinstance(X, np.ndarray | list):
        values = np.asarray(X)
        if values.dtype.kind == "f":
            _check_array(values, "X")


def _check_frame(X: pd.DataFrame) -> None:
    twice = X.columns[X.columns.duplicated()]
    if twice.size:
        raise ValueError(f"Column name {twice[0]!r} stands more than once: rename or drop one.")
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position]
        if pd.api.types.is_float_dtype(column.dtype):
            _check_array(column.to_numpy(dtype=np.float64, na_value=np.nan), f"column {name!r}")
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise ValueError(
                f"Column {name!r} holds dates or times: turn it into numbers (an hour, days since "
                "an event) or drop it."
            )


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
    if scale_pos_weight is not None and not (
        isinstance(scale_pos_weight, Real) and 0.0 < scale_pos_weight < math.inf
    ):
        raise ValueError(f"scale_pos_weight must be positive and finite, got {scale_pos_weight!r}.")
    weight = None
    if sample_weight is not None:
        given = np.asarray(sample_weight, dtype=np.float64)
        weight = check_weight(np.full(codes.size, given) if given.ndim == 0 else given, codes.size)
    if class_weight is not None:
        by_class = compute_sample_weight(class_weight, np.asarray(y).reshape(-1))
        weight = by_class if weight is None else weight * by_class
    if scale_pos_weight is not None and scale_pos_weight != 1 and codes.max() > 1:
        warnings.warn(
            "scale_pos_weight is for two classes and ignored here: use class_weight.",
            UserWarning,
            stacklevel=3,
        )
    elif scale_pos_weight is not None and scale_pos_weight != 1:
        factor = np.where(codes == 1, float(scale_pos_weight), 1.0)
        weight = factor if weight is None else weight * factor
    if weight is not None:
        counts = np.bincount(codes, weight)
        if not (counts > 0).all():
            raise ValueError(
                f"the sample weights of class number {int(np.argmin(counts))} are all zero, but a "
                "classifier needs rows of every class, at least two: give them weight or drop them."
            )
    return weight


def prepare_loss(
    estimator: Any, classes: Classes, codes: NDArray[np.integer[Any]], weight: Any
) -> tuple[FocalLoss, Any]:
    """The estimator's loss with its class weights resolved, and the weighted prevalence.

    The prevalence is a number for two classes, an array of class shares for more.
    """
    alpha, n_classes = classes.weights_by_number(estimator.focal_alpha), classes.labels.size
    loss = FocalLoss(
        estimator.focal_gamma, alpha, link=estimator.link, n_classes=n_classes
    ).resolve_alpha(codes, weight)
    shares = np.bincount(codes, weight, minlength=n_classes).astype(np.float64)
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
    if not (isinstance(fraction, Real) and 0.0 < fraction < 1.0):
        raise ValueError(f"validation_fraction must lie strictly in (0, 1), got {fraction!r}.")
    counts = np.bincount(codes)
    if counts.min() < 2:
        raise ValueError(
            f"early stopping holds out part of every class, but class number "
            f"{int(counts.argmin())} has {int(counts.min())} row: pass eval_set, or set "
            "early_stopping_rounds=None."
        )
    # At least one row of every class on each side.
    n_held_out = max(math.ceil(float(fraction) * codes.size), counts.size)
    if codes.size - n_held_out < counts.size:
        raise ValueError(
            f"validation_fraction={fraction!r} of {codes.size} rows leaves too few of "
            f"{counts.size} classes to train on: pass eval_set, or set early_stopping_rounds=None."
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


def check_continuation(previous: Any, loss: FocalLoss) -> None:
    """Refuse to continue a model whose margins mean something else than this loss's.

    True log-odds are the same under every gamma and alpha; focal margins are not.

    Raises
    ------
    ValueError
        Names the parameter that differs.
    """
    before = getattr(previous, "loss_", None)
    if before is None:  # a booster or a file, of which only the user knows
        return
    if before.link_name != loss.link_name:
        raise ValueError(
            f"The model to continue was trained with link={before.link_name!r}, not "
            f"{loss.link_name!r}: its margins would be misread."
        )
    if loss.link_name == "logit":
        return
    if before.gamma != loss.gamma:
        raise ValueError(
            f"The model to continue was trained with focal_gamma={before.gamma!r}, not "
            f"{loss.gamma!r}, and link='focal': its margins would be misread."
        )
    old, new = (np.array(one.class_weights) for one in (before, loss))
    if not np.allclose(old / old.sum(), new / new.sum(), rtol=1e-3):
        raise ValueError(
            "The model to continue was trained with another focal_alpha, and link='focal': its "
            "margins would be misread."
        )


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
