"""The boosters' pilot of hard-negative sampling: it is asked about every row, so it is small."""

from __future__ import annotations

from typing import Any, Final

PILOT: Final[dict[str, Any]] = {
    "focal_gamma": 0.0,
    "n_estimators": 25,
    "max_depth": 4,
    "learning_rate": 0.2,
    # Without these, leaves of a few positives make a pilot sure of what it has seen.
    "min_child_weight": 1.0,
    "reg_lambda": 1.0,
}
