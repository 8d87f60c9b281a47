"""What an estimator does with a sampled training set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from focaltab import _inputs
from focaltab.losses._focal import LinkName
from focaltab.sampling._draw import Drawn, draw
from focaltab.sampling._hard_negative import HardNegativeSampling, sampling_of


@dataclass(frozen=True)
class SampledRows:
    """Rows that were kept, and what goes with them.

    Parameters
    ----------
    drawn : Drawn
    prevalence : float
        Weighted, of all rows.
    X, codes, weight, margin
        Of the kept rows; the margin is the one that the user gave.
    """

    drawn: Drawn
    prevalence: float
    X: Any
    codes: NDArray[Any]
    weight: NDArray[np.float64] | None
    margin: Any

    def offset_margin(self, base_score: float | None = None) -> NDArray[np.float64]:
        """Where training starts: the user's margin or the intercept, less the log acceptance."""
        if self.margin is None:
            start: Any = logit(self.prevalence if base_score is None else base_score)
        else:
            start = np.asarray(self.margin, np.float64).ravel()
        return np.asarray(start - self.drawn.log_acceptance, dtype=np.float64)

    def thinned(
        self, eval_set: list[tuple[Any, Any]], weights: Any, margins: Any
    ) -> tuple[list[tuple[Any, Any]], list[NDArray[np.float64]], Any]:
        """An evaluation set of fewer rows, weighted by the rows that each stands for."""
        ((X, codes),) = eval_set
        rows, weight = self.drawn.thin(X, codes)
        if weights is not None:
            weight = weight * weights[0][rows]
        if margins is not None:
            margins = [_inputs.take_rows(margins[0], rows)]
        return [(_inputs.in_memory(_inputs.take_rows(X, rows)), codes[rows])], [weight], margins


def check_sampling(
    sampling: Any, link: LinkName, continued: Any = None
) -> HardNegativeSampling | None:
    """The sampling that is asked for.

    Raises
    ------
    ValueError
        Where it is none, or cannot go with the other parameters.
    """
    found = sampling_of(sampling)
    if found is not None and link != "logit":
        raise ValueError(
            f"sampling needs link='logit', got {link!r}: the kept rows differ from all by an "
            "offset of the log-odds, which a focal margin is not."
        )
    if found is not None and continued is not None:
        raise ValueError(
            "sampling cannot go with a model to continue, whose margins start elsewhere: set "
            "sampling=None."
        )
    return found


def sample(
    sampling: HardNegativeSampling,
    make_pilot: Callable[[], Any],
    classes: _inputs.Classes,
    X: Any,
    codes: NDArray[Any],
    weight: NDArray[np.float64] | None,
    margin: Any,
    random_state: Any,
) -> SampledRows:
    """Draw rows and take what belongs to them."""
    drawn = draw(sampling, make_pilot, classes, X, codes, weight, random_state)
    kept = drawn.rows
    shares = np.bincount(codes, weight)
    return SampledRows(
        drawn,
        float(shares[1] / shares.sum()),
        # Few enough to be in memory, whatever the table was.
        _inputs.in_memory(_inputs.take_rows(X, kept)),
        codes[kept],
        None if weight is None else weight[kept],
        _inputs.take_rows(margin, kept),
    )
