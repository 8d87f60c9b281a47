"""Which columns of new rows changed, beside what chance would make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from focaltab.plots._base import FAINT, PALETTE, REFERENCE, new_axes

if TYPE_CHECKING:
    from focaltab.monitoring import DriftReport

_COLUMNS = ("column", "psi", "level", "psi_limit", "beyond_chance")
_COLORS = {"stable": PALETTE[0], "moderate": "#E69F00", "large": PALETTE[1]}
_RULE_OF_THUMB = (0.1, 0.25)


class DriftDisplay:
    """Population stability index of each column, the most changed on top.

    A tick on each line marks what chance exceeds in one of all columns together with probability
    0.05; bars that end before it are faint. Dashed lines are the rule of thumb's 0.1 and 0.25.

    Parameters
    ----------
    columns : DataFrame
        Columns ``column``, ``psi``, ``level``, ``psi_limit`` and ``beyond_chance``, as in
        `focaltab.monitoring.DriftReport`.
    n_columns : int, default=20
        The most changed ones, at most so many.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    bars_ : matplotlib BarContainer
    limits_ : matplotlib LineCollection

    Examples
    --------
    >>> import pandas as pd
    >>> from focaltab.plots import DriftDisplay
    >>> rows = pd.DataFrame({"column": ["age", "amount"], "psi": [0.01, 0.4],
    ...                      "level": ["stable", "large"], "psi_limit": [0.02, 0.02],
    ...                      "beyond_chance": [False, True]})
    >>> display = DriftDisplay(rows).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['amount', 'age']
    """

    def __init__(self, columns: pd.DataFrame, *, n_columns: int = 20) -> None:
        absent = [name for name in _COLUMNS if name not in columns.columns]
        if absent:
            raise ValueError(f"columns lacks {absent}.")
        if columns.empty:
            raise ValueError("There is no column to draw.")
        if n_columns < 1:
            raise ValueError(f"n_columns must be at least 1, got {n_columns}.")
        self.columns = columns
        self.n_columns = n_columns

    @classmethod
    def from_report(
        cls, report: DriftReport, *, n_columns: int = 20, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Draw what `focaltab.monitoring.compare_rows` found.

        Parameters
        ----------
        report : DriftReport
        n_columns : int, default=20
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``barh``.

        Returns
        -------
        DriftDisplay

        Raises
        ------
        ValueError
            For fewer than one column.
        """
        return cls(report.columns, n_columns=n_columns).plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        **kwargs
            For matplotlib's ``barh``.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        ordered = self.columns.sort_values("psi", ascending=False, kind="stable")
        rows = ordered.head(self.n_columns)
        self.ax_, self.figure_ = new_axes(ax, figsize=(6.4, 1.4 + 0.28 * len(rows)))
        for value in _RULE_OF_THUMB:
            self.ax_.axvline(value, color=FAINT, linestyle="--", linewidth=1, zorder=0)
        place = range(len(rows))
        style = {"color": [_COLORS[level] for level in rows["level"]], "height": 0.7}
        self.bars_ = self.ax_.barh(place, rows["psi"], **{**style, **kwargs})
        for bar, beyond in zip(self.bars_, rows["beyond_chance"], strict=True):
            if not beyond:
                bar.set_alpha(0.35)
        low, high = ([k + side for k in place] for side in (-0.42, 0.42))
        self.limits_ = self.ax_.vlines(
            rows["psi_limit"], low, high, color=REFERENCE, linewidth=1.5, label="limit of chance"
        )
        # A pair of dollars would set what is between them as a formula.
        self.ax_.set_yticks(place, [name.replace("$", r"\$") for name in rows["column"]])
        self.ax_.set_ylim(len(rows) - 0.4, -0.6)
        self.ax_.set_xlim(left=0.0)
        self.ax_.set_xlabel("population stability index")
        self.ax_.legend(loc="lower right")
        return self
