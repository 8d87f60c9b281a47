"""What gamma and alpha do to the loss, and to what a margin means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from scipy.special import logit

from focaltab.losses import FocalLoss
from focaltab.plots._base import PALETTE, REFERENCE, Floats, axes_pair

_LINE_STYLES = ("-", "--", ":", "-.")

Quantity = Literal["loss", "weight"]


class FocalLossDisplay:
    """Focal losses beside their links.

    On the left, the loss of a row (or its weight: the loss as a share of cross-entropy) against
    the probability ``sigmoid(t)`` that the margin gives its
    true class (figure 1 of Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017);
    dashed for a negative row where ``alpha`` or a pair of gammas tells the classes apart. On the
    right, in the same colours, the calibrated probability that the margin stands for against its
    sigmoid.

    Parameters
    ----------
    probability : ndarray of shape (n_points,)
        Sigmoid of the margin.
    positive, negative : ndarray of shape (n_losses, n_points)
        Loss, or weight, of a positive and of a negative row at that probability of its own class.
    calibrated : ndarray of shape (n_losses, n_points)
        Calibrated probability of the positive class.
    names : sequence of str
        One for each loss, for the legend.
    quantity : {"loss", "weight"}, default="loss"
        What `positive` and `negative` hold.

    Attributes
    ----------
    ax_, link_ax_, figure_ : matplotlib Axes, Axes and Figure
        ``link_ax_`` is None where one Axes was given.
    lines_, link_lines_ : list of matplotlib Line2D
        Of each loss: of a positive row, and of the link.

    Examples
    --------
    >>> from focaltab.plots import FocalLossDisplay
    >>> display = FocalLossDisplay.from_gammas((0.0, 2.0))
    >>> display.names
    ['gamma 0', 'gamma 2']
    >>> bool((display.positive[1] < display.positive[0]).all())
    True
    """

    def __init__(
        self,
        probability: Floats,
        positive: Floats,
        negative: Floats,
        calibrated: Floats,
        *,
        names: Sequence[str],
        quantity: Quantity = "loss",
    ) -> None:
        self.probability = probability
        self.positive = positive
        self.negative = negative
        self.calibrated = calibrated
        self.names = list(names)
        self.quantity = quantity

    @classmethod
    def from_gammas(
        cls,
        gammas: Sequence[float | tuple[float, float]] = (0.0, 1.0, 2.0, 5.0),
        alpha: float | None = None,
        *,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw for several gammas; further arguments as in `from_losses`."""
        return cls.from_losses([FocalLoss(gamma, alpha) for gamma in gammas], ax=ax, **kwargs)

    @classmethod
    def from_losses(
        cls,
        losses: Sequence[FocalLoss],
        *,
        quantity: Quantity = "loss",
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw.

        Parameters
        ----------
        losses : sequence of FocalLoss
            Of two classes, with class weights that are numbers (see `FocalLoss.resolve_alpha`).
            Under either link the focal margin is drawn.
        quantity : {"loss", "weight"}, default="loss"
            ``"weight"`` draws the loss as a share of cross-entropy: how much a row still counts.
        ax : matplotlib Axes, or a pair of them, default=None
            One Axes takes the losses alone, without the links.
        **kwargs
            For matplotlib's ``plot`` of every line.

        Returns
        -------
        FocalLossDisplay

        Raises
        ------
        ValueError
            For no losses, an unknown `quantity`, more than two classes, or an ``alpha`` that
            depends on data.
        """
        if not losses:
            raise ValueError("losses is empty: give at least one FocalLoss.")
        if quantity not in ("loss", "weight"):
            raise ValueError(f"quantity must be 'loss' or 'weight', got {quantity!r}.")
        probability = np.linspace(0.0, 1.0, 402)[1:-1]
        margin = logit(probability)
        positive, negative, calibrated = [], [], []
        unit = np.ones(margin.size)
        if quantity == "weight":
            unit = FocalLoss(0.0).loss(np.ones(margin.size), margin)
        for loss in losses:
            if loss.is_multiclass:
                raise ValueError(f"a plot needs two classes, got {loss!r}.")
            focal = FocalLoss(loss.gamma, loss.class_weights, link="focal")
            positive.append(focal.loss(np.ones(margin.size), margin) / unit)
            negative.append(focal.loss(np.zeros(margin.size), -margin) / unit)
            calibrated.append(focal.inverse_link(margin))
        data = (np.array(v) for v in (positive, negative, calibrated))
        names = [_name(loss) for loss in losses]
        return cls(probability, *data, names=names, quantity=quantity).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or a pair of them, default=None
        name : str, default=None
            Title of the losses.
        **kwargs
            For matplotlib's ``plot`` of every line.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        axes, self.figure_ = axes_pair(ax, ncols=2, figsize=(9.5, 4.4))
        self.ax_, self.link_ax_ = axes[0], axes[1] if len(axes) == 2 else None
        self.lines_ = self._draw(self.ax_, self.positive, kwargs)
        apart = ~np.isclose(self.positive, self.negative).all(axis=1)
        for line, loss in zip(self.lines_, self.negative, strict=True):
            if apart.any():
                self.ax_.plot(
                    self.probability, loss, color=line.get_color(), linestyle="--", linewidth=1.2
                )
        if apart.any():
            style = {"color": REFERENCE, "linestyle": "--", "linewidth": 1.2}
            self.ax_.plot([], [], **style, label="negative row")
        if self.quantity == "weight":
            top = 1.05 * float(max(self.positive.max(), self.negative.max()))
        else:
            top = 5.0 * float(np.median(self.positive[:, 0] / -np.log(self.probability[0])))
        self.ax_.set(
            xlabel="sigmoid of the margin, for the true class",
            ylabel="loss of a row"
            if self.quantity == "loss"
            else "loss as a share of cross-entropy",
            xlim=(0.0, 1.0),
            ylim=(0.0, top),
            title=name,
        )
        self.ax_.legend(loc="upper right")
        self.link_lines_ = []
        if self.link_ax_ is not None:
            self.link_lines_ = self._draw(self.link_ax_, self.calibrated, kwargs)
            self.link_ax_.set(
                xlabel="sigmoid of the margin",
                ylabel="calibrated probability",
                xlim=(0.0, 1.0),
                ylim=(0.0, 1.0),
                aspect="equal",
            )
        return self

    def _draw(self, ax: Any, values: Floats, options: dict[str, Any]) -> list[Any]:
        lines = []
        for i, (row, name) in enumerate(zip(values, self.names, strict=True)):
            own = {"color": PALETTE[i % len(PALETTE)], "label": name}
            own["linestyle"] = _LINE_STYLES[i // len(PALETTE) % len(_LINE_STYLES)]
            lines.extend(ax.plot(self.probability, row, **{**own, **options}))
        return lines


def _name(loss: FocalLoss) -> str:
    gamma = loss.gamma
    shown = f"{gamma[0]:g} and {gamma[1]:g}" if isinstance(gamma, tuple | list) else f"{gamma:g}"
    if loss.alpha is None:
        return f"gamma {shown}"
    if isinstance(loss.alpha, float):
        return f"gamma {shown}, alpha {loss.alpha:g}"
    negative, positive = loss.class_weights
    return f"gamma {shown}, weights {negative:.3g} and {positive:.3g}"
