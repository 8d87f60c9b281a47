"""Precision against recall, with its uncertainty and what chance would give."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from focaltab.metrics import average_precision
from focaltab.metrics._curve import Curve
from focaltab.metrics._resample import Units
from focaltab.metrics._steps import Steps, score_bins
from focaltab.metrics._validation import BinaryRows, check_rows
from focaltab.plots._base import (
    FAINT,
    REFERENCE,
    Floats,
    PredictionDisplay,
    curve_style,
    label_with,
    n_curves,
    new_axes,
    thin,
)

_F1_LINES = (0.2, 0.4, 0.6, 0.8)
# Of recall, where the band of a curve is told.
_GRID = np.linspace(0.01, 1.0, 100)
# Weighted shares are sums of floats: one that should equal a bound may miss it by this much.
_ROUNDING = 1e-12


class PrecisionRecallDisplay(PredictionDisplay):
    """Precision-recall curve with a bootstrap band, the prevalence and lines of equal F1.

    The curve is drawn as steps, ``P_n`` from ``R_{n-1}`` to ``R_n``, so that the area under it is
    the average precision in the legend (Davis and Goadrich, "The Relationship Between
    Precision-Recall and ROC Curves", 2006, on why straight lines would flatter it).

    Parameters
    ----------
    recall, precision : ndarray of shape (n_points,)
        Recall going up.
    average_precision : float, default=None
    prevalence : float, default=None
        What a random ranking's precision would be.
    band : tuple of three ndarray of shape (n_grid,), default=None
        Recall, and the lowest and highest precision there.
    name : str, default=None

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> from focaltab.plots import PrecisionRecallDisplay
    >>> y, score = [0, 1, 0, 1] * 20, [0.1, 0.9, 0.8, 0.7] * 20
    >>> display = PrecisionRecallDisplay.from_predictions(y, score, random_state=0)
    >>> round(display.average_precision, 4), display.prevalence
    (0.8333, 0.5)
    """

    def __init__(
        self,
        recall: Floats,
        precision: Floats,
        *,
        average_precision: float | None = None,
        prevalence: float | None = None,
        band: tuple[Floats, Floats, Floats] | None = None,
        name: str | None = None,
    ) -> None:
        self.recall = recall
        self.precision = precision
        self.average_precision = average_precision
        self.prevalence = prevalence
        self.band = band
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        n_resamples: int = 200,
        random_state: int | np.random.Generator | None = None,
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
        n_resamples : int, default=200
            Bootstrap resamples, each class drawn apart, for the pointwise 95% band; 0 draws none.
        random_state : int, Generator or None, default=None
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
        name : str, default=None
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``plot`` of the curve.

        Returns
        -------
        PrecisionRecallDisplay

        Raises
        ------
        ValueError
            As `focaltab.metrics.average_precision`, and for a negative `n_resamples`.
        """
        if n_resamples < 0:
            raise ValueError(f"n_resamples must be at least 0, got {n_resamples}.")
        rows = check_rows(y_true, y_score, sample_weight, pos_label)
        curve = Curve.of(rows)
        band = precision_band(rows, n_resamples, random_state) if n_resamples else None
        return cls(
            np.append(0.0, curve.recall),
            np.append(curve.precision[0], curve.precision),
            average_precision=average_precision(
                y_true, y_score, sample_weight=sample_weight, pos_label=pos_label
            ),
            prevalence=curve.prevalence,
            band=band,
            name=name,
        ).plot(ax, **kwargs)

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
        self.ax_, self.figure_ = new_axes(ax, figsize=(6.0, 5.0))
        is_first = n_curves(self.ax_) == 0
        label = name if name is not None else self.name
        if self.average_precision is not None:
            label = label_with(label, f"AP {self.average_precision:.3f}")
        kept = thin(self.recall, self.precision)
        style = {"label": label, "drawstyle": "steps-pre", **kwargs}
        (self.line_,) = self.ax_.plot(
            self.recall[kept], self.precision[kept], **curve_style(self.ax_, style)
        )
        if self.band is not None:
            self.ax_.fill_between(
                *self.band,
                color=self.line_.get_color(),
                alpha=0.18,
                linewidth=0,
                label="95% band" if is_first else None,
            )
        if is_first:
            self._reference_lines()
        self.ax_.set(xlabel="recall", ylabel="precision", xlim=(0.0, 1.0), ylim=(0.0, 1.03))
        # Opposite the corner that a good curve, or a poor one, passes through.
        is_good = self.average_precision is not None and self.average_precision > 0.4
        self.ax_.legend(loc="lower left" if is_good else "upper right", framealpha=0.9)
        return self

    def _reference_lines(self) -> None:
        if self.prevalence is not None:
            self.ax_.axhline(
                self.prevalence,
                color=REFERENCE,
                linestyle="--",
                linewidth=1,
                label=f"prevalence {self.prevalence:.3g}",
            )
        for f1 in _F1_LINES:
            recall = np.linspace(f1 / (2.0 - f1), 1.0, 60)
            precision = f1 * recall / (2.0 * recall - f1)
            self.ax_.plot(recall, precision, color=FAINT, linewidth=0.6, zorder=0.5)
            self.ax_.annotate(
                f"F1 {f1:g}",
                (1.0, precision[-1]),
                (-3, -3),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=7,
                color=REFERENCE,
            )


def precision_band(
    rows: BinaryRows, n_resamples: int, random_state: int | np.random.Generator | None
) -> tuple[Floats, Floats, Floats]:
    """Pointwise 95% band of the steps' precision on a grid of recall, each class drawn apart."""
    bins = score_bins(rows)
    units = Units.of_rows(rows, [bins], stratified=True)
    steps = Steps(rows, bins, units)
    precision = []
    for counts in units.draw(n_resamples, np.random.default_rng(random_state)):
        for _, true, called in steps.blocks(counts):
            precision += [_on_grid(t, c) for t, c in zip(true, called, strict=True)]
    low, high = np.nanquantile(precision, [0.025, 0.975], axis=0)
    return _GRID, low, high


def _on_grid(true: Floats, called: Floats) -> Floats:
    """Precision of one resample where its recall reaches each of the grid; NaN without any."""
    if not true[-1] > 0:
        return np.full(_GRID.size, np.nan)
    at = np.searchsorted(true, _GRID * true[-1] * (1.0 - _ROUNDING))
    return np.asarray(true[at] / called[at])
