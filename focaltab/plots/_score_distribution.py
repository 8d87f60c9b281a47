"""How far the scores of the two classes lie apart."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from focaltab.metrics._validation import BinaryRows, check_rows
from focaltab.plots._base import (
    PALETTE,
    Floats,
    PredictionDisplay,
    check_scale,
    new_axes,
    row_weights,
)

Scale = Literal["log_odds", "linear"]
# float32 probabilities closer to 1 than this cannot be told from 1.
_CLIP = 1e-7
_TICKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


class ScoreDistributionDisplay(PredictionDisplay):
    """Histograms of the scores of each class, each with area 1, so that rare positives show.

    On the log-odds axis probabilities of 0 and 1 are drawn at 1e-7 and ``1 - 1e-7``.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        In units of the axis: log-odds, or scores.
    negative, positive : ndarray of shape (n_bins,)
        Density of each class.
    scale : {"log_odds", "linear"}, default="log_odds"
    counts : tuple of two float, default=None
        Negative and positive rows, or their weight, for the legend.
    name : str, default=None

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    negative_, positive_ : matplotlib StepPatch

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.plots import ScoreDistributionDisplay
    >>> display = ScoreDistributionDisplay.from_predictions(
    ...     [0, 0, 0, 1], [0.0, 0.01, 0.02, 0.4], n_bins=20)
    >>> width = np.diff(display.edges)
    >>> round(float(display.negative @ width), 6), round(float(display.positive @ width), 6)
    (1.0, 1.0)
    """

    _needs_probability: ClassVar[bool] = True

    def __init__(
        self,
        edges: Floats,
        negative: Floats,
        positive: Floats,
        *,
        scale: Scale = "log_odds",
        counts: tuple[float, float] | None = None,
        name: str | None = None,
    ) -> None:
        check_scale(scale, ("log_odds", "linear"))
        self.edges = edges
        self.negative = negative
        self.positive = positive
        self.scale = scale
        self.counts = counts
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        n_bins: int = 50,
        scale: Scale = "log_odds",
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
        n_bins : int, default=50
            Bars over the range of all scores.
        scale : {"log_odds", "linear"}, default="log_odds"
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
        name : str, default=None
            The title.
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``stairs`` of both classes.

        Returns
        -------
        ScoreDistributionDisplay

        Raises
        ------
        ValueError
            As `focaltab.metrics.average_precision`, for an unknown `scale` or fewer than one bin,
            and on the log-odds axis for values outside [0, 1].
        """
        check_scale(scale, ("log_odds", "linear"))
        if n_bins < 1:
            raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
        rows = check_rows(y_true, y_score, sample_weight, pos_label)
        place = _place(rows, scale)
        edges = np.histogram_bin_edges(place, n_bins)
        weight = row_weights(rows)
        sizes = float(weight[~rows.y].sum()), float(weight[rows.y].sum())
        densities = (
            np.histogram(place[c], edges, weights=weight[c], density=True)[0]
            for c in (~rows.y, rows.y)
        )
        return cls(edges, *densities, scale=scale, counts=sizes, name=name).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        name : str, default=None
        **kwargs
            For matplotlib's ``stairs`` of both classes.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        self.ax_, self.figure_ = new_axes(ax, figsize=(6.4, 4.2))
        drawn = []
        for i, (density, kind) in enumerate(
            ((self.negative, "negative"), (self.positive, "positive"))
        ):
            label = kind if self.counts is None else f"{kind} ({self.counts[i]:,.6g})"
            style = {"color": PALETTE[i], "label": label, "fill": True, "alpha": 0.45, **kwargs}
            drawn.append(self.ax_.stairs(density, self.edges, **style))
        self.negative_, self.positive_ = drawn
        self.ax_.set(ylabel="density within the class", title=self.name if name is None else name)
        self.ax_.set_ylim(bottom=0.0)
        self.ax_.set_xlim(self.edges[0], self.edges[-1])
        if self.scale == "log_odds":
            shown = [p for p in _TICKS if self.edges[0] <= logit(p) <= self.edges[-1]]
            self.ax_.set_xticks(logit(shown), [f"{p:.7g}" for p in shown])
        self.ax_.set_xlabel("probability (log-odds scale)" if self.scale == "log_odds" else "score")
        self.ax_.legend(loc="best")
        return self


def _place(rows: BinaryRows, scale: Scale) -> Floats:
    """Where each row lies on the axis."""
    score = rows.score.astype(np.float64)
    if scale == "linear":
        return score
    outside = (score < 0.0) | (score > 1.0)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"y_score is {score[row]} in row {row}: log-odds need probabilities; use "
            "scale='linear' for other scores."
        )
    return np.asarray(logit(np.clip(score, _CLIP, 1.0 - _CLIP)))
