"""A metric with its options, ready to be called on any part of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from focaltab.metrics import _ranking
from focaltab.metrics._decisions import BestThreshold
from focaltab.metrics._named import Metric, check_options, judges_decisions, metric_named
from focaltab.metrics._validation import BinaryRows, check_decisions, check_rows


@dataclass(frozen=True)
class BoundMetric:
    """A metric; options that hold one value per row go where their rows go."""

    function: Metric
    options: Mapping[str, Any]
    per_row: Mapping[str, NDArray[Any]]

    @classmethod
    def of(
        cls, metric: str | Callable[..., Any], options: Mapping[str, Any] | None, n_rows: int
    ) -> BoundMetric:
        """Find the function, and which options have one value per row.

        Raises
        ------
        ValueError
            For what is no metric, and for options that a metric by name does not have or lacks.
        """
        given = dict(options or {})
        for name in ("sample_weight", "pos_label"):
            if name in given:
                raise ValueError(f"give {name} beside metric_options, not in it.")
        if isinstance(metric, str):
            function = metric_named(metric)
            check_options(metric, given)
        elif not callable(metric):
            raise ValueError(f"metric must be a name or a callable, got {metric!r}.")
        else:
            function = metric
            if isinstance(metric, partial) and not metric.args:
                function, given = metric.func, {**metric.keywords, **given}
        per_row = {k: np.asarray(v) for k, v in given.items() if np.shape(v) == (n_rows,)}
        return cls(function, {k: v for k, v in given.items() if k not in per_row}, per_row)

    @property
    def is_average_precision(self) -> bool:
        """Whether it is average precision alone, which resamples without its rows."""
        is_plain = not self.options and not self.per_row
        return self.function is _ranking.average_precision and is_plain

    def check(
        self, y_true: ArrayLike, y_score: ArrayLike, sample_weight: Any, pos_label: Any
    ) -> BinaryRows:
        """Rows with both classes; decisions given as labels become 0 and 1, as the labels do.

        Raises
        ------
        ValueError
            As the doors of scores and of decisions.
        """
        given = np.asarray(y_score)
        if not (judges_decisions(self.function) or _is_text(given)):
            return check_rows(y_true, y_score, sample_weight, pos_label)
        rows = check_decisions(y_true, given, sample_weight, pos_label, both_classes=True)
        return BinaryRows(rows.y, rows.score.astype(np.float64), rows.weight)

    def __call__(self, rows: BinaryRows, weight: Any, drawn: NDArray[np.intp] | None) -> float:
        """The metric of rows, which are those numbered `drawn` of all; None means all."""
        per_row = {k: v if drawn is None else v[drawn] for k, v in self.per_row.items()}
        y = rows.y.astype(np.intp)
        value = self.function(y, rows.score, sample_weight=weight, **self.options, **per_row)
        return value.value if isinstance(value, BestThreshold) else float(value)


def _is_text(values: NDArray[Any]) -> bool:
    """Whether all values are text, which can be labels but never scores."""
    return values.dtype.kind == "U" or (
        values.dtype == object and pd.api.types.infer_dtype(values) == "string"
    )
