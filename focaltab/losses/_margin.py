"""Focal loss of one row as a function of its signed margin ``t``, alpha left out.

With ``t = (2y-1) z``, ``p = sigmoid(t)``, ``q = sigmoid(-t)`` and ``l = log p``, the loss is
``-q**g l`` (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017). Its negative slope
``G(t) = q**g (q - g p l) >= 0`` is all that the links need. Everything here comes from one
``exp(-|t|)`` and one ``log1p``, and is finite and right for any finite ``t``: ``1 - p``,
``log(p)`` and ``q / p`` are never formed by subtraction or clipping.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_sigmoid(t: Array) -> Array:
    """``log(sigmoid(t))``."""
    return np.minimum(t, 0.0) - np.log1p(np.exp(-np.abs(t)))


def parts(t: Array) -> tuple[Array, Array, Array]:
    """``p``, ``q`` and ``r = -log(p) / q`` (which tends to 1 as ``q`` vanishes)."""
    e = np.exp(-np.abs(t))
    d = 1.0 / (1.0 + e)
    right = t > 0.0
    p = np.where(right, d, e * d)
    q = np.where(right, e * d, d)
    l_ = np.minimum(t, 0.0) - np.log1p(e)
    r = np.where(q > 0.0, -l_ / np.where(q > 0.0, q, 1.0), 1.0)
    return p, q, r


def margin_loss(t: Array, gamma: float) -> Array:
    """``-q**gamma log p``."""
    return -np.exp(gamma * log_sigmoid(-t)) * log_sigmoid(t)


def log_slope(t: Array, gamma: float) -> Array:
    """``log G(t)``."""
    p, _, r = parts(t)
    return (gamma + 1.0) * log_sigmoid(-t) + np.log1p(gamma * p * r)


def log_slope_decay(t: Array, gamma: float) -> Array:
    """``-d log G / dt``, which runs from 0 at ``-inf`` to ``1 + gamma`` at ``+inf``."""
    p, q, r = parts(t)
    return p * ((1.0 + 2.0 * gamma) - gamma * r * (q - gamma * p)) / (1.0 + gamma * p * r)
