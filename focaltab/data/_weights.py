"""The weight of every training row, and the loss that a set of weighted labels asks for."""

from __future__ import annotations

import math
import warnings
from inspect import Parameter, signature
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

from focaltab.data._labels import Classes
from focaltab.losses import FocalLoss
from focaltab.losses._validation import check_weight


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
