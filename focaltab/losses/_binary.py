"""Cache-blocked NumPy kernels of the binary focal loss: gradients and curvatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from focaltab.losses._blocks import BLOCK_ROWS, Kernel, run_in_blocks
from focaltab.losses._link import canonical_weight_table, log_expected_hessian_table

Curvature = Literal["exact", "expected"]


@dataclass(frozen=True)
class Rows:
    """The arrays of one call, one row each: labels, margins, weights, and the results."""

    y: NDArray[Any]
    margin: NDArray[Any]
    weight: NDArray[Any] | None
    gradient: NDArray[Any]
    hessian: NDArray[Any]


class _Scratch:
    """One thread's buffers; `view` cuts them to the rows of a block."""

    def __init__(self, dtype: np.dtype[Any], n_buffers: int) -> None:
        self._buffers = [np.empty(BLOCK_ROWS, dtype) for _ in range(n_buffers)]
        self._index = np.empty(BLOCK_ROWS, np.intp)

    def view(self, n_rows: int) -> tuple[list[NDArray[Any]], NDArray[np.intp]]:
        return [b[:n_rows] for b in self._buffers], self._index[:n_rows]


def _exponent_limit(dtype: np.dtype[Any]) -> float:
    """Largest ``|t|`` whose ``exp(-|t|)`` is a normal number: keeps curvature positive and fast."""
    return 87.0 if dtype == np.float32 else 708.0


def _load(target: NDArray[Any], source: NDArray[Any], block: slice) -> None:
    # Strided, read-only and integer inputs become one contiguous block of the working dtype here.
    np.copyto(target, source[block], casting="unsafe")


def _sign(sign: NDArray[Any]) -> None:
    """Turn labels 0/1 into signs -1/+1 in place."""
    np.multiply(sign, 2, out=sign)
    np.subtract(sign, 1, out=sign)


def gradient_hessian_canonical(
    rows: Rows, gammas: tuple[float, float], weights: tuple[float, float], n_threads: int
) -> None:
    """Fill gradient ``w(f) (sigmoid(f) - y)`` and hessian ``w(f) sigmoid(f) sigmoid(-f)``."""
    dtype = rows.gradient.dtype
    # Plain logistic loss needs no table, and stays exact.
    constant = gammas == (0.0, 0.0) and weights[0] == weights[1]
    table = None if constant else canonical_weight_table(gammas, weights, dtype)
    limit = _exponent_limit(dtype)
    tiny = np.finfo(dtype).tiny

    def make_kernel() -> Kernel:
        scratch = _Scratch(dtype, 6)

        def kernel(block: slice) -> None:
            (f, sign, t, e, w, more), index = scratch.view(block.stop - block.start)
            gradient, hessian = rows.gradient[block], rows.hessian[block]
            _load(f, rows.margin, block)
            _load(sign, rows.y, block)
            _sign(sign)
            np.multiply(sign, f, out=t)
            np.clip(t, -limit, limit, out=t)
            np.abs(t, out=e)
            np.negative(e, out=e)
            np.exp(e, out=e)
            # more = 1 / (1 + e); sigmoid(-t) = more * exp(-max(t, 0)).
            np.add(e, 1, out=more)
            np.reciprocal(more, out=more)
            np.multiply(e, more, out=e)
            np.multiply(e, more, out=hessian)
            np.maximum(t, 0, out=t)
            np.negative(t, out=t)
            np.exp(t, out=t)
            np.multiply(t, more, out=gradient)
            np.multiply(gradient, sign, out=gradient)
            np.negative(gradient, out=gradient)
            if table is None:
                w.fill(weights[0])
            else:
                table.read(f, w, t, e, index)
            np.multiply(gradient, w, out=gradient)
            np.multiply(hessian, w, out=hessian)
            np.maximum(hessian, tiny, out=hessian)
            if rows.weight is not None:
                _load(w, rows.weight, block)
                np.multiply(gradient, w, out=gradient)
                np.multiply(hessian, w, out=hessian)

        return kernel

    run_in_blocks(make_kernel, rows.y.shape[0], n_threads)


def gradient_hessian_focal(
    rows: Rows,
    gammas: tuple[float, float],
    weights: tuple[float, float],
    n_threads: int,
    curvature: Curvature,
) -> None:
    """Fill the paper's gradient ``a s q^g (g p l - q)`` and the chosen curvature in its margin."""
    dtype = rows.gradient.dtype
    limit = _exponent_limit(dtype)
    tiny = np.finfo(dtype).tiny
    expected = curvature == "expected"
    table = log_expected_hessian_table(gammas, weights, dtype) if expected else None

    def make_kernel() -> Kernel:
        scratch = _Scratch(dtype, 8)

        def kernel(block: slice) -> None:
            (y, t, p, q, log_p, log_q, power, more), index = scratch.view(block.stop - block.start)
            gradient, hessian = rows.gradient[block], rows.hessian[block]
            _load(y, rows.y, block)
            _load(more, rows.margin, block)
            if table is not None:
                table.read(more, hessian, p, q, index)
                np.exp(hessian, out=hessian)
                np.maximum(hessian, tiny, out=hessian)
            np.multiply(y, 2, out=t)
            np.subtract(t, 1, out=t)
            np.multiply(t, more, out=t)
            _probabilities(t, p, q, log_p, log_q, more, limit)
            _power(power, y, q, log_q, more, gammas)
            # more = g p l - q; power becomes a q^g, the factor that gradient and hessian share.
            _per_row(more, y, weights)
            np.multiply(power, more, out=power)
            if rows.weight is not None:
                _load(more, rows.weight, block)
                np.multiply(power, more, out=power)
                if expected:
                    np.multiply(hessian, more, out=hessian)
            gamma = _gamma(more, y, gammas)
            np.multiply(gamma, log_p, out=log_p)
            np.multiply(log_p, p, out=gradient)
            np.subtract(gradient, q, out=gradient)
            np.multiply(gradient, power, out=gradient)
            if not expected:
                # a p q^g [(1 + 2g) q + g l (q - g p)]
                np.multiply(gamma, p, out=hessian)
                np.subtract(q, hessian, out=hessian)
                np.multiply(hessian, log_p, out=hessian)
                np.multiply(gamma, 2, out=log_q)
                np.add(log_q, 1, out=log_q)
                np.multiply(log_q, q, out=log_q)
                np.add(hessian, log_q, out=hessian)
                np.multiply(hessian, p, out=hessian)
                np.multiply(hessian, power, out=hessian)
            _sign(y)
            np.multiply(gradient, y, out=gradient)

        return kernel

    run_in_blocks(make_kernel, rows.y.shape[0], n_threads)


def _probabilities(
    t: NDArray[Any],
    p: NDArray[Any],
    q: NDArray[Any],
    log_p: NDArray[Any],
    log_q: NDArray[Any],
    scratch: NDArray[Any],
    limit: float,
) -> None:
    """Fill ``p``, ``q`` and their logarithms from the signed margin ``t``."""
    np.abs(t, out=scratch)
    np.minimum(scratch, limit, out=scratch)
    np.negative(scratch, out=scratch)
    np.exp(scratch, out=scratch)
    np.log1p(scratch, out=q)
    np.minimum(t, 0, out=log_p)
    np.subtract(log_p, q, out=log_p)
    np.maximum(t, 0, out=log_q)
    np.negative(log_q, out=log_q)
    np.subtract(log_q, q, out=log_q)
    np.add(scratch, 1, out=scratch)
    np.reciprocal(scratch, out=scratch)
    for side, low, high in ((p, -limit, 0.0), (q, 0.0, limit)):
        np.clip(t, low, high, out=side)
        if side is q:
            np.negative(side, out=side)
        np.exp(side, out=side)
        np.multiply(side, scratch, out=side)


def _per_row(out: NDArray[Any], y: NDArray[Any], values: tuple[float, float]) -> NDArray[Any]:
    """Value of each row's class: ``values[y]``."""
    if values[0] == values[1]:
        out.fill(values[0])
    else:
        np.not_equal(y, 0, out=out, casting="unsafe")
        np.multiply(out, values[1] - values[0], out=out)
        np.add(out, values[0], out=out)
    return out


def _gamma(out: NDArray[Any], y: NDArray[Any], gammas: tuple[float, float]) -> NDArray[Any]:
    return _per_row(out, y, gammas)


def _power(
    out: NDArray[Any],
    y: NDArray[Any],
    q: NDArray[Any],
    log_q: NDArray[Any],
    scratch: NDArray[Any],
    gammas: tuple[float, float],
) -> None:
    """``q**gamma``: products for small whole numbers, since NumPy's power is slow."""
    if gammas[0] == gammas[1] and gammas[0] in (0.0, 1.0, 2.0, 3.0, 4.0):
        out.fill(1)
        for _ in range(int(gammas[0])):
            np.multiply(out, q, out=out)
    else:
        np.multiply(_gamma(scratch, y, gammas), log_q, out=out)
        np.exp(out, out=out)
