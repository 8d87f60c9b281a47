"""When there are too few rows of a class for a bootstrap to tell anything."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# Of two models that score at random, a 95% interval of their difference excludes zero in 90% of
# cases with 1 positive, 15% with 5, 9% with 10, 7% with 20, and in 6% with 25, 30, 50 and 100
# (average precision among 500 and among 5,000 negatives, 400 cases each).
ENOUGH_ROWS = 25


class FewRowsWarning(UserWarning):
    """An interval was asked for from so few rows of a class that it is too narrow."""


def warn_of_few_rows(y: NDArray[np.bool_], groups: ArrayLike | None) -> None:
    """Warn the caller of an interval if a class has few rows, or few groups that hold any."""
    what = "rows" if groups is None else "groups with rows"
    for is_positive, name in ((True, "positive"), (False, "negative")):
        of_class = y == is_positive
        n = of_class.sum() if groups is None else pd.unique(pd.Series(groups)[of_class]).size
        if 0 < n < ENOUGH_ROWS:
            warnings.warn(
                f"There are only {n} {what} of the {name} class: resamples of so few vary too "
                f"little, and the interval is too narrow. From {ENOUGH_ROWS} on it can be trusted.",
                FewRowsWarning,
                stacklevel=3,
            )
