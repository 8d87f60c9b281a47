"""What a team finds that can look at so many alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from focaltab.metrics._curve import Curve
from focaltab.metrics._validation import check_rows
from focaltab.plots._base import (
    FAINT,
    REFERENCE,
    Floats,
    PredictionDisplay,
    curve_style,
    label_with,
    n_curves,
    new_axes,
)

_N_POINTS = 600


class AlertBudgetDisplay(PredictionDisplay):
    """Recall and precision among the highest scores, against how many of them are looked at.

    Ties at the border count in expectation, as in `focaltab.metrics.recall_at_k` and
    `focaltab.metrics.precision_at_k`. The dotted line is the recall of a perfect ranking.

    Parameters
    ----------
    alerts, recall, precision : ndarray of shape (n_points,)
        Alerts going up to all rows.
    positives : float
        Positive rows, or their weight.
    budgets : ndarray of shape (n_budgets,), default=()
        Numbers of alerts to mark.
    name : str, default=None

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    line_, precision_line_ : matplotlib Line2D

    Examples
    --------
    >>> from focaltab.plots import AlertBudgetDisplay
    >>> display = AlertBudgetDisplay.from_predictions(
    ...     [0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], budgets=[2])
    >>> display.alerts.tolist(), display.recall.tolist()
    ([1.0, 2.0, 3.0, 4.0], [0.5, 0.5, 1.0, 1.0])
    """

    def __init__(
        self,
        alerts: Floats,
        recall: Floats,
        precision: Floats,
        *,
        positives: float,
        budgets: ArrayLike = (),
        name: str | None = None,
    ) -> None:
        self.alerts = alerts
        self.recall = recall
        self.precision = precision
        self.positives = positives
        self.budgets = np.asarray(budgets, dtype=np.float64)
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        budgets: Sequence[float] = (),
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
        y_score : array-like of shape (n_samples,)
            Scores, probabilities or log-odds of the positive class.
        budgets : sequence of float, default=()
            Numbers of alerts to mark with their recall and precision.
        sample_weight : array-like of shape (n_samples,), default=None
            Alerts are then counted by weight.
        pos_label : label, default=None
        name : str, default=None
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``plot`` of the recall.

        Returns
        -------
        AlertBudgetDisplay

        Raises
        ------
        ValueError
            As `focaltab.metrics.average_precision`, and for a budget that is not positive or
            above the number of rows.
        """
        curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
        called = curve.called
        total = float(called[-1])
        marked = np.asarray(budgets, dtype=np.float64)
        bad = ~((marked > 0) & (marked <= total))
        if bad.any():
            raise ValueError(
                f"budgets must lie above 0 and not above {total:g} (the rows, or their weight), "
                f"got {marked[bad][0]:g}."
            )
        if sample_weight is None:
            grid = np.round(np.geomspace(1.0, total, _N_POINTS))
        else:
            grid = np.geomspace(min(1.0, float(called[called > 0][0])), total, _N_POINTS)
        alerts = np.unique(np.concatenate([grid, marked]))
        hits = curve.hits(alerts)
        shares = hits / curve.positives, hits / alerts
        positives = curve.positives
        return cls(alerts, *shares, positives=positives, budgets=marked, name=name).plot(
            ax, **kwargs
        )

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw; a second display on the same Axes takes the next colour.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        name : str, default=None
        **kwargs
            For matplotlib's ``plot`` of the recall.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        self.ax_, self.figure_ = new_axes(ax, figsize=(6.4, 4.8))
        is_first = n_curves(self.ax_) == 0
        label = name if name is not None else self.name
        style = curve_style(self.ax_, {"label": label_with(label, "recall"), **kwargs})
        if is_first:
            self.ax_.plot(
                self.alerts,
                np.minimum(self.alerts / self.positives, 1.0),
                color=REFERENCE,
                linestyle=":",
                linewidth=1,
                label="recall of a perfect ranking",
            )
        (self.line_,) = self.ax_.plot(self.alerts, self.recall, **style)
        (self.precision_line_,) = self.ax_.plot(
            self.alerts,
            self.precision,
            color=self.line_.get_color(),
            linestyle="--",
            linewidth=1.2,
            label=label_with(label, "precision"),
        )
        for budget in self.budgets:
            self._mark(float(budget))
        self.ax_.set(
            xscale="log",
            xlabel="alerts, from the highest score down",
            ylabel="share",
            ylim=(0, 1.03),
        )
        # Both lines cross the whole Axes: no place inside is free.
        self.ax_.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return self

    def _mark(self, budget: float) -> None:
        at = int(np.searchsorted(self.alerts, budget))
        color = self.line_.get_color()
        shares = (self.recall[at], self.precision[at])
        self.ax_.axvline(budget, color=FAINT, linewidth=1, zorder=0.5)
        self.ax_.plot([budget] * 2, shares, "o", color=color, markersize=5, linestyle="none")
        text = {"textcoords": "offset points", "fontsize": 8}
        # Recall rises and precision falls: the text goes to the side that each leaves free.
        self.ax_.annotate(f"{shares[0]:.2f}", (budget, shares[0]), (6, -4), va="top", **text)
        self.ax_.annotate(f"{shares[1]:.2f}", (budget, shares[1]), (6, 4), **text)
        style = {"rotation": 90, "ha": "right", "va": "top", "color": REFERENCE, **text}
        self.ax_.annotate(f"{budget:,.6g}", (budget, 1.0), (-2, -3), **style)
