"""Canonical focal loss over several classes, by tables where the exact equations would be slow.

With ``u = log h`` (`focaltab.losses._multiclass.log_h`) all that the canonical form asks of a
class is a function of its own ``u``: ``log p``, ``log q``, and ``log D`` with ``D = dp/du``. The
classes of a row share but one unknown, the ``c`` that ``u_k = log eta_k + log a_k + c`` needs for
the ``p_k`` to sum to 1. Arrays of the links have a row for each class, which NumPy adds up faster.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.losses import _multiclass
from focaltab.losses._link import Table
from focaltab.losses._margin import Array, log_sigmoid
from focaltab.losses._multiclass import NO_GAMMA, log_h, log_h_slope, own_log_odds

# Below it ``u`` bends too sharply at the right end of the tables; above, it runs too far for them.
_LEAST_GAMMA, _MOST_GAMMA = 0.25, 16.0
_LIMIT = 40.0
_LOG_2 = math.log(2.0)


class CrossEntropyLink:
    """The link of gamma 0, where ``u`` is ``log p`` itself."""

    def solve(self, target: Array) -> Array:
        """As `FocalLink.solve`."""
        return _log_softmax(target)

    def log_d_over_h(self, u: Array) -> Array:
        """As `FocalLink.log_d_over_h`."""
        return np.zeros_like(u)


class FocalLink:
    """The link of a gamma from `_LEAST_GAMMA` to `_MOST_GAMMA`, in float32 or float64.

    Relative error of gradients and hessians at the gammas up to 10 that the tests try: below 1e-8
    in float64, and 3e-5 in float32 at log-odds up to 30, which are hardly finer themselves.
    """

    def __init__(self, gamma: float, dtype: np.dtype[Any]) -> None:
        self.gamma = gamma
        low, high = log_h(np.array([-_LIMIT, _LIMIT]), gamma)
        # Tables are of lines in float32, of cubics in float64. A small gamma bends them sharply.
        single = dtype == np.float32
        step = (0.005 if single else 0.01) * min(1.0, gamma)
        u = np.linspace(low, high, math.ceil((high - low) / step))
        s = own_log_odds(u, gamma, 3)
        log_p, log_q = log_sigmoid(s), log_sigmoid(-s)
        log_d_over_h = log_p + log_q - np.log(log_h_slope(s, gamma)) - u
        # To the left p is h itself; to the right u = gamma s - log(1 + gamma), and q = exp(-s).
        self._log_p = Table(u, log_p, dtype, (1.0, 0.0))
        self._log_q = Table(u, log_q, dtype, (0.0, -1.0 / gamma))
        self._log_d_over_h = Table(u, log_d_over_h, dtype, (0.0, -1.0 - 1.0 / gamma))
        # A step of Newton's squares the error: after one as small as this there is none left.
        self._last_step = 1e-3 if single else 1e-5

    def solve(self, target: Array) -> Array:
        """``u`` of each class, at which the probabilities of a row sum to 1.

        The largest probability is written as one minus the others, in logarithms: the equation is
        then a difference of two nearly straight lines. Newton's steps are held in a bracket.

        Parameters
        ----------
        target : ndarray of shape (n_classes, n_rows)
            ``log eta + log a``.
        """
        n_classes, n_rows = target.shape
        is_top = np.arange(n_classes)[:, None] == target.argmax(axis=0)
        top = target.max(axis=0)
        # Where the top class has 1/K the sum is at most 1.
        even = float(log_h(np.array([-np.log(n_classes - 1.0)]), self.gamma)[0])
        c = np.maximum(even - top, self._where_sure(target, top, is_top))
        # Where all classes are alike that is the root but for the table's rounding.
        low, high = even - top - 1e-3, np.full(n_rows, np.inf, top.dtype)
        for _ in range(60):
            log_p, slope_p = self._log_p.with_slope(target + c)
            log_q, slope_q = self._log_q.with_slope(top + c)
            log_p[is_top] = -np.inf
            highest = log_p.max(axis=0)
            share = np.exp(log_p - highest)
            total = share.sum(axis=0)
            excess = highest + np.log(total) - log_q
            low, high = np.where(excess < 0, c, low), np.where(excess >= 0, c, high)
            step = -excess / ((share * slope_p).sum(axis=0) / total - slope_q)
            small = ~(np.abs(step) > self._last_step)  # or no number
            proposal = c + step
            outside = ((proposal < low) | (proposal > high)) & ~small
            middle = np.where(np.isfinite(high), 0.5 * (low + high), proposal)
            c = np.where(outside, middle, proposal)
            if small.all():
                break
        return target + c

    def _where_sure(self, target: Array, top: Array, is_top: Array) -> Array:
        """The ``c`` of rows whose top class is nearly sure, from the asymptotes."""
        rest = np.where(is_top, -np.inf, target)
        highest = rest.max(axis=0)
        log_rest = highest + np.log(np.exp(rest - highest).sum(axis=0))
        at_right = -(math.log1p(self.gamma) + top) / self.gamma - log_rest
        return np.asarray(at_right / (1.0 + 1.0 / self.gamma))

    def log_d_over_h(self, u: Array) -> Array:
        """``log dp/du - u``, with no difference of large numbers."""
        return self._log_d_over_h.with_slope(u)[0]

    def loss(self, u: Array) -> Array:
        """``-q**gamma log p``."""
        log_q = self._log_q.with_slope(u)[0]
        # Where p is near 1 its table says no more than that.
        sure = np.log1p(-np.exp(np.minimum(log_q, -_LOG_2)))
        log_p = np.where(log_q < -_LOG_2, sure, self._log_p.with_slope(u)[0])
        return np.asarray(-np.exp(self.gamma * log_q) * log_p)


@lru_cache(maxsize=8)
def _link(gamma: float, dtype: np.dtype[Any]) -> CrossEntropyLink | FocalLink | None:
    """What all losses of a gamma share; None where tables would be too coarse or too large."""
    if gamma <= NO_GAMMA:
        return CrossEntropyLink()
    return FocalLink(gamma, dtype) if _LEAST_GAMMA <= gamma <= _MOST_GAMMA else None


def gradient_hessian_canonical(
    raw: Array, y: NDArray[np.intp], gamma: float, log_weights: Array
) -> tuple[Array, Array]:
    """Gradient and expected diagonal hessian in the true log-probabilities, shape (n, K).

    In the dtype of `raw`, float32 or float64.
    """
    link = _link(gamma, raw.dtype)
    if link is None:
        return _multiclass.gradient_hessian_canonical(raw, y, gamma, log_weights)
    rows = np.arange(y.size)
    log_weights = log_weights.astype(raw.dtype)
    target = _log_softmax(np.ascontiguousarray(raw.T)) + log_weights[:, None]
    u = link.solve(target)
    log_d_over_h = link.log_d_over_h(u)
    log_d = log_d_over_h + u
    highest = log_d.argmax(axis=0)
    d = np.exp(log_d - log_d[highest, rows])
    total = d.sum(axis=0)
    others = total - d
    # The largest is 1, and its difference would lose the digits of the others.
    d[highest, rows] = 0.0
    others[highest, rows] = d.sum(axis=0)
    d[highest, rows] = 1.0
    # u = log(a_k H_k); and H_k is eta_k times the sum of them.
    ratio = np.exp(log_d_over_h[y, rows] + log_weights[y]) / total
    gradient = ratio * d
    gradient[y, rows] = -ratio * others[y, rows]
    hessian = np.exp(log_d_over_h + target) * (others / total)
    return gradient.T, hessian.T


def row_loss_canonical(raw: Array, y: NDArray[np.intp], gamma: float, log_weights: Array) -> Array:
    """Loss of each row at true log-probabilities: exact in float64, by tables in float32."""
    link = _link(gamma, raw.dtype)
    by_class = np.ascontiguousarray(raw.T)
    if raw.dtype == np.float64 or not isinstance(link, FocalLink):
        log_eta = _log_softmax(by_class.astype(np.float64))
        s = _multiclass.focal_log_odds(log_eta.T, gamma, log_weights)
        return _multiclass.row_loss(s, y, gamma, np.exp(log_weights))
    u = link.solve(_log_softmax(by_class) + log_weights.astype(raw.dtype)[:, None])
    return np.asarray(np.exp(log_weights[y]) * link.loss(u[y, np.arange(y.size)]))


def _log_softmax(by_class: Array) -> Array:
    """Log-probabilities from margins with a row for each class."""
    below = by_class - by_class.max(axis=0)
    return np.asarray(below - np.log(np.exp(below).sum(axis=0)))
