"""One column of new rows beside its summary in the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.monitoring._stability import Stability, kolmogorov_smirnov, stability
from focaltab.monitoring._summary import ColumnSummary, as_floats
from focaltab.pipeline._kinds import places

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sizes:
    """How many rows there are before and now, and how rarely chance may exceed a limit."""

    reference: float
    new: float
    significance: float


@dataclass(frozen=True)
class ColumnDrift:
    """How one column differs; None where a figure makes no sense for its kind."""

    stability: Stability
    ks: float | None
    missing: float
    unseen: float | None
    out_of_range: float | None


def compare_column(
    summary: ColumnSummary, column: pd.Series, weight: Floats | None, sizes: Sizes
) -> ColumnDrift:
    """Compare the values of a column with those that the reference knows.

    Raises
    ------
    ValueError
        Names the column if it holds another kind of values.
    """
    absent = column.isna().to_numpy()
    missing = float(np.average(absent, weights=weight))
    if summary.is_empty:
        # Whatever comes is new: what kind it is nobody knew.
        unseen = 0.0 if absent.all() else 1.0
        psi = _psi(summary, np.zeros(1), np.ones(1), missing, sizes)
        return ColumnDrift(psi, None, missing, unseen, None)
    if summary.is_ordered:
        values = as_floats(summary.name, summary.kind, column)
        present = ~np.isnan(values)
        return compare_numbers(
            summary, values[present], None if weight is None else weight[present], missing, sizes
        )
    return _compare_names(summary, column, ~absent, weight, missing, sizes)


def compare_numbers(
    summary: ColumnSummary, values: Floats, weight: Floats | None, missing: float, sizes: Sizes
) -> ColumnDrift:
    """Compare numbers of which none is missing."""
    shares = np.asarray(summary.bin_shares)
    if values.size == 0:
        psi = _psi(summary, shares, np.zeros(shares.size), missing, sizes)
        return ColumnDrift(psi, None, missing, None, None)
    quantiles = np.asarray(summary.quantiles)
    low, high = quantiles[0], quantiles[-1]
    outside = (values < low) | (values > high)
    # Values below all known ones are in a bin of their own: where many rows share the smallest
    # value it is an edge, and a bin up to it would hide that it went down.
    edges = np.append(np.nextafter(low, -np.inf), summary.edges)
    place = np.searchsorted(edges, values, side="left")
    counts = np.bincount(place, weight, minlength=edges.size + 1)
    psi = _psi(summary, np.append(0.0, shares), counts / counts.sum(), missing, sizes)
    return ColumnDrift(
        psi,
        kolmogorov_smirnov(quantiles, values, weight),
        missing,
        None,
        float(np.average(outside, weights=weight)),
    )


def _compare_names(
    summary: ColumnSummary,
    column: pd.Series,
    present: NDArray[np.bool_],
    weight: Floats | None,
    missing: float,
    sizes: Sizes,
) -> ColumnDrift:
    known = pd.Index([value for value, _ in summary.values], dtype=str)
    shares = np.array([share for _, share in summary.values])
    if not present.any():
        before = np.concatenate([shares, [summary.other, 0.0]])
        psi = _psi(summary, before, np.zeros(before.size), missing, sizes)
        return ColumnDrift(psi, None, missing, None, None)
    place = places(column, known)[present]
    if known.size and (place < 0).all():
        _refuse_another_kind(summary, column)
    counts = np.bincount(
        np.where(place < 0, known.size, place),
        None if weight is None else weight[present],
        minlength=known.size + 1,
    )
    now = counts / counts.sum()
    # Where all values are known the rest is new; else it may be among those that were not kept.
    all_known = summary.other == 0.0
    strange = [0.0, now[-1]] if all_known else [now[-1], 0.0]
    psi = _psi(
        summary,
        np.concatenate([shares, [summary.other, 0.0]]),
        np.concatenate([now[:-1], strange]),
        missing,
        sizes,
    )
    return ColumnDrift(psi, None, missing, float(now[-1]) if all_known else None, None)


def _psi(
    summary: ColumnSummary, before: Floats, now: Floats, missing: float, sizes: Sizes
) -> Stability:
    """PSI over bins of the values that are there, and one of those that are not."""
    return stability(
        np.append(before * (1.0 - summary.missing), summary.missing),
        np.append(now * (1.0 - missing), missing),
        sizes.reference * summary.share_of_rows,
        sizes.new,
        sizes.significance,
    )


def _refuse_another_kind(summary: ColumnSummary, column: pd.Series) -> None:
    """Refuse numbers or dates in place of names of which none is known."""
    dtype = column.dtype
    numbers = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    if numbers or pd.api.types.is_datetime64_any_dtype(dtype):
        held = "categories" if summary.kind == "category" else "text"
        raise ValueError(
            f"Column {summary.name!r} held {held} (such as {summary.values[0][0]!r}) in the "
            f"reference, but {'numbers' if numbers else 'dates'} here."
        )
