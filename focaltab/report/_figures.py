"""The report's plots as SVG, each with a text that says what it shows."""

from __future__ import annotations

import base64
import io
from html import escape
from importlib.util import find_spec
from typing import Any

from focaltab.report._content import Content
from focaltab.report._thresholds import MISSED_COST, REVIEW_COST

_WITHOUT = (
    '<p class="note">Plots need matplotlib: <code>pip install "focaltab[plots]"</code>, then '
    "<code>focaltab report</code>.</p>"
)


def figures(content: Content) -> str:
    """All plots as HTML, or how to get them where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return _WITHOUT
    from focaltab.plots import (
        AlertBudgetDisplay,
        CostDisplay,
        PrecisionRecallDisplay,
        ReliabilityDisplay,
        ScoreDistributionDisplay,
    )

    kept = content.figures[content.figures["kept"]]
    y, p = content.y, content.probability
    name = content.name
    plots: list[tuple[Any, str]] = [
        (
            PrecisionRecallDisplay.from_predictions(y, p, name=name, random_state=0),
            f"Precision against recall with a 95% band. Average precision "
            f"{kept['average_precision']:.3f}; the prevalence is {kept['prevalence']:.5f}.",
        ),
        (
            ReliabilityDisplay.from_predictions(y, p, name=name),
            f"Observed share of positives against stated probability, both on log axes. The mean "
            f"probability is {kept['mean_probability']:.5f}.",
        ),
        (
            AlertBudgetDisplay.from_predictions(y, p, name=name),
            "Share of all positives found, and precision, against the number of alerts.",
        ),
        (
            CostDisplay.from_predictions(
                y, p, fp_cost=REVIEW_COST, tp_cost=REVIEW_COST, fn_cost=MISSED_COST, name=name
            ),
            f"Mean cost a row and savings against the threshold, where a review costs "
            f"{REVIEW_COST:g} and a missed positive {MISSED_COST:g}.",
        ),
        (
            ScoreDistributionDisplay.from_predictions(y, p, name=name),
            "Distribution of the predicted log-odds of positives and of negatives.",
        ),
    ]
    return "\n".join(
        f'<figure><img alt="{escape(text)}" src="{_data_uri(display)}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for display, text in plots
    )


def _data_uri(display: Any) -> str:
    """The drawn figure as SVG inside an address; in an image its ids meet no other figure's."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    # A fixed salt: the same model gives the same file, byte for byte.
    with mpl.rc_context({"svg.hashsalt": "focaltab"}):
        display.figure_.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(display.figure_)
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
