"""Cache-blocked NumPy kernels of the binary focal loss: gradients and curvatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from focaltab.losses._blocks import Kernel, run_in_blocks
from focaltab.losses._link import (
    TableIndex,
    canonical_weight_table,
    log_expected_hessian_table,
)

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

    def __init__(self, dtype: np.dtype[Any], n_rows: int, n_buffers: int) -> None:
        self._buffers = [np.empty(n_rows, dtype) for _ in range(n_buffers)]
        self._index = TableIndex(n_rows)

    def view(self, n_rows: int) -> tuple[list[NDArray[Any]], TableIndex]:
        return [b[:n_rows] for b in self._buffers], self._index.view(n_rows)


def _exponent_limit(dtype: np.dtype[Any]) -> float:
    """Largest ``|t|`` at which ``exp(t)``, ``exp(-t)`` and their sigmoids are normal numbers."""
    return 87.0 if dtype == np.float32 else 708.0


def _load(target: NDArray[Any], source: NDArray[Any], block: slice) -> None:
    # Strided, read-only and integer inputs become one contiguous block of the working dtype here.
    np.copyto(target, source[block], casting="unsafe")


def _loaded(source: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
    """`source` itself where a kernel can read it as it is, else its copy in `target`."""
    if source.dtype == target.dtype and source.flags.c_contiguous:
        return source
    np.copyto(target, source, casting="unsafe")
    return target


def _load_opposite_sign(sign: NDArray[Any], y: NDArray[Any], block: slice) -> None:
    """Signs +1 for class 0 and -1 for class 1."""
    _load(sign, y, block)
    np.multiply(sign, -2, out=sign)
    np.add(sign, 1, out=sign)


def _probabilities(
    u: NDArray[Any], p: NDArray[Any], q: NDArray[Any], e: NDArray[Any], limit: float
) -> None:
    """Fill ``p = sigmoid(-u)``, ``q = sigmoid(u)`` and ``e = exp(u)``, clipping `u` in place.

    ``1 / (1 + e)`` and its product with ``e`` subtract nothing, so both tails keep every digit.
    """
    np.clip(u, -limit, limit, out=u)
    np.exp(u, out=e)
    np.add(e, 1, out=p)
    np.reciprocal(p, out=p)
    np.multiply(e, p, out=q)


def gradient_hessian_canonical(
    rows: Rows, gammas: tuple[float, float], weights: tuple[float, float], n_threads: int
) -> None:
    """Fill gradient ``w(f) (sigmoid(f) - y)`` and hessian ``w(f) sigmoid(f) sigmoid(-f)``.

    With ``e = exp(f)`` and ``d = 1 + e`` the first is ``w / d`` times ``e`` for class 0 and times
    -1 for class 1, the second ``w / d`` times ``e / d``: nothing is subtracted but 0 or from 0, so
    both tails keep every digit. The time is that of the passes over a block, so there are few, and
    the results' own memory serves as scratch.
    """
    dtype = rows.gradient.dtype
    # Plain logistic loss needs no table, and stays exact.
    constant = gammas == (0.0, 0.0) and weights[0] == weights[1]
    table = None if constant else canonical_weight_table(gammas, weights, dtype)
    limit = _canonical_limit(gammas, weights, dtype)
    # Under large gammas w still moves where exponentials no longer do.
    reach = limit if table is None else max(limit, table.reach)

    def make_kernel(block_rows: int) -> Kernel:
        scratch = _Scratch(dtype, block_rows, 4)

        def kernel(block: slice) -> None:
            (f, e, d, label), index = scratch.view(block.stop - block.start)
            gradient, hessian = rows.gradient[block], rows.hessian[block]
            np.clip(_loaded(rows.margin[block], f), -reach, reach, out=f)
            if reach == limit:
                np.exp(f, out=e)
            else:
                np.clip(f, -limit, limit, out=e)
                np.exp(e, out=e)
            if table is None:
                gradient.fill(weights[0])
            else:
                table.read(f, gradient, f, d, index)
            np.add(e, 1, out=d)
            np.divide(gradient, d, out=gradient)
            np.multiply(gradient, e, out=hessian)
            np.divide(hessian, d, out=hessian)
            y = _loaded(rows.y[block], label)
            np.subtract(1, y, out=d)
            np.multiply(e, d, out=e)
            np.subtract(e, y, out=e)
            np.multiply(gradient, e, out=gradient)
            if rows.weight is not None:
                weight = _loaded(rows.weight[block], d)
                np.multiply(gradient, weight, out=gradient)
                np.multiply(hessian, weight, out=hessian)

        return kernel

    run_in_blocks(make_kernel, rows.y.shape[0], n_threads)


def _canonical_limit(
    gammas: tuple[float, float], weights: tuple[float, float], dtype: np.dtype[Any]
) -> float:
    """Largest ``|f|`` at which the hessian, ``w(f) exp(-|f|)`` there, is a normal number."""
    # w tends to a1 / (1 + g0) on the left, where G1 is all there is, and mirrored on the right.
    ends = weights[1] / (1.0 + gammas[0]), weights[0] / (1.0 + gammas[1])
    log_range = float(np.log(min(ends)) - np.log(np.finfo(dtype).tiny))
    # Less a little, for what the table and the exponential round.
    return min(_exponent_limit(dtype), max(log_range - 0.01, 0.0))


def logistic_weight(
    log_odds: NDArray[Any],
    out: NDArray[Any],
    gammas: tuple[float, float],
    weights: tuple[float, float],
) -> None:
    """Fill `out` with ``w(f)``: canonical focal loss is logistic loss under these weights."""
    dtype = log_odds.dtype
    table = canonical_weight_table(gammas, weights, dtype)

    def make_kernel(block_rows: int) -> Kernel:
        scratch = _Scratch(dtype, block_rows, 3)

        def kernel(block: slice) -> None:
            (f, first, second), index = scratch.view(block.stop - block.start)
            np.clip(log_odds[block], -table.reach, table.reach, out=f)
            table.read(f, out[block], first, second, index)

        return kernel

    run_in_blocks(make_kernel, log_odds.shape[0], n_threads=1)


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
    tiny, largest = np.finfo(dtype).tiny, np.finfo(dtype).max
    expected = curvature == "expected"
    table = log_expected_hessian_table(gammas, weights, dtype) if expected else None

    def make_kernel(block_rows: int) -> Kernel:
        scratch = _Scratch(dtype, block_rows, 7)

        def kernel(block: slice) -> None:
            (sign, u, p, q, minus_log_p, power, more), index = scratch.view(
                block.stop - block.start
            )
            gradient, hessian = rows.gradient[block], rows.hessian[block]
            _load_opposite_sign(sign, rows.y, block)
            _load(u, rows.margin, block)
            if table is not None:
                table.read(u, hessian, p, q, index)
                np.exp(hessian, out=hessian)
                np.clip(hessian, tiny, largest, out=hessian)
            np.multiply(sign, u, out=u)
            _probabilities(u, p, q, more, limit)
            np.log1p(more, out=minus_log_p)
            # power = a q^g, the factor that gradient and hessian share.
            _power(power, sign, q, more, gammas)
            np.multiply(power, _per_row(more, sign, weights), out=power)
            if rows.weight is not None:
                _load(more, rows.weight, block)
                np.multiply(power, more, out=power)
                if expected:
                    np.multiply(hessian, more, out=hessian)
            gamma = _per_row(more, sign, gammas)
            np.multiply(minus_log_p, gamma, out=minus_log_p)
            np.multiply(minus_log_p, p, out=gradient)
            np.add(gradient, q, out=gradient)
            np.multiply(gradient, power, out=gradient)
            np.multiply(gradient, sign, out=gradient)
            if not expected:
                # a p q^g [(1 + 2g) q + g l (q - g p)]
                np.multiply(gamma, p, out=hessian)
                np.subtract(hessian, q, out=hessian)
                np.multiply(hessian, minus_log_p, out=hessian)
                np.multiply(gamma, 2, out=gamma)
                np.add(gamma, 1, out=gamma)
                np.multiply(gamma, q, out=gamma)
                np.add(hessian, gamma, out=hessian)
                np.multiply(hessian, p, out=hessian)
                np.multiply(hessian, power, out=hessian)

        return kernel

    run_in_blocks(make_kernel, rows.y.shape[0], n_threads)


def _per_row(out: NDArray[Any], sign: NDArray[Any], values: tuple[float, float]) -> NDArray[Any]:
    """Value of each row's class, from the signs of `_load_opposite_sign`."""
    if values[0] == values[1]:
        out.fill(values[0])
    else:
        np.less(sign, 0, out=out, casting="unsafe")
        np.multiply(out, values[1] - values[0], out=out)
        np.add(out, values[0], out=out)
    return out


def _power(
    out: NDArray[Any],
    sign: NDArray[Any],
    q: NDArray[Any],
    scratch: NDArray[Any],
    gammas: tuple[float, float],
) -> None:
    """``q**gamma``: products for small whole numbers, since NumPy's power is slow."""
    if gammas[0] == gammas[1] and gammas[0] in (0.0, 1.0, 2.0, 3.0, 4.0):
        out.fill(1)
        for _ in range(int(gammas[0])):
            np.multiply(out, q, out=out)
    else:
        np.log(q, out=out)
        np.multiply(out, _per_row(scratch, sign, gammas), out=out)
        np.exp(out, out=out)
