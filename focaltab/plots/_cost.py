"""What decisions cost at every threshold."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from focaltab.metrics._validation import check_rows
from focaltab.plots._base import (
    REFERENCE,
    Floats,
    PredictionDisplay,
    check_scale,
    curve_style,
    label_with,
    n_curves,
    new_axes,
    thin,
)
from focaltab.plots._cost_curve import cost_curve, drawn_points

Scale = Literal["log", "linear"]


class CostDisplay(PredictionDisplay):
    """Mean cost per row, and the savings, against the threshold from which rows are flagged.

    Savings are ``1 - cost / min(cost of flagging none, cost of flagging all)`` (Bahnsen et al.,
    "Example-Dependent Cost-Sensitive Decision Trees", 2015), read on the right-hand axis. The
    best threshold is chosen on these rows, so its cost is optimistic for others. Costs above twice
    the cheaper of flagging none or all are cut off.

    Parameters
    ----------
    threshold : ndarray of shape (n_thresholds,)
        Going down from infinity, which flags no row, to the lowest score, which flags all.
    cost : ndarray of shape (n_thresholds,)
        Mean cost per row, of flagging the rows that score at least the threshold.
    scale : {"log", "linear"}, default="log"
        Axis of the thresholds.
    name : str, default=None

    Attributes
    ----------
    savings : ndarray of shape (n_thresholds,)
        NaN where flagging none or all costs nothing already.
    best_threshold, best_cost : float
        The lowest cost and the highest threshold that has it.
    ax_, figure_ : matplotlib Axes and Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> from focaltab.plots import CostDisplay
    >>> display = CostDisplay.from_predictions(
    ...     [0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7], fp_cost=1, fn_cost=10)
    >>> display.threshold.tolist(), display.cost.tolist()
    ([inf, 0.9, 0.8, 0.7, 0.1], [5.0, 2.5, 2.75, 0.25, 0.5])
    >>> display.best_threshold
    0.7
    """

    _needs_probability: ClassVar[bool] = True

    def __init__(
        self, threshold: Floats, cost: Floats, *, scale: Scale = "log", name: str | None = None
    ) -> None:
        check_scale(scale, ("log", "linear"))
        self.threshold = threshold
        self.cost = cost
        self.scale = scale
        self.name = name

    @property
    def best_cost(self) -> float:
        return float(self.cost.min())

    @property
    def best_threshold(self) -> float:
        return float(self.threshold[self.cost.argmin()])

    @property
    def savings(self) -> Floats:
        base = self._base()
        return 1.0 - self.cost / base if base > 0 else np.full(self.cost.size, np.nan)

    def _base(self) -> float:
        """Cost of the cheaper of flagging none and flagging all."""
        return float(min(self.cost[0], self.cost[-1]))

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        fp_cost: ArrayLike,
        fn_cost: ArrayLike,
        tp_cost: ArrayLike = 0.0,
        tn_cost: ArrayLike = 0.0,
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
            Probabilities of the positive class; any scores with ``scale="linear"``.
        fp_cost, fn_cost : float or array-like of shape (n_samples,)
            Cost of a false positive and of a false negative.
        tp_cost, tn_cost : float or array-like of shape (n_samples,), default=0.0
            Cost of right decisions. Negative costs are gains.
        scale : {"log", "linear"}, default="log"
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
        name : str, default=None
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``plot`` of the curve.

        Returns
        -------
        CostDisplay

        Raises
        ------
        ValueError
            As `focaltab.metrics.average_precision`, for an unknown `scale`, costs that are not
            finite or not one per row, and negative scores on a log axis.
        """
        rows = check_rows(y_true, y_score, sample_weight, pos_label)
        if scale == "log" and rows.score.min() < 0:
            raise ValueError("y_score is negative in places: use scale='linear' for such scores.")
        costs = {"fp_cost": fp_cost, "fn_cost": fn_cost, "tp_cost": tp_cost, "tn_cost": tn_cost}
        threshold, cost = cost_curve(rows, **costs)
        return cls(threshold, cost, scale=scale, name=name).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw; a second display on the same Axes takes the next colour.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        name : str, default=None
        **kwargs
            For matplotlib's ``plot`` of the curve.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        self.ax_, self.figure_ = new_axes(ax, figsize=(6.4, 4.4))
        n_before = n_curves(self.ax_)
        base = self._base()
        threshold, cost = drawn_points(self.threshold, self.cost, self.scale)
        across = np.log(threshold) if self.scale == "log" else threshold
        # What is cut off must not use up the points.
        top = 2.0 * base if base > 0 else float(cost.max())
        kept = thin(across, np.minimum(cost, top))
        label = name if name is not None else self.name
        saved = f", saves {self.savings.max():.0%}" if base > 0 else ""
        label = label_with(label, f"lowest {self.best_cost:.3g}{saved}")
        style = {"label": label, "drawstyle": "steps-pre", **kwargs}
        (self.line_,) = self.ax_.plot(threshold[kept], cost[kept], **curve_style(self.ax_, style))
        best = int(np.flatnonzero(cost == self.best_cost)[-1])
        shown = f"best threshold {self.best_threshold:.3g}".replace("inf", "above all scores")
        style = {"color": self.line_.get_color(), "markeredgecolor": "white", "markersize": 8}
        self.ax_.plot(threshold[best], cost[best], "o", label=shown, clip_on=False, **style)
        left, right = threshold[max(int(np.argmax(cost <= top)) - 1, 0)], threshold[-1]
        if n_before:
            before = self.ax_.get_xlim()
            left, right = min(left, before[0]), max(right, before[1])
        elif base > 0:
            self._reference(base, top)
        self.ax_.set(xscale=self.scale, xlim=(float(left), float(right)))
        self.ax_.set(xlabel="threshold on the score", ylabel="mean cost per row")
        self.ax_.legend(loc="best")
        return self

    def _reference(self, base: float, top: float) -> None:
        which = "none" if self.cost[0] <= self.cost[-1] else "all"
        self.ax_.axhline(
            base, color=REFERENCE, linestyle="--", linewidth=1, label=f"flag {which}: {base:.3g}"
        )
        bottom = min(0.0, self.best_cost)
        self.ax_.set_ylim(bottom - 0.02 * (top - bottom), min(top, 1.05 * float(self.cost.max())))
        axis = self.ax_.secondary_yaxis(
            "right", functions=(lambda c: 1.0 - c / base, lambda s: (1.0 - s) * base)
        )
        axis.set_ylabel("savings")
        axis.yaxis.set_major_formatter("{x:.0%}")
