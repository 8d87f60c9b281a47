"""What ``alpha`` may be, and the per-class weights it stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weights = tuple[float, ...]


@dataclass(frozen=True)
class ClassBalanced:
    """Class weights by the effective number of samples.

    A class with ``n`` rows gets ``(1 - beta) / (1 - beta**n)``; the weights are then scaled to
    sum to the number of classes (Cui et al., "Class-Balanced Loss Based on Effective Number of
    Samples", CVPR 2019, equation 3 and section 4).

    Parameters
    ----------
    beta : float in [0, 1)
        0 gives every class the weight 1; towards 1 it becomes inverse prevalence.

    Raises
    ------
    ValueError
        If ``beta`` is outside [0, 1).

    Examples
    --------
    >>> ClassBalanced(beta=0.99).weights([10_000, 10])
    (0.17..., 1.82...)
    """

    beta: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.beta < 1.0:
            raise ValueError(f"ClassBalanced: beta must lie in [0, 1), got {self.beta!r}.")

    def weights(self, class_counts: ArrayLike) -> Weights:
        """Weight of each class from its (weighted) number of rows, shape (n_classes,)."""
        counts = np.asarray(class_counts, dtype=np.float64)
        _check_counts(counts)
        # expm1/log1p keep the digits that 1 - beta**n would cancel for beta near 1.
        log_beta = math.log(self.beta) if self.beta > 0.0 else -math.inf
        effective = -np.expm1(counts * log_beta)
        raw = 1.0 / effective
        return tuple(float(w) for w in raw * counts.size / raw.sum())


def _check_counts(counts: NDArray[np.float64]) -> None:
    absent = np.flatnonzero(counts <= 0.0)
    if absent.size:
        raise ValueError(
            f"alpha needs rows of every class to weight it, but class {int(absent[0])} has none."
        )


def _balanced(counts: NDArray[np.float64]) -> Weights:
    _check_counts(counts)
    return tuple(float(w) for w in counts.sum() / (counts.size * counts))


def check_alpha(alpha: Any, n_classes: int) -> Weights | str | ClassBalanced:
    """Per-class weights if `alpha` fixes them, else the rule that will find them in the data.

    Raises
    ------
    ValueError
        If `alpha` is none of the documented forms, or a value is outside its range.
    """
    if alpha is None:
        return (1.0,) * n_classes
    if isinstance(alpha, ClassBalanced):
        return alpha
    if isinstance(alpha, str):
        if alpha != "balanced":
            raise ValueError(f"alpha: the only name it may be is 'balanced', got {alpha!r}.")
        return alpha
    if isinstance(alpha, Mapping):
        if set(alpha) != set(range(n_classes)):
            raise ValueError(
                f"alpha: as a mapping it needs the keys 0 to {n_classes - 1}, "
                f"got {sorted(alpha, key=str)}."
            )
        alpha = [alpha[k] for k in range(n_classes)]
    if isinstance(alpha, Sequence | np.ndarray) and np.ndim(alpha) == 1:
        weights = tuple(float(w) for w in alpha)
        if len(weights) != n_classes:
            raise ValueError(f"alpha: {n_classes} classes need {n_classes} weights, got {alpha!r}.")
        for k, w in enumerate(weights):
            if not (math.isfinite(w) and w > 0.0):
                raise ValueError(
                    f"alpha: weight of class {k} must be positive and finite, got {w}."
                )
        return weights
    if n_classes > 2:
        raise ValueError(
            f"alpha: one number weights two classes; {n_classes} classes need one weight each, "
            f"'balanced' or ClassBalanced(beta). Got {alpha!r}."
        )
    try:
        value = float(alpha)
    except (TypeError, ValueError):
        raise ValueError(
            "alpha must be None, a number in (0, 1), 'balanced', ClassBalanced(beta) or one weight "
            f"per class, got {alpha!r}."
        ) from None
    if not 0.0 < value < 1.0:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {value!r}.")
    return (1.0 - value, value)


def weights_from_counts(rule: str | ClassBalanced, counts: NDArray[np.float64]) -> Weights:
    """Apply a data-dependent rule to the (weighted) class counts."""
    return rule.weights(counts) if isinstance(rule, ClassBalanced) else _balanced(counts)
