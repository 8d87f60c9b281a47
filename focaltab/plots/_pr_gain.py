"""Precision gain against recall gain, where straight lines and areas mean something."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from focaltab.metrics import average_precision_gain
from focaltab.metrics._curve import Curve
from focaltab.metrics._ranking import gain_points
from focaltab.metrics._validation import check_rows
from focaltab.plots._base import (
    REFERENCE,
    Floats,
    PredictionDisplay,
    curve_style,
    label_with,
    n_curves,
    new_axes,
    thin,
)


class PRGainDisplay(PredictionDisplay):
    """Precision-recall-gain curve, with the area under it.

    With prevalence ``pi``, ``recG = (rec - pi) / ((1 - pi) rec)`` and
    ``precG = (prec - pi) / ((1 - pi) prec)`` (Flach and Kull, "Precision-Recall-Gain Curves: PR
    Analysis Done Right", NeurIPS 2015). A random ranking lies at precision gain 0, calling every
    row positive at (1, 0), and lines of equal F1 are parallel to the falling diagonal.

    Parameters
    ----------
    recall_gain, precision_gain : ndarray of shape (n_points,)
        Recall gain going up from 0 to 1. A precision gain below 0 (worse than random) is drawn
        at 0.
    average_precision_gain : float, default=None
    name : str, default=None

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> from focaltab.plots import PRGainDisplay
    >>> display = PRGainDisplay.from_predictions([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7])
    >>> display.recall_gain.tolist(), display.precision_gain.tolist()
    ([0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.5, 0.0])
    """

    def __init__(
        self,
        recall_gain: Floats,
        precision_gain: Floats,
        *,
        average_precision_gain: float | None = None,
        name: str | None = None,
    ) -> None:
        self.recall_gain = recall_gain
        self.precision_gain = precision_gain
        self.average_precision_gain = average_precision_gain
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
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
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
        name : str, default=None
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``plot`` of the curve.

        Returns
        -------
        PRGainDisplay

        Raises
        ------
        ValueError
            As `focaltab.metrics.average_precision_gain`.
        """
        curve = Curve.of(check_rows(y_true, y_score, sample_weight, pos_label))
        area = average_precision_gain(
            y_true, y_score, sample_weight=sample_weight, pos_label=pos_label
        )
        return cls(*gain_points(curve), average_precision_gain=area, name=name).plot(ax, **kwargs)

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
        self.ax_, self.figure_ = new_axes(ax, figsize=(5.2, 5.0))
        if n_curves(self.ax_) == 0:
            style = {"color": REFERENCE, "linestyle": "--", "linewidth": 1}
            self.ax_.plot([0, 1], [1, 0], **style, label="F1 of calling every row")
        label = name if name is not None else self.name
        if self.average_precision_gain is not None:
            label = label_with(label, f"AUPRG {self.average_precision_gain:.3f}")
        recall, precision = np.clip([self.recall_gain, self.precision_gain], 0.0, 1.0)
        kept = thin(recall, precision)
        style = curve_style(self.ax_, {"label": label, **kwargs})
        (self.line_,) = self.ax_.plot(recall[kept], precision[kept], **style)
        self.ax_.set(
            xlabel="recall gain",
            ylabel="precision gain",
            xlim=(0.0, 1.0),
            ylim=(0.0, 1.03),
            aspect="equal",
        )
        self.ax_.legend(loc="lower left", framealpha=0.9)
        return self
