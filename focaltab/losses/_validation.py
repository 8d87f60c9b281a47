"""Checks at the loss's door: one clear error for each thing that cannot be right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_gamma(gamma: Any, n_classes: int) -> tuple[float, float]:
    """``(gamma of class 0, gamma of class 1)`` from a number or ``(gamma_pos, gamma_neg)``."""
    pair = gamma if isinstance(gamma, tuple | list) else (gamma, gamma)
    if len(pair) != 2:
        raise ValueError(f"gamma must be a number or (gamma_pos, gamma_neg), got {gamma!r}.")
    try:
        positive, negative = (float(g) for g in pair)
    except (TypeError, ValueError):
        raise ValueError(
            f"gamma must be a number or (gamma_pos, gamma_neg), got {gamma!r}."
        ) from None
    if not (math.isfinite(positive) and math.isfinite(negative)) or min(positive, negative) < 0:
        raise ValueError(f"gamma must be finite and at least 0, got {gamma!r}.")
    if n_classes > 2 and positive != negative:
        raise ValueError("gamma: a pair (gamma_pos, gamma_neg) is for two classes only.")
    return (negative, positive)


def check_labels(y_true: ArrayLike, n_classes: int) -> NDArray[Any]:
    """Class numbers 0 to ``n_classes - 1`` in one dimension, in their own dtype."""
    y = np.asarray(y_true)
    if y.ndim != 1:
        y = y.reshape(-1) if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1 or y.size == 0:
        raise ValueError(f"y_true must have one dimension and at least one row, got {y.shape}.")
    if y.dtype == bool:
        return y.astype(np.int8)
    if not np.issubdtype(y.dtype, np.number) or np.iscomplexobj(y):
        raise ValueError(
            f"y_true must hold class numbers 0 to {n_classes - 1}, got dtype {y.dtype}; "
            "encode other labels first (the estimators do)."
        )
    valid = np.zeros(y.shape, dtype=bool)
    for k in range(n_classes):
        valid |= y == k
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        raise ValueError(
            f"y_true must hold class numbers 0 to {n_classes - 1}, got {y[row]} in row {row}."
        )
    return y


def check_probabilities(name: str, probability: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """Probabilities of the positive class, or of each of several classes in the last dimension."""
    eta = np.asarray(probability, dtype=np.float64)
    if not ((eta > 0.0) & (eta < 1.0)).all():
        raise ValueError(f"{name}: probabilities must lie strictly between 0 and 1.")
    if n_classes > 2:
        if eta.ndim == 0 or eta.shape[-1] != n_classes:
            raise ValueError(
                f"{name}: {n_classes} classes need one probability each, got shape {eta.shape}."
            )
        if not np.allclose(eta.sum(axis=-1), 1.0, atol=1e-6):
            raise ValueError(f"{name}: the probabilities of the classes must sum to 1.")
    return eta


def check_raw_prediction(raw_prediction: ArrayLike, n_classes: int) -> NDArray[Any]:
    """Margins as float32 or float64, of shape (n,) for two classes and (n, n_classes) for more."""
    raw = np.asarray(raw_prediction)
    if raw.dtype not in (np.float32, np.float64):
        raw = raw.astype(np.float64)
    if n_classes == 2:
        if raw.ndim == 2 and raw.shape[1] == 1:
            raw = raw[:, 0]
        if raw.ndim != 1:
            raise ValueError(f"raw_prediction must have shape (n_samples,), got {raw.shape}.")
    elif raw.ndim != 2 or raw.shape[1] != n_classes:
        raise ValueError(
            f"raw_prediction must have shape (n_samples, {n_classes}), got {raw.shape}."
        )
    return raw


def check_weight(
    sample_weight: ArrayLike | None, n_rows: int, name: str = "sample_weight"
) -> NDArray[Any] | None:
    """Sample weights: one per row, finite, none negative, not all zero."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight)
    if weight.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one weight for each of {n_rows} rows, got shape {weight.shape}."
        )
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{name} must be finite and not negative, got {weight[row]} in row {row}.")
    if not weight.any():
        raise ValueError(f"{name} is zero in every row: nothing is left to learn from.")
    return weight


def result_array(name: str, out: NDArray[Any] | None, like: NDArray[Any]) -> NDArray[Any]:
    """The caller's array if it fits, or a new one."""
    if out is None:
        return np.empty(like.shape, like.dtype)
    if out.shape != like.shape or out.dtype != like.dtype or not out.flags.writeable:
        raise ValueError(
            f"{name} must be a writable {like.dtype} array of shape {like.shape}, "
            f"got {out.dtype} of shape {out.shape}."
        )
    return out
