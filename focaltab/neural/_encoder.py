"""From a table to what a network takes: scaled numbers and category numbers.

Numbers are centred on their median, divided by their interquartile range and clipped smoothly,
``x / sqrt(1 + (x / 3)**2)`` (Holzmüller, Grinsztajn and Steinwart, "Better by Default", NeurIPS
2024), so that raw amounts with long tails train without a scaler of the user's. A missing number
becomes the median, and a column that had missing values in training also says where. A category
that is missing or was not seen in training has the number 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

_CLIP = 3.0
_HUGE = 1e100
# Quantiles of more rows than this are found from a random sample, always the same.
_MOST_ROWS_FOR_QUANTILES = 200_000
_QUARTILES = np.array([0.25, 0.5, 0.75])
# Of the bins of a piecewise linear embedding.
_BIN_SHARES = np.linspace(0.0, 1.0, 33)
# Numbers that are scaled at a time, so that they stay in cache between one operation and the next.
_BLOCK_ELEMENTS = 65_536

Numbers = NDArray[np.float32]
Categories = NDArray[np.int64]


class TableEncoder:
    """Scales numbers and numbers categories the way it learned from training rows."""

    def fit(self, X: Any, weight: NDArray[np.float64] | None = None) -> TableEncoder:
        """Learn scales and categories from a checked table.

        Parameters
        ----------
        X : DataFrame, ndarray or sparse matrix of shape (n_samples, n_features)
        weight : ndarray of shape (n_samples,), default=None
            Of the rows, for the quantiles.
        """
        self.category_columns: dict[int, pd.Index] = {}
        if isinstance(X, pd.DataFrame):
            for position in range(X.shape[1]):
                column = X.iloc[:, position]
                if not pd.api.types.is_numeric_dtype(column.dtype):
                    self.category_columns[position] = _categories(X.columns[position], column)
        self.number_columns = [k for k in range(X.shape[1]) if k not in self.category_columns]
        values = self._raw_numbers(X)
        sample, sample_weight = values, weight
        if values.shape[0] > _MOST_ROWS_FOR_QUANTILES:
            # Of rows in no order, since tables may have one.
            rng = np.random.default_rng(0)
            chosen = rng.choice(values.shape[0], _MOST_ROWS_FOR_QUANTILES, replace=False)
            sample, sample_weight = values[chosen], None if weight is None else weight[chosen]
        columns = range(values.shape[1])
        # Quartiles and edges of bins at once: finding them takes longer than anything else here.
        shares = np.concatenate([_QUARTILES, _BIN_SHARES])
        found = [_quantiles(sample[:, k], shares, sample_weight) for k in columns]
        learned = [_centre_and_scale(found[k], values[:, k]) for k in columns]
        self.centre, self.scale = np.array(learned, dtype=np.float64).reshape(-1, 2).T
        # A constant column has nothing to say but where it is missing.
        self.moving = np.flatnonzero(self.scale > 0.0)
        self.gaps = np.flatnonzero(np.isnan(values).any(axis=0))
        self.bins = [
            self._bins(k, found[k][_QUARTILES.size :], values[:, k]) for k in self.moving.tolist()
        ]
        return self

    def _bins(self, k: int, quantiles: NDArray[np.float64], column: NDArray[Any]) -> Numbers:
        """Edges of quantile bins of a scaled column, each once."""
        edges = np.unique(self._scaled(quantiles, k))
        if edges.size < 2:  # the sample happens to agree
            edges = self._scaled(np.array([np.nanmin(column), np.nanmax(column)]), k)
        return edges

    def _scaled(self, values: NDArray[Any], k: Any) -> Numbers:
        with np.errstate(over="ignore"):
            numbers = values - self.centre[k]
            numbers *= self.scale[k]
        np.clip(numbers, -_HUGE, _HUGE, out=numbers)
        # Squares of numbers that are clipped are finite: no need of the slower hypot.
        length = numbers / _CLIP
        length *= length
        length += 1.0
        numbers /= np.sqrt(length, out=length)
        return numbers.astype(np.float32)

    @property
    def n_numbers(self) -> int:
        """Columns of numbers that `transform` returns, before those that tell missing values."""
        return self.moving.size

    @property
    def n_gaps(self) -> int:
        """Columns that tell where a number is missing."""
        return self.gaps.size

    @property
    def cardinalities(self) -> list[int]:
        """Number of values of each category, the unknown one included."""
        return [values.size + 1 for values in self.category_columns.values()]

    def transform(self, X: Any) -> tuple[Numbers, Numbers, Categories]:
        """Scaled numbers, missing-value flags, and category numbers of a checked table.

        Returns
        -------
        numbers : ndarray of shape (n_samples, n_numbers), float32
        gaps : ndarray of shape (n_samples, n_gaps), float32
        categories : ndarray of shape (n_samples, n_categories), int64
        """
        values = self._raw_numbers(X)
        numbers = self._moving_numbers(values)
        gaps = np.isnan(values[:, self.gaps]).astype(np.float32)
        if self.category_columns and not isinstance(X, pd.DataFrame):
            raise ValueError(
                f"The model was trained on a DataFrame with {len(self.category_columns)} columns "
                "of categories: pass a DataFrame."
            )
        codes = [
            _category_numbers(X.columns[position], X.iloc[:, position], values)
            for position, values in self.category_columns.items()
        ]
        categories = np.column_stack(codes) if codes else np.empty((values.shape[0], 0))
        return numbers, gaps, categories.astype(np.int64)

    def _moving_numbers(self, values: NDArray[Any]) -> Numbers:
        """Scaled numbers of the columns that vary, missing ones at the median."""
        numbers = np.empty((values.shape[0], self.moving.size), dtype=np.float32)
        every = self.moving.size == values.shape[1]
        block = max(1, _BLOCK_ELEMENTS // max(self.moving.size, 1))
        for start in range(0, values.shape[0], block):
            part = values[start : start + block]
            scaled = self._scaled(part if every else part[:, self.moving], self.moving)
            scaled[np.isnan(scaled)] = 0.0
            numbers[start : start + block] = scaled
        return numbers

    def _raw_numbers(self, X: Any) -> NDArray[Any]:
        if isinstance(X, pd.DataFrame):
            columns = [_numbers(X.columns[k], X.iloc[:, k]) for k in self.number_columns]
            return np.column_stack(columns) if columns else np.empty((len(X), 0))
        matrix: Any = X
        values = np.asarray(matrix.toarray() if sparse.issparse(X) else X)
        return values if values.dtype.kind == "f" else values.astype(np.float64)


def _centre_and_scale(quantiles: NDArray[np.float64], column: NDArray[Any]) -> tuple[float, float]:
    """Median, and one over the interquartile range; a scale of 0 marks a constant column.

    `quantiles` begin with the quartiles.
    """
    if np.isnan(quantiles).any():
        return 0.0, 0.0
    low, centre, high = quantiles[: _QUARTILES.size]
    if high > low:
        return float(centre), float(0.5 / (0.5 * high - 0.5 * low))  # the difference may overflow
    # Mostly one value: the range of the rest, which is as wide as four quartiles would be.
    half = 0.5 * float(np.nanmax(column)) - 0.5 * float(np.nanmin(column))
    return float(centre), 1.0 / half if half > 0.0 else 0.0


def _quantiles(
    sample: NDArray[Any], shares: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Values that stand in the column, so that a row of weight two counts as two rows.

    Not a number where the column has none.
    """
    column = np.ascontiguousarray(sample, dtype=np.float64)
    present = ~np.isnan(column)
    if not present.any():
        return np.full(shares.size, np.nan)
    if not present.all():
        column, weight = column[present], None if weight is None else weight[present]
    return np.asarray(np.quantile(column, shares, method="inverted_cdf", weights=weight))


def _categories(name: Any, column: pd.Series) -> pd.Index:
    """Distinct values of a column that is no column of numbers."""
    values = pd.Index(pd.unique(column.dropna()))
    kinds = {type(value) for value in values}
    if not all(pd.api.types.is_scalar(value) for value in values):
        raise ValueError(f"Column {name!r} holds values such as {values[0]!r}: make text of them.")
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(
            f"Column {name!r} mixes values of types {names}: convert them to one type."
        )
    return values


def _category_numbers(name: Any, column: pd.Series, known: pd.Index) -> NDArray[np.intp]:
    """Number of each value, 0 for one that is missing or was not seen in training."""
    numbers = np.asarray(known.get_indexer(pd.Index(column))) + 1
    present = column.notna()
    if present.any() and known.size and not numbers.any():
        now, before = type(column[present].iloc[0]).__name__, type(known[0]).__name__
        if now != before:
            raise ValueError(
                f"Column {name!r} held categories of type {before} in training, but of type {now} "
                "here."
            )
    return numbers


def _numbers(name: Any, column: pd.Series) -> NDArray[np.float64]:
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(
            f"Column {name!r} held numbers in training, but holds other values here."
        ) from None
