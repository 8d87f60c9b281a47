"""The figures of one model on held-out rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss

from focaltab.metrics import (
    FewRowsWarning,
    bootstrap_interval,
    paired_difference,
    precision_at_k,
    recall_at_k,
    recall_at_precision,
)

PRECISIONS = (0.5, 0.8, 0.9)
BUDGETS = (0.001, 0.005, 0.01)


def evaluate(y: NDArray[Any], probability: NDArray[Any], *, random_state: int) -> dict[str, float]:
    """Figures by name, of calibrated probabilities against labels 0/1.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.repeat([0, 1], [90, 10])
    >>> evaluate(y, np.full(100, 0.1), random_state=0)["average_precision"]
    0.1
    """
    with warnings.catch_warnings():
        # Of few rows the verdict tells.
        warnings.simplefilter("ignore", FewRowsWarning)
        value, low, high = bootstrap_interval(
            "average_precision", y, probability, random_state=random_state
        )
    figures = {
        "prevalence": float(np.mean(y)),
        "average_precision": value,
        "average_precision_low": low,
        "average_precision_high": high,
    }
    for precision in PRECISIONS:
        figures[f"recall_at_precision_{precision:g}"] = recall_at_precision(
            y, probability, precision=precision
        )
    for budget in BUDGETS:
        k = max(1, round(budget * y.size))
        figures[f"precision_at_{budget:g}_of_rows"] = precision_at_k(y, probability, k=k)
        figures[f"recall_at_{budget:g}_of_rows"] = recall_at_k(y, probability, k=k)
    figures["brier_score"] = float(brier_score_loss(y, probability))
    figures["log_loss"] = float(log_loss(y, probability.astype(np.float64)))
    figures["mean_probability"] = float(np.mean(probability))
    return figures


def difference(
    y: NDArray[Any], first: NDArray[Any], second: NDArray[Any], *, random_state: int
) -> dict[str, float]:
    """First minus second average precision of probabilities, with its interval."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewRowsWarning)
        gap = paired_difference("average_precision", y, first, second, random_state=random_state)
    return {"value": gap.value, "low": gap.low, "high": gap.high}
