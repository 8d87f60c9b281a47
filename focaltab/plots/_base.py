"""What all displays share: predictions of an estimator, axes, colours, and thin lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focaltab.metrics._validation import BinaryRows, is_positive

Floats = NDArray[np.float64]

# Wong, "Points of view: Color blindness", Nature Methods 8 (2011).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
REFERENCE = "#666666"
FAINT = "#BBBBBB"

_CURVE = "focaltab-curve-"
_MAX_POINTS = 2000


class PredictionDisplay:
    """A display that is made from labels and scores, or from an estimator that gives scores."""

    _needs_probability: ClassVar[bool] = False

    @classmethod
    def from_predictions(cls, *args: Any, **options: Any) -> Self:
        """Compute and draw; each display says with what options."""
        raise NotImplementedError

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Score rows with a fitted classifier, then compute and draw.

        Parameters
        ----------
        estimator : fitted classifier of two classes
            Its ``predict_proba`` of the positive class is drawn; where a ranking is enough,
            ``decision_function`` serves if there is no ``predict_proba``.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
            The positive label; needed unless the labels are 0/1, False/True or -1/1.
        name : str, default=None
            For the legend; the estimator's class by default.
        ax : matplotlib Axes, default=None
        **options
            As `from_predictions` takes them.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            If the estimator gives no scores, or has not two classes; and as `from_predictions`.
        """
        score = positive_scores(estimator, X, pos_label, probability=cls._needs_probability)
        return cls.from_predictions(
            y,
            score,
            sample_weight=sample_weight,
            pos_label=pos_label,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            **options,
        )


def positive_scores(estimator: Any, X: Any, pos_label: Any, *, probability: bool) -> NDArray[Any]:
    """Score of the positive class for each row, shape (n_samples,).

    Raises
    ------
    ValueError
        As `PredictionDisplay.from_estimator`.
    """
    method = "predict_proba"
    if not hasattr(estimator, method):
        if probability or not hasattr(estimator, "decision_function"):
            other = "" if probability else " nor decision_function"
            raise ValueError(
                f"{type(estimator).__name__} has no predict_proba{other}: give a fitted classifier."
            )
        method = "decision_function"
    # Before its classes: an estimator that is not fitted says so here.
    output = np.asarray(getattr(estimator, method)(X))
    classes = np.asarray(estimator.classes_)
    if classes.size != 2:
        raise ValueError(
            f"{type(estimator).__name__} has {classes.size} classes; a plot needs two."
        )
    column = int(np.flatnonzero(is_positive(classes, pos_label))[0])
    if method == "predict_proba":
        return output[:, column]
    return output if column == 1 else -output


def check_scale(scale: str, known: tuple[str, str]) -> None:
    """Refuse an unknown scale.

    Raises
    ------
    ValueError
        Names the scales there are.
    """
    if scale not in known:
        raise ValueError(f"scale must be {known[0]!r} or {known[1]!r}, got {scale!r}.")


def row_weights(rows: BinaryRows) -> Floats:
    """Weight of each row: 1 where none is given."""
    return np.ones(rows.y.size) if rows.weight is None else rows.weight


def new_axes(ax: Any, **options: Any) -> tuple[Any, Any]:
    """Axes to draw on, and their figure; new ones if `ax` is None.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "focaltab[plots]"') from error
    if ax is None:
        figure, ax = plt.subplots(layout="constrained", **options)
        return ax, figure
    first = ax if not isinstance(ax, Iterable) else next(iter(ax))
    return ax, first.figure


def axes_pair(ax: Any, **options: Any) -> tuple[list[Any], Any]:
    """Two Axes (or the one given, for the first part alone), and their figure.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        For more than two Axes.
    """
    ax, figure = new_axes(ax, **options)
    axes = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(axes) > 2:
        raise ValueError(f"ax must be one Axes or a pair, got {len(axes)}.")
    return axes, figure


def n_curves(ax: Any) -> int:
    """How many displays have drawn their main line on the Axes."""
    return sum(str(line.get_gid()).startswith(_CURVE) for line in ax.get_lines())


def curve_style(ax: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a display's main line: the next colour, unless the caller chose one."""
    n = n_curves(ax)
    color = {} if "c" in options else {"color": PALETTE[n % len(PALETTE)]}
    return {"gid": f"{_CURVE}{n}", **color, **options}


def label_with(name: str | None, figure: str) -> str:
    """Legend entry of a curve: its name and its figure."""
    return figure if name is None else f"{name} ({figure})"


def thin(x: ArrayLike, y: ArrayLike, *, n_points: int = _MAX_POINTS) -> NDArray[np.intp]:
    """Indices of at most about `n_points` points, evenly along the line, always with both ends.

    Give the coordinates as they are drawn: logarithms for a log axis.
    """
    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if across.size <= n_points:
        return np.arange(across.size)
    length = np.zeros(across.size)
    for values in (across, up):
        span = float(np.ptp(values))
        if span > 0:
            length[1:] += np.abs(np.diff(values)) / span
    along = np.cumsum(length)
    kept = np.searchsorted(along, np.linspace(0.0, along[-1], n_points))
    return np.unique(np.concatenate([[0], kept, [across.size - 1]])).astype(np.intp)
