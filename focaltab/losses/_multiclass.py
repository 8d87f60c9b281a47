"""Softmax focal loss over three or more classes, its posterior, and both of its links.

With ``v = p_y``: ``L = -a_y (1-v)^g log v``. Write ``A(v) = (1-v)^g (1 + g v r)`` with
``r = -log(v) / (1-v)``; then ``dL/dz_k = a_y A(p_y) (p_k - [k=y])``. The minimiser of the focal
risk satisfies ``eta_k`` proportional to ``H_k = p_k / (a_k A(p_k))`` (Charoenphakdee et al., CVPR
2021, for equal weights).

Canonical form: with ``f = log eta``, ``D_k = dp_k / d log H_k``, ``pi = D / sum(D)`` and
``S = sum(H)``, the chain rule gives ``dL/df_k = (D_y / H_y) (pi_k - [k=y])``, whose expectation
under ``eta`` is zero, and the expected second derivative ``(D_k / S) (1 - pi_k) > 0``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from focaltab.losses._margin import Array, log_sigmoid, log_slope, parts

# A gamma so small makes a difference only where p is 1 within as little.
NO_GAMMA = 1e-12
# A block and what is computed of it stay in cache.
_BLOCK_ELEMENTS = 16384

Labels = NDArray[np.intp]
GradientHessian = Callable[[Array, Labels, float, Array], tuple[Array, Array]]


def in_blocks(
    compute: GradientHessian, raw: Array, y: Labels, gamma: float, log_weights: Array
) -> tuple[Array, Array]:
    """Gradient and hessian of all rows, found by `compute` for a few of them at a time."""
    gradient, hessian = np.empty((2, *raw.shape), raw.dtype)
    size = max(1, _BLOCK_ELEMENTS // raw.shape[1])
    for start in range(0, raw.shape[0], size):
        part = slice(start, start + size)
        gradient[part], hessian[part] = compute(raw[part], y[part], gamma, log_weights)
    return gradient, hessian


def log_sum_of_others(x: Array) -> Array:
    """``log sum_(j != k) exp(x_j)`` for each k along the last axis, with no sum but of others."""
    top = x.argmax(axis=-1)[..., None]
    highest = np.take_along_axis(x, top, axis=-1)
    e = np.exp(x - highest)
    # The largest is 1 and part of the difference for all classes but its own.
    others = np.log(np.maximum(e.sum(axis=-1, keepdims=True) - e, 1.0)) + highest
    rest = x.copy()
    np.put_along_axis(rest, top, -np.inf, axis=-1)
    np.put_along_axis(others, top, _log_sum(rest), axis=-1)
    return np.asarray(others)


def _log_sum(x: Array) -> Array:
    highest = x.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(x - highest).sum(axis=-1, keepdims=True)) + highest)


def one_vs_rest_log_odds(raw: Array) -> Array:
    """``log(p_k / (1 - p_k))`` of the softmax, with no ``1 - p`` formed. Shape (n, K)."""
    return np.asarray(raw - log_sum_of_others(raw))


def log_h(s: Array, gamma: float) -> Array:
    """``log(p / A(p))`` at ``p = sigmoid(s)``; increasing in ``s``."""
    # G(t) of the binary loss is A(p) (1 - p), so A comes from it in log space.
    return np.asarray(log_sigmoid(s) + log_sigmoid(-s) - log_slope(s, gamma))


def log_h_slope(s: Array, gamma: float) -> Array:
    """``d log_h / ds``, which runs from 1 at ``-inf`` to ``gamma`` at ``+inf``."""
    p, q, r = parts(s)
    return np.asarray(q + gamma * p * (2.0 - r * (1.0 - gamma * p)) / (1.0 + gamma * p * r))


def _log_of_log_h_slope(s: Array, gamma: float) -> Array:
    # For gamma=0 the slope is q, which underflows where its logarithm does not.
    return log_sigmoid(-s) if gamma <= NO_GAMMA else np.log(log_h_slope(s, gamma))


def log_posterior(raw: Array, gamma: float, log_weights: Array) -> Array:
    """Log of the calibrated class probabilities at the focal margins `raw`, shape (n, K)."""
    return np.asarray(log_softmax(log_h(one_vs_rest_log_odds(raw), gamma) - log_weights, axis=1))


_GRID = np.linspace(-60.0, 60.0, 6001)


def own_log_odds(u: Array, gamma: float, n_newton: int) -> Array:
    """``s`` at which ``log_h(s) = u``: from a table to 1e-5, which Newton's steps square."""
    grid_u = log_h(_GRID, gamma)
    s = np.interp(u, grid_u, _GRID)
    s += np.minimum(u - grid_u[0], 0.0) + np.maximum(u - grid_u[-1], 0.0) / gamma
    for _ in range(n_newton):
        s -= (log_h(s, gamma) - u) / log_h_slope(s, gamma)
    return np.asarray(s)


def focal_log_odds(log_eta: Array, gamma: float, log_weights: Array) -> Array:
    """Log-odds ``s_k`` of the focal softmax whose posterior is ``exp(log_eta)``, shape (n, K).

    Solves ``log_h(s_k) = log_eta_k + log a_k + c`` with ``sum(sigmoid(s)) = 1`` for ``s`` and
    ``c``. The largest class is written as one minus the others, so that the equation in ``c``
    is a difference of two nearly straight lines: safeguarded Newton from a bracket.
    """
    target = log_eta + log_weights
    if gamma <= NO_GAMMA:
        return one_vs_rest_log_odds(target)
    n_rows, n_classes = target.shape
    rows = np.arange(n_rows)
    top = target.argmax(axis=1)
    # At `low` the top class has probability 1/K, so the sum is at most 1. At `high` the others
    # could not be smaller if they shared the top's target.
    even = log_h(np.full(n_rows, -np.log(n_classes - 1.0)), gamma)
    low = even - target[rows, top]
    c, high = low.copy(), np.full(n_rows, np.inf)
    # The table alone finds c to 1e-5; the last rounds then solve for s to machine precision.
    n_newton = 0
    s = own_log_odds(target + c[:, None], gamma, n_newton)
    for _ in range(60):
        log_p = log_sigmoid(s)
        rest = log_p.copy()
        rest[rows, top] = -np.inf
        log_rest = logsumexp(rest, axis=1)
        excess = log_rest - log_sigmoid(-s)[rows, top]
        low, high = np.where(excess < 0.0, c, low), np.where(excess >= 0.0, c, high)
        per_class = np.exp(log_sigmoid(-s)) / log_h_slope(s, gamma)
        share = np.exp(rest - log_rest[:, None])
        at_top = np.exp(log_p[rows, top]) / log_h_slope(s[rows, top], gamma)
        step = -excess / ((share * per_class).sum(axis=1) + at_top)
        proposal = c + step
        middle = np.where(np.isfinite(high), 0.5 * (low + high), proposal)
        outside = (proposal < low) | (proposal > high)
        c = np.where(outside, middle, proposal)
        largest = float(np.max(np.abs(step) / (1.0 + np.abs(c))))
        if n_newton and largest <= 1e-9:  # the step just taken squares this error
            return own_log_odds(target + c[:, None], gamma, n_newton)
        if largest <= 1e-4 and not n_newton:
            n_newton = 2
            # The bracket was found with the table's rounding: widen it by more than that.
            low, high = low - 1e-3, high + 1e-3
        s = own_log_odds(target + c[:, None], gamma, n_newton)
    return s


def focal_margins(log_eta: Array, gamma: float, log_weights: Array) -> Array:
    """Focal margins, centred to mean zero, whose posterior is ``exp(log_eta)``."""
    log_p = log_sigmoid(focal_log_odds(log_eta, gamma, log_weights))
    return np.asarray(log_p - log_p.mean(axis=1, keepdims=True))


def row_loss(s: Array, y: np.ndarray, gamma: float, weights: Array) -> Array:
    """Loss of each row from the softmax's one-vs-rest log-odds ``s``, shape (n,)."""
    own = s[np.arange(y.size), y]
    return np.asarray(-weights[y] * np.exp(gamma * log_sigmoid(-own)) * log_sigmoid(own))


def gradient_hessian_focal(
    raw: Array, y: np.ndarray, gamma: float, log_weights: Array
) -> tuple[Array, Array]:
    """Gradient in the paper's margins and expected diagonal hessian, each of shape (n, K)."""
    raw = raw.astype(np.float64)
    s = one_vs_rest_log_odds(raw)
    log_p, log_q = log_sigmoid(s), log_sigmoid(-s)
    rows = np.arange(y.size)
    own = s[rows, y]
    log_a_slope = log_weights[y] + log_slope(own, gamma) - log_sigmoid(-own)
    gradient = np.exp(log_a_slope[:, None] + log_p)
    gradient[rows, y] = -np.exp(log_a_slope + log_q[rows, y])

    # E[d2L/dz_k2] = [ (p_k^2 / D_k) q_k^2 + p_k^2 sum_{j != k} p_j^2 / D_j ] / S,
    # and p^2 / D = p log_h_slope / q.
    log_spread = log_p - log_q + _log_of_log_h_slope(s, gamma)
    log_total = logsumexp(log_h(s, gamma) - log_weights, axis=1, keepdims=True)
    hessian = np.exp(log_spread + 2.0 * log_q - log_total)
    hessian += np.exp(log_sum_of_others(log_spread) + 2.0 * log_p - log_total)
    return gradient, hessian


def gradient_hessian_canonical(
    raw: Array, y: np.ndarray, gamma: float, log_weights: Array
) -> tuple[Array, Array]:
    """Gradient and expected diagonal hessian in the true log-probabilities, shape (n, K)."""
    raw = raw.astype(np.float64)
    s = focal_log_odds(np.asarray(log_softmax(raw, axis=1)), gamma, log_weights)
    log_big_h = log_h(s, gamma) - log_weights
    # D = dp/ds / (d log_h / ds)
    log_d = log_sigmoid(s) + log_sigmoid(-s) - _log_of_log_h_slope(s, gamma)
    log_pi = log_softmax(log_d, axis=1)
    rows = np.arange(y.size)
    log_ratio = (log_d - log_big_h)[rows, y]
    log_rest = log_sigmoid(-one_vs_rest_log_odds(log_d))
    gradient = np.exp(log_ratio[:, None] + log_pi)
    gradient[rows, y] = -np.exp(log_ratio + log_rest[rows, y])
    log_total = logsumexp(log_big_h, axis=1, keepdims=True)
    return gradient, np.exp(log_d + log_rest - log_total)
