"""The weight of every training row, and the loss that a set of weighted labels asks for."""

from __future__ import annotations

import math
import warnings
from inspect import Parameter, signature
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

from focaltab.data._containers import first_masked
from focaltab.data._labels import Classes
from focaltab.losses import FocalLoss
from focaltab.losses._validation import check_weight

# The libraries hold weights in floats of 4 bytes.
_LARGEST = float(np.finfo(np.float32).max)


def numbers_per_row(values: Any, name: str) -> NDArray[np.float64]:
    """Numbers that go with rows, of any container.

    Raises
    ------
    ValueError
        Names the row of a value that is masked or no number.
    """
    if sparse.issparse(values):
        raise ValueError(f"{name} is a sparse matrix: pass an array with one number for each row.")
    if (row := first_masked(values)) is not None:
        raise ValueError(f"{name} is masked in row {row}: give each row a number.")
    given = np.asarray(values)
    if given.dtype.kind in "mMcSU":
        raise ValueError(f"{name} is of dtype {given.dtype}: give each row a number.")
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        for place, value in np.ndenumerate(given):
            try:
                float(value)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(
                    f"{name} holds {value!r} in row {place[0]}: give each row a number."
                ) from None
        raise


def check_margin(margin: Any, n_rows: int, n_classes: int, name: str) -> NDArray[np.float64] | None:
    """Margins that training or a prediction starts from, one for each row or row and class.

    Raises
    ------
    ValueError
        For another shape, or names the row of a margin that is not finite.
    """
    if margin is None:
        return None
    given = numbers_per_row(margin, name)
    if n_classes == 2 and given.shape == (n_rows, 1):
        given = given[:, 0]
    shape = (n_rows,) if n_classes == 2 else (n_rows, n_classes)
    if given.shape != shape:
        what = "row" if n_classes == 2 else "row and class"
        raise ValueError(
            f"{name} must have one margin for each {what}, shape {shape}, got {given.shape}."
        )
    bad = ~np.isfinite(given)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"{name} is not finite in row {row}: a margin is a number.")
    return given


def training_weight(
    sample_weight: Any,
    class_weight: Any,
    scale_pos_weight: float | None,
    y: Any,
    codes: NDArray[np.integer[Any]],
    *,
    every_class: bool = True,
) -> NDArray[np.float64] | None:
    """Product of all weights a row has, or None where it has none.

    `every_class` asks for rows with weight of every class.

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
        given = numbers_per_row(sample_weight, "sample_weight")
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
        if (beyond := weight >= _LARGEST).any():
            row = int(beyond.argmax())
            raise ValueError(
                f"sample_weight is {weight[row]:g} in row {row}: the libraries hold weights in 4 "
                "bytes, which end at 3.4e38. Scale the weights."
            )
        counts = np.bincount(codes, weight)
        if every_class and not (counts > 0).all():
            raise ValueError(
                f"the sample weights of class number {int(np.argmin(counts))} are all zero, but a "
                "classifier needs rows of every class, at least two: give them weight or drop them."
            )
    return weight


def weight_keyword(estimator: Any) -> str | None:
    """The name by which an estimator's ``fit`` takes row weights; None where it takes none.

    A scikit-learn pipeline takes its last step's as ``step__sample_weight``, or under metadata
    routing by the plain name; a search hands on whatever it is given.
    """
    if has_fit_parameter(estimator, "sample_weight"):
        return "sample_weight"
    if getattr(estimator, "steps", None):
        name, last = estimator.steps[-1]
        inner = weight_keyword(last)
        if inner is None:
            return None
        return "sample_weight" if get_config()["enable_metadata_routing"] else f"{name}__{inner}"
    kinds = [p.kind for p in signature(estimator.fit).parameters.values()]
    return "sample_weight" if Parameter.VAR_KEYWORD in kinds else None


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
    if weight is None and not loss.is_multiclass:
        # bincount would first make integers of eight bytes of them all.
        prevalence: Any = np.count_nonzero(codes) / codes.size
    else:
        shares = np.bincount(codes, weight, minlength=n_classes).astype(np.float64)
        shares /= shares.sum()
        prevalence = shares if loss.is_multiclass else float(shares[1])
    return (loss.normalized(prevalence) if estimator.normalize else loss), prevalence
