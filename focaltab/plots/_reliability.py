"""Stated against observed probabilities, where rare ones can be seen."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from focaltab.metrics._validation import check_rows
from focaltab.plots._base import (
    REFERENCE,
    Floats,
    PredictionDisplay,
    axes_pair,
    check_scale,
    curve_style,
    n_curves,
    row_weights,
)

Scale = Literal["log", "linear"]
_HISTOGRAM_BINS = 40


class ReliabilityDisplay(PredictionDisplay):
    """Reliability diagram over bins of equal mass, and how the probabilities are spread.

    Each point is a bin's mean probability and observed share of positives, with its Wilson
    interval (Wilson 1927); a calibrated model's lie on the diagonal. On the log axes a bin
    with a value of 0 is drawn as an open triangle at the edge.

    Parameters
    ----------
    table : DataFrame
        What `focaltab.calibration.calibration_table` returns: ``rows``, ``mean_probability``,
        ``observed``, ``low``, ``high`` of each bin.
    edges : ndarray of shape (n_bars + 1,)
        Edges of the histogram's bars; equal steps on the scale's axis.
    counts : ndarray of shape (n_bars,)
        Rows, or weight, in each bar; what lies below the first edge is in the first bar.
    scale : {"log", "linear"}, default="log"
    name : str, default=None

    Attributes
    ----------
    ax_, histogram_ax_, figure_ : matplotlib Axes, Axes and Figure
        ``histogram_ax_`` is None where one Axes was given.
    line_ : matplotlib Line2D
        The bins' points.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.plots import ReliabilityDisplay
    >>> proba = np.repeat([0.01, 0.1, 0.5], 200)
    >>> y = np.random.default_rng(0).random(600) < proba
    >>> display = ReliabilityDisplay.from_predictions(y, proba, n_bins=3)
    >>> display.table["rows"].tolist()
    [200, 200, 200]
    """

    _needs_probability: ClassVar[bool] = True

    def __init__(
        self,
        table: pd.DataFrame,
        edges: Floats,
        counts: Floats,
        *,
        scale: Scale = "log",
        name: str | None = None,
    ) -> None:
        check_scale(scale, ("log", "linear"))
        self.table = table
        self.edges = edges
        self.counts = counts
        self.scale = scale
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        n_bins: int = 10,
        scale: Scale = "log",
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
            Probabilities of the positive class.
        n_bins : int, default=10
        scale : {"log", "linear"}, default="log"
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
        name : str, default=None
        ax : matplotlib Axes, or a pair of them, default=None
            One Axes takes the diagram alone, without the histogram.
        **kwargs
            For matplotlib's ``plot`` of the points.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            As `focaltab.calibration.calibration_table`, and for an unknown `scale`.
        """
        from focaltab.calibration import calibration_table

        check_scale(scale, ("log", "linear"))
        table = calibration_table(
            y_true, y_score, n_bins=n_bins, sample_weight=sample_weight, pos_label=pos_label
        )
        rows = check_rows(y_true, y_score, sample_weight, pos_label, name="y_proba")
        edges = _edges(table, scale)
        inside = np.clip(rows.score.astype(np.float64), edges[0], edges[-1])
        counts, _ = np.histogram(inside, edges, weights=row_weights(rows))
        return cls(table, edges, counts, scale=scale, name=name).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw; a second display on the same Axes takes the next colour.

        Parameters
        ----------
        ax : matplotlib Axes, or a pair of them, default=None
        name : str, default=None
        **kwargs
            For matplotlib's ``plot`` of the points.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        options = {"sharex": True, "height_ratios": (3, 1), "figsize": (5.5, 6.5)}
        axes, self.figure_ = axes_pair(ax, nrows=2, **options)
        self.ax_, self.histogram_ax_ = axes[0], axes[1] if len(axes) == 2 else None
        is_first = n_curves(self.ax_) == 0
        low = float(self.edges[0]) if self.scale == "log" else 0.0
        label = name if name is not None else self.name
        self._draw_bins(low, {"label": label, **kwargs})
        # Beyond the edges, so that points there are drawn whole.
        limits = (0.8 * low, 1.25) if self.scale == "log" else (-0.02, 1.02)
        if is_first:
            style = {"color": REFERENCE, "linestyle": "--", "linewidth": 1, "label": "calibrated"}
            self.ax_.plot([1e-12, 1.0], [1e-12, 1.0], **style)
        else:
            limits = (min(limits[0], self.ax_.get_xlim()[0]), limits[1])
        for axis in axes:
            axis.set(xscale=self.scale, xlim=limits)
        self.ax_.set(yscale=self.scale, ylim=limits, ylabel="observed share of positives")
        self.ax_.legend(loc="upper left")
        axes[-1].set_xlabel("probability of the positive class")
        if self.histogram_ax_ is not None:
            self._draw_histogram(self.histogram_ax_)
        return self

    def _draw_bins(self, floor: float, options: dict[str, Any]) -> None:
        columns = ("mean_probability", "observed", "low", "high")
        raw = self.table[list(columns)].to_numpy(np.float64).T
        x, y, low, high = np.maximum(raw, floor)
        hidden = (raw[:2] < floor).any(axis=0)
        style = {"marker": "o", "markersize": 5, "linewidth": 1, **options}
        seen = np.where(hidden, np.nan, y)
        (self.line_,) = self.ax_.plot(x, seen, **curve_style(self.ax_, style))
        color = self.line_.get_color()
        self.ax_.vlines(x, low, high, color=color, linewidth=1.2, alpha=0.7)
        if hidden.any():
            self.ax_.plot(x[hidden], y[hidden], "v", color=color, markerfacecolor="white")

    def _draw_histogram(self, ax: Any) -> None:
        style = {"linewidth": 1.2} if ax.patches else {"fill": True, "alpha": 0.45}
        ax.stairs(self.counts, self.edges, color=self.line_.get_color(), **style)
        ax.set(yscale="log", ylabel="rows")
        # Below the lowest bar, which would have no height at the axis.
        ax.set_ylim(bottom=min(ax.get_ylim()[0], 0.5 * float(self.counts[self.counts > 0].min())))


def _edges(table: pd.DataFrame, scale: Scale) -> Floats:
    """Edges of the bars: from 0, or from below all bins' points above 0, to 1."""
    if scale == "linear":
        return np.linspace(0.0, 1.0, _HISTOGRAM_BINS + 1)
    points = table[["mean_probability", "observed"]].to_numpy(np.float64)
    lowest = float(points[points > 0].min(initial=0.1))
    return np.geomspace(10.0 ** np.floor(np.log10(lowest)), 1.0, _HISTOGRAM_BINS + 1)
