"""Mean cost at every threshold, from one sort."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from focaltab.metrics._decisions import check_cost
from focaltab.metrics._validation import BinaryRows
from focaltab.plots._base import Floats, row_weights


def cost_curve(
    rows: BinaryRows,
    *,
    fp_cost: ArrayLike,
    fn_cost: ArrayLike,
    tp_cost: ArrayLike,
    tn_cost: ArrayLike,
) -> tuple[Floats, Floats]:
    """Thresholds going down from infinity, and the mean cost of flagging what scores as much.

    Raises
    ------
    ValueError
        For costs that are not finite or not one per row.
    """
    n = rows.y.size
    passed = np.where(rows.y, check_cost("fn_cost", fn_cost, n), check_cost("tn_cost", tn_cost, n))
    flagged = np.where(rows.y, check_cost("tp_cost", tp_cost, n), check_cost("fp_cost", fp_cost, n))
    weight = row_weights(rows)
    order = np.argsort(rows.score)[::-1]
    score = rows.score[order].astype(np.float64)
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), n - 1)
    change = np.cumsum((weight * (flagged - passed))[order])[last]
    cost = float(weight @ passed) + np.append(0.0, change)
    return np.append(np.inf, score[last]), cost / float(weight.sum())


def drawn_points(threshold: Floats, cost: Floats, scale: str) -> tuple[Floats, Floats]:
    """Points going up, with infinity and 0 moved to where the axis can show them."""
    up, cost = threshold[::-1].copy(), cost[::-1]
    highest = up[-2]
    span = float(np.ptp(up[:-1])) or 1.0
    up[-1] = 1.0 if up[0] >= 0.0 and highest < 1.0 else highest + 0.05 * span
    if scale == "log":
        up = np.maximum(up, float(up[up > 0].min()) / 2.0)
    return up, cost
