"""How far each loss lies from cross-entropy of the same model, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from focaltab.comparison._fit import HIGHER_IS_BETTER
from focaltab.plots._base import PALETTE, REFERENCE, new_axes

if TYPE_CHECKING:
    from focaltab.comparison import LossComparison

_COLUMNS = ("model", "loss", "value", "low", "high")


class LossComparisonDisplay:
    """Differences to cross-entropy on the same folds, one line per loss, grouped by model.

    An interval that holds 0 is no difference that these folds can tell from noise. The intervals
    are not corrected for their number; `LossComparison.verdict` is.

    Parameters
    ----------
    differences : DataFrame
        Columns model, loss, value, low and high.
    metric : str, default="average_precision"

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    errorbars_ : list of matplotlib ErrorbarContainer
        One per model.

    Examples
    --------
    >>> import pandas as pd
    >>> from focaltab.plots import LossComparisonDisplay
    >>> rows = pd.DataFrame({"model": ["xgb"], "loss": ["focal"],
    ...                      "value": [0.01], "low": [-0.01], "high": [0.03]})
    >>> print(LossComparisonDisplay(rows).plot().ax_.get_xlabel())
    difference in average precision to cross-entropy
    (higher is better)
    """

    def __init__(self, differences: pd.DataFrame, *, metric: str = "average_precision") -> None:
        absent = [name for name in _COLUMNS if name not in differences.columns]
        if absent:
            raise ValueError(f"differences lacks the columns {absent}.")
        if differences.empty:
            raise ValueError(
                "There is no difference to draw: no loss beside cross-entropy is left."
            )
        self.differences = differences
        self.metric = metric

    @classmethod
    def from_comparison(
        cls,
        comparison: LossComparison,
        *,
        metric: str = "average_precision",
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what `focaltab.comparison.compare_losses` found.

        Parameters
        ----------
        comparison : LossComparison
        metric : str, default="average_precision"
            A figure of its table.
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``errorbar``.

        Returns
        -------
        LossComparisonDisplay

        Raises
        ------
        ValueError
            For an unknown metric, or if there is no difference to draw.
        """
        found = comparison.differences
        known = list(dict.fromkeys(found["metric"]))
        if known and metric not in known:
            raise ValueError(f"unknown metric {metric!r}: there are {', '.join(known)}.")
        rows = found.loc[found["metric"] == metric, list(_COLUMNS)].reset_index(drop=True)
        return cls(rows, metric=metric).plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``errorbar``.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        rows = self.differences
        height = 1.4 + 0.32 * len(rows)
        self.ax_, self.figure_ = new_axes(ax, figsize=(6.4, height))
        self.ax_.axvline(0.0, color=REFERENCE, linestyle="--", linewidth=1, zorder=0)
        self.errorbars_ = []
        models = list(dict.fromkeys(rows["model"]))
        # Models apart from each other by half a line; the first on top.
        gaps = np.array([models.index(model) for model in rows["model"]])
        place = -(np.arange(len(rows)) + 0.5 * gaps)
        for k, model in enumerate(models):
            own = (rows["model"] == model).to_numpy()
            value, low, high = (rows.loc[own, name].to_numpy(float) for name in _COLUMNS[2:])
            # Of one fold there is no interval, and the point alone is drawn.
            reach = np.nan_to_num(np.stack([value - low, high - value]))
            style = {"color": PALETTE[k % len(PALETTE)], "fmt": "o", "capsize": 3, "label": model}
            self.errorbars_.append(
                self.ax_.errorbar(value, place[own], xerr=reach, **{**style, **kwargs})
            )
        names = [str(loss).replace("_", " ") for loss in rows["loss"]]
        self.ax_.set_yticks(place, names)
        self.ax_.set_ylim(place.min() - 0.7, place.max() + 0.7)
        better = "higher" if HIGHER_IS_BETTER.get(self.metric, True) else "lower"
        metric = self.metric.replace("_", " ")
        self.ax_.set_xlabel(f"difference in {metric} to cross-entropy\n({better} is better)")
        if len(models) > 1:
            self.ax_.legend(loc="best")
        return self
