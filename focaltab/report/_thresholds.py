"""Where to set the threshold: a slider, and the cheapest threshold under the reader's costs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.metrics._curve import Curve
from focaltab.metrics._validation import BinaryRows
from focaltab.report._html import table

# What the table starts from, and the plot of costs shows.
REVIEW_COST = 1.0
MISSED_COST = 20.0
_GRID = 200

Points = dict[str, list[Any]]


def threshold_part(y: NDArray[np.bool_], probability: NDArray[np.float64]) -> str:
    """Controls, table, and the data from which ``slider.js`` fills it anew."""
    curve = Curve.of(BinaryRows(y, probability, None))
    grid, corners = _grid(curve), cheapest_thresholds(curve)
    n = len(grid["alerts"])
    shown = sorted({int(i) for i in np.linspace(0, n - 1, min(n, 8))})
    data = {**grid, "positives": int(y.sum()), "rows": int(y.size)}
    ids = ["chosen", "cheapest", *(f"shown-{k}" for k in range(len(shown)))]
    costs = [_cost(data, corners, i) for i in range(len(corners["alerts"]))]
    rows = [
        ["chosen", *_cells(data, grid, n // 2)],
        ["cheapest", *_cells(data, corners, int(np.argmin(costs)))],
        *(["", *_cells(data, grid, i)] for i in shown),
    ]
    head = ["", "threshold", "alerts", "precision", "recall", "cost", "saved"]
    text = json.dumps({**data, "corners": corners, "shown": shown}).replace("<", "\\u003c")
    return f"""<p class="controls">
<label>A review costs <input id="review-cost" type="number" min="0.01" step="any"
 value="{REVIEW_COST:g}"></label>
<label>A missed positive costs <input id="missed-cost" type="number" min="0.01" step="any"
 value="{MISSED_COST:g}"></label>
<input id="slider" type="range" min="0" max="{n - 1}" value="{n // 2}"
 aria-label="Threshold, from few alerts to many"></p>
{table(head, rows, ids)}
<p class="note">On the {y.size:,} held-out rows. Cheapest: of all thresholds, and of flagging none.
Saved: against the cheaper of reviewing every row and none.</p>
<script type="application/json" id="thresholds">{text}</script>"""


def _grid(curve: Curve) -> Points:
    """Threshold, alerts and hits at up to 200 numbers of alerts, evenly on a log scale."""
    wanted = np.geomspace(1.0, curve.called[-1], _GRID)
    rows = np.minimum(np.searchsorted(curve.called, wanted), curve.called.size - 1)
    return _points(curve, np.unique(rows))


def cheapest_thresholds(curve: Curve) -> Points:
    """Threshold, alerts and hits where, under some costs, no higher threshold is as cheap.

    Cost is linear in alerts and hits, so they are the corners of the hits' upper convex hull over
    the alerts: few, whatever the rows. The first flags none; its threshold is None.
    """
    # Only where a positive is gained can a threshold be the cheapest.
    gaining = np.flatnonzero(np.diff(curve.true_positive, prepend=0.0) > 0)
    corners = [(0.0, 0.0, -1)]
    for alerts, hits, row in zip(
        curve.called[gaining].tolist(),
        curve.true_positive[gaining].tolist(),
        gaining.tolist(),
        strict=True,
    ):
        while len(corners) > 1:
            (alerts_0, hits_0, _), (alerts_1, hits_1, _) = corners[-2:]
            rise, run = hits - hits_1, alerts - alerts_1
            if rise * (alerts_1 - alerts_0) < (hits_1 - hits_0) * run:
                break
            corners.pop()
        corners.append((alerts, hits, row))
    found = _points(curve, np.array([row for _, _, row in corners[1:]]))
    none = {"threshold": None, "alerts": 0.0, "hits": 0.0}
    return {name: [none[name], *values] for name, values in found.items()}


def _points(curve: Curve, rows: NDArray[np.intp]) -> Points:
    return {
        "threshold": curve.threshold[rows].tolist(),
        "alerts": curve.called[rows].tolist(),
        "hits": curve.true_positive[rows].tolist(),
    }


def _cost(data: dict[str, Any], points: Points, i: int) -> float:
    missed = data["positives"] - points["hits"][i]
    return float(points["alerts"][i] * REVIEW_COST + missed * MISSED_COST)


def _cells(data: dict[str, Any], points: Points, i: int) -> list[str]:
    alerts, hits, cost = points["alerts"][i], points["hits"][i], _cost(data, points, i)
    base = min(data["positives"] * MISSED_COST, data["rows"] * REVIEW_COST)
    threshold = points["threshold"][i]
    return [
        "above all" if threshold is None else f"{threshold:.3g}",
        f"{alerts:,.0f}",
        f"{hits / alerts:.1%}" if alerts else "none",
        f"{hits / data['positives']:.1%}",
        f"{cost:,.0f}",
        f"{1 - cost / base:.1%}",
    ]
