"""The link between a focal margin and the true log-odds, and the tables that make it cheap.

A minimiser of the focal risk outputs the margin ``z`` at which ``eta G1(z) = (1-eta) G0(z)``, so
the posterior's log-odds are ``f(z) = log G0(z) - log G1(z)`` (the gamma part: Charoenphakdee et
al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR 2021; the general view of a
proper composite loss: Buja, Stuetzle and Shen, 2005). ``f`` is strictly increasing, and has the
asymptotes ``(1+g0) z + log(1+g0)`` and ``(1+g1) z - log(1+g1)``, both shifted by ``log a0/a1``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.losses._margin import Array, log_slope, log_slope_decay

# Beyond this margin f equals its asymptote to the last bit of a float64: exp(-40) < 2**-57.
_LIMIT = 40.0
_NODES = 8192
# Of `StepTable`: 8 MB, which gammas up to about 5 stay under.
_MOST_STEPS = 2**21


class Link:
    """Log-odds of a focal margin and back, for one choice of gammas and class weights.

    Parameters
    ----------
    gammas : (gamma of class 0, gamma of class 1)
    weights : (weight of class 0, weight of class 1)
    """

    def __init__(self, gammas: tuple[float, float], weights: tuple[float, float]) -> None:
        self.gamma0, self.gamma1 = gammas
        self.log_weights = np.log(weights)
        self.shift = float(self.log_weights[0] - self.log_weights[1])
        self._z = np.linspace(-_LIMIT, _LIMIT, _NODES)
        self._f = self.log_odds(self._z)

    def log_odds(self, z: Array) -> Array:
        """True log-odds ``f`` of the positive class at the focal margin ``z``."""
        return log_slope(-z, self.gamma0) - log_slope(z, self.gamma1) + self.shift

    def slope(self, z: Array) -> Array:
        """``df/dz > 0``."""
        return log_slope_decay(-z, self.gamma0) + log_slope_decay(z, self.gamma1)

    def margin(self, f: Array) -> Array:
        """Focal margin at the true log-odds ``f``: a table, then Newton to machine precision."""
        f = np.asarray(f, dtype=np.float64)
        if self.gamma0 == self.gamma1 == 0.0:
            return f - self.shift
        z = np.interp(f, self._f, self._z)
        z += np.minimum(f - self._f[0], 0.0) / (1.0 + self.gamma0)
        z += np.maximum(f - self._f[-1], 0.0) / (1.0 + self.gamma1)
        # An interpolated start is within 1e-3 of the root; each step squares the error.
        for _ in range(3):
            z -= (self.log_odds(z) - f) / self.slope(z)
        return z

    def canonical_weight(self, z: Array) -> Array:
        """``w = (G0 + G1) dz/df``, the factor on ``sigmoid(f) - y`` in the canonical gradient."""
        total = np.exp(log_slope(-z, self.gamma0) + self.log_weights[0])
        total += np.exp(log_slope(z, self.gamma1) + self.log_weights[1])
        return np.asarray(total / self.slope(z))

    def log_expected_hessian(self, z: Array) -> Array:
        """Log of ``f'(z) G0 G1 / (G0 + G1)``: curvature in ``z``, expected under the posterior."""
        log_g0 = log_slope(-z, self.gamma0) + self.log_weights[0]
        log_g1 = log_slope(z, self.gamma1) + self.log_weights[1]
        return np.asarray(np.log(self.slope(z)) + log_g0 + log_g1 - np.logaddexp(log_g0, log_g1))


class Table:
    """A smooth function on an even grid, read in place by gathers and Horner's rule.

    Arguments beyond the grid's ends read the value at the end, plus `end_slopes` times the way
    beyond it.

    Parameters
    ----------
    nodes, values : float64 ndarray of shape (n_nodes,)
    dtype : dtype
        Float type that is read and written. float32 keeps a line per step, float64 a cubic: with
        the nodes of `_nodes_for` either is as exact as its type can hold the argument.
    end_slopes : (float, float), default=None
        Slopes of the asymptotes to the left and to the right; None where they are level.
    """

    def __init__(
        self,
        nodes: Array,
        values: Array,
        dtype: np.dtype[Any],
        end_slopes: tuple[float, float] | None = None,
    ) -> None:
        step = (nodes[-1] - nodes[0]) / (nodes.size - 1)
        if dtype == np.float32:
            pieces = np.stack([np.diff(values), values[:-1]])
        else:
            from scipy.interpolate import CubicSpline  # 10 MB that float32 does without

            # Coefficients per grid step rather than per unit: the argument is the fraction.
            powers = step ** np.arange(3.0, -1.0, -1.0)[:, None]
            pieces = CubicSpline(nodes, values).c * powers
        # One more piece, for the last node itself.
        end = np.zeros((pieces.shape[0], 1))
        end[-1] = values[-1]
        self.coefficients = np.hstack([pieces, end]).astype(dtype)
        self.low = dtype.type(nodes[0])
        self.step_inverse = dtype.type(1.0 / step)
        self.span = dtype.type(nodes.size - 1)
        self.high = dtype.type(nodes[-1])
        self.reach = float(np.abs(nodes[[0, -1]]).max())
        self.end_slopes = None if end_slopes is None else tuple(map(dtype.type, end_slopes))

    def read(
        self,
        x: NDArray[Any],
        out: NDArray[Any],
        fraction: NDArray[Any],
        gathered: NDArray[Any],
        index: TableIndex,
    ) -> None:
        """Write the function's values at `x` to `out`; the other arguments are scratch.

        Where the ends are level, `x` itself may be the scratch for `fraction`, and arguments
        beyond `reach` make no difference.
        """
        np.subtract(x, self.low, out=fraction)
        np.multiply(fraction, self.step_inverse, out=fraction)
        np.clip(fraction, 0, self.span, out=fraction)
        np.trunc(fraction, out=gathered)
        np.subtract(fraction, gathered, out=fraction)
        # NumPy converts floats to 32-bit integers in SIMD, to 64-bit ones one by one.
        np.copyto(index.narrow, gathered, casting="unsafe")
        np.copyto(index.wide, index.narrow)
        np.take(self.coefficients[0], index.wide, out=out, mode="clip")
        for coefficient in self.coefficients[1:]:
            np.multiply(out, fraction, out=out)
            np.take(coefficient, index.wide, out=gathered, mode="clip")
            np.add(out, gathered, out=out)
        if self.end_slopes is not None:
            left, right = self.end_slopes
            for end, slope, beyond in (
                (self.low, left, np.minimum),
                (self.high, right, np.maximum),
            ):
                np.subtract(x, end, out=gathered)
                beyond(gathered, 0, out=gathered)
                np.multiply(gathered, slope, out=gathered)
                np.add(out, gathered, out=out)

    def with_slope(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values at `x` and the derivatives there, in new arrays; of tables with end slopes."""
        assert self.end_slopes is not None
        position = np.clip((x - self.low) * self.step_inverse, 0, self.span)
        whole = np.trunc(position)
        fraction = position - whole
        # What is no number stays none: its place in the table makes no difference.
        with np.errstate(invalid="ignore"):
            index = whole.astype(np.int32).astype(np.intp)
        value, *lower = (c.take(index, mode="clip") for c in self.coefficients)
        slope = None
        for coefficient in lower:
            slope = value if slope is None else slope * fraction + value
            value = value * fraction + coefficient
        slope = slope * self.step_inverse
        left, right = self.end_slopes
        if not x.min() >= self.low:
            # The first piece has the slope to its left already.
            value = value + left * np.minimum(x - self.low, 0)
        if not x.max() <= self.high:
            above = np.maximum(x - self.high, 0)
            value, slope = value + right * above, np.where(above > 0, right, slope)
        return value, slope


class StepTable:
    """A positive function in float32, as its value at the nearest node of a fine even grid.

    One gather and no arithmetic on what it finds: a third of the time of a line per step.

    Parameters
    ----------
    nodes, values : float64 ndarray of shape (n_nodes,)
        Coarse samples, close enough for the straight lines between them to be exact.
    refinement : int
        Fine steps in each coarse one, from `refinement_needed`.
    """

    def __init__(self, nodes: Array, values: Array, refinement: int) -> None:
        parts = np.arange(refinement, dtype=np.float32) / np.float32(refinement)
        fine = np.multiply.outer(np.diff(values).astype(np.float32), parts)
        fine += values[:-1, None].astype(np.float32)
        self.values = np.append(fine.ravel(), np.float32(values[-1]))
        n_steps = self.values.size - 1
        per_unit = n_steps / (nodes[-1] - nodes[0])
        self.step_inverse = np.float32(per_unit)
        # The half rounds to the nearest node, since the conversion to an integer truncates.
        self.offset = np.float32(0.5 - nodes[0] * per_unit)
        self.end = np.float32(n_steps)
        self.reach = float(np.abs(nodes[[0, -1]]).max())

    @staticmethod
    def refinement_needed(values: Array, tolerance: float) -> int:
        """Refinement for a relative error of `tolerance`, where a node is half a step away."""
        return int(np.ceil(np.abs(np.diff(np.log(values))).max() / (2.0 * tolerance))) or 1

    def read(
        self,
        x: NDArray[Any],
        out: NDArray[Any],
        position: NDArray[Any],
        _: NDArray[Any],
        index: TableIndex,
    ) -> None:
        """Write the function's values at `x` to `out`; `position` and `index` are scratch.

        `x`, which may itself be the scratch, must have been clipped to some hundreds, and to no
        less than `reach`: positions then fit into 32 bits, and the gather, which tests them
        anyway, clips them to the table.
        """
        np.multiply(x, self.step_inverse, out=position)
        np.add(position, self.offset, out=position)
        np.copyto(index.narrow, position, casting="unsafe")
        np.copyto(index.wide, index.narrow)
        self.values.take(index.wide, out=out, mode="clip")


class TableIndex:
    """Scratch for the node numbers of a block of rows."""

    def __init__(self, n_rows: int) -> None:
        self.narrow = np.empty(n_rows, np.int32)
        self.wide = np.empty(n_rows, np.intp)

    def view(self, n_rows: int) -> TableIndex:
        """The first rows, on the same memory."""
        part = TableIndex(0)
        part.narrow, part.wide = self.narrow[:n_rows], self.wide[:n_rows]
        return part


def _nodes_for(dtype: np.dtype[Any]) -> tuple[float, int]:
    """Largest margin that a table covers, and how many nodes.

    Relative error against exact values, at the gammas from 0 to 10 that the tests try: below 2e-5
    in float32 and below 1e-8 in float64.
    """
    return (25.0, 32768) if dtype == np.float32 else (_LIMIT, 16384)


@lru_cache(maxsize=64)
def link_for(gammas: tuple[float, float], weights: tuple[float, float]) -> Link:
    """One link per choice of gammas and weights, shared by all losses that use it."""
    return Link(gammas, weights)


@lru_cache(maxsize=8)
def canonical_weight_table(
    gammas: tuple[float, float], weights: tuple[float, float], dtype: np.dtype[Any]
) -> Table | StepTable:
    """``w`` as a function of the true log-odds ``f``."""
    limit, n_nodes = _nodes_for(dtype)
    if dtype == np.float32:
        f, values = _canonical_weights(link_for(gammas, weights), limit, n_nodes // 2)
        # Constant ends are read beyond the grid's end as well.
        moving = (np.abs(values / values[0] - 1) > 1e-6) & (np.abs(values / values[-1] - 1) > 1e-6)
        first, last = np.flatnonzero(moving)[[0, -1]] if moving.any() else (0, f.size - 1)
        f, values = f[first : last + 1], values[first : last + 1]
        refinement = StepTable.refinement_needed(values, 1.5e-5)
        if refinement * f.size <= _MOST_STEPS:
            return StepTable(f, values, refinement)
    return Table(*_canonical_weights(link_for(gammas, weights), limit, n_nodes), dtype)


def _canonical_weights(link: Link, limit: float, n_nodes: int) -> tuple[Array, Array]:
    low, high = link.log_odds(np.array([-limit, limit]))
    f = np.linspace(low, high, n_nodes)
    return f, link.canonical_weight(link.margin(f))


@lru_cache(maxsize=8)
def focal_margin_table(
    gammas: tuple[float, float], weights: tuple[float, float], dtype: np.dtype[Any]
) -> Table:
    """The focal margin ``z`` as a function of the true log-odds ``f``."""
    link = link_for(gammas, weights)
    limit, n_nodes = _nodes_for(dtype)
    low, high = link.log_odds(np.array([-limit, limit]))
    f = np.linspace(low, high, n_nodes)
    slopes = (1.0 / (1.0 + gammas[0]), 1.0 / (1.0 + gammas[1]))
    return Table(f, link.margin(f), dtype, slopes)


@lru_cache(maxsize=8)
def log_expected_hessian_table(
    gammas: tuple[float, float], weights: tuple[float, float], dtype: np.dtype[Any]
) -> Table:
    """Log of the expected hessian as a function of the focal margin ``z``."""
    link = link_for(gammas, weights)
    limit, n_nodes = _nodes_for(dtype)
    z = np.linspace(-limit, limit, n_nodes)
    # To the left G0 vanishes as exp((1 + g0) z) beside G1, to the right G1 does beside G0.
    slopes = (1.0 + gammas[0], -1.0 - gammas[1])
    return Table(z, link.log_expected_hessian(z), dtype, slopes)
