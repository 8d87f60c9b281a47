"""``ColumnSummary``: what the values of one column looked like, in a few kilobytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab.monitoring import _plain
from focaltab.monitoring._known_values import MAX_VALUES, known_values
from focaltab.pipeline._dates import as_dates, seconds_since_1970
from focaltab.pipeline._kinds import (
    Held,
    Kind,
    as_numbers,
    as_text,
    column_kind,
    held_by,
    kind_by_type,
)

Floats = NDArray[np.float64]

# As `TableFeatures` has it by default: text of more values is encoded by the target.
_MAX_CATEGORIES = 40
# Levels of the quantiles of a number: 0, 0.01, ... 1. Every tenth one bounds a bin.
N_QUANTILES = 101
_LEVELS = np.linspace(0.0, 1.0, N_QUANTILES)
_DECILES = slice(10, 91, 10)
_KINDS = ("number", "date", "category", "text")
_FIELDS = (
    "name",
    "kind",
    "missing",
    "quantiles",
    "bin_shares",
    "whole",
    "holds",
    "values",
    "other",
)


@dataclass(frozen=True)
class ColumnSummary:
    """One column of the reference rows.

    Attributes
    ----------
    name : str
    kind : {"number", "date", "category", "text"}
        "text" has more values than a category, or hardly repeats.
    missing : float
        Share of the rows where it is missing. All other shares are among the rows where it is
        not.
    quantiles : tuple of float
        Of a number or a date (in days since 1970, UTC): the smallest values that at least 0, 1,
        ... 100% of the rows do not exceed. Empty where the column is always missing.
    bin_shares : tuple of float
        Share of the rows up to each of `edges`, and above the last.
    whole : bool
        Whether all numbers are whole.
    holds : {"text", "numbers", "truth values"}
        What the values of a category or text are, which a file can only write as text.
    values : tuple of (str, float)
        Of a category or text: its values as they are written, each with its share, the most
        common first. Of text only values of at least 0.5% of the rows, and 5 of them, are kept, at
        most 50. Where some are not kept, one half of the rows chooses those that are, and the
        shares are those of the other half: of the rows that chose them they hold too much.
    other : float
        Share of the values that are not kept.
    """

    name: str
    kind: Kind
    missing: float
    quantiles: tuple[float, ...] = ()
    bin_shares: tuple[float, ...] = ()
    whole: bool = False
    holds: Held = "text"
    values: tuple[tuple[str, float], ...] = ()
    other: float = 0.0

    @property
    def is_ordered(self) -> bool:
        """Whether its values are numbers or dates."""
        return self.kind in ("number", "date")

    @property
    def share_of_rows(self) -> float:
        """How many of the reference's rows the shares are of."""
        return 0.5 if self.other > 0.0 else 1.0

    @property
    def is_empty(self) -> bool:
        """Whether it was missing in every row."""
        return not self.quantiles and not self.values and self.other == 0.0

    @property
    def smallest(self) -> float | None:
        """The smallest number, or day."""
        return self.quantiles[0] if self.quantiles else None

    @property
    def largest(self) -> float | None:
        """The largest number, or day."""
        return self.quantiles[-1] if self.quantiles else None

    @property
    def edges(self) -> Floats:
        """Upper ends of all bins but the last: the different deciles."""
        return np.unique(np.asarray(self.quantiles)[_DECILES])

    @property
    def typical(self) -> float | str | None:
        """The median of a number or date, the most common value of others, if known."""
        if self.quantiles:
            return self.quantiles[N_QUANTILES // 2]
        return self.values[0][0] if self.values else None

    @classmethod
    def from_values(cls, name: str, column: pd.Series, weight: Floats | None) -> ColumnSummary:
        """Summarise a column; rows of weight 0 are to be left out before.

        Raises
        ------
        ValueError
            For lists, infinite numbers, and numbers with a stray word among them.
        """
        kind = kind_of(name, column)
        absent = column.isna().to_numpy()
        if absent.all():
            return cls(name, kind, 1.0)
        # Below 1 whatever rounding does to weights: some values are there.
        missing = min(float(np.average(absent, weights=weight)), float(np.nextafter(1.0, 0.0)))
        if kind in ("number", "date"):
            values = as_floats(name, kind, column)
            present = ~np.isnan(values)
            own_weight = None if weight is None else weight[present]
            return cls._of_numbers(name, kind, missing, values[present], own_weight)
        summary = cls._of_names(name, kind, missing, as_text(column), weight)
        found = column.unique()
        return replace(summary, holds=held_by(found[~pd.isna(found)]))

    @classmethod
    def of_numbers(cls, name: str, values: Floats, weight: Floats | None) -> ColumnSummary:
        """Summarise numbers of which none is missing."""
        return cls._of_numbers(name, "number", 0.0, values, weight)

    @classmethod
    def _of_numbers(
        cls, name: str, kind: Kind, missing: float, values: Floats, weight: Floats | None
    ) -> ColumnSummary:
        quantiles = np.quantile(values, _LEVELS, method="inverted_cdf", weights=weight)
        # One zero only: -0.0 and 0.0 are one value.
        quantiles = np.asarray(quantiles, dtype=np.float64) + 0.0
        edges = np.unique(quantiles[_DECILES])
        place = np.searchsorted(edges, values, side="left")
        counts = np.bincount(place, weight, minlength=edges.size + 1)
        return cls(
            name,
            kind,
            missing,
            quantiles=tuple(quantiles.tolist()),
            bin_shares=tuple((counts / counts.sum()).tolist()),
            whole=bool((values == np.floor(values)).all()),
        )

    @classmethod
    def _of_names(
        cls, name: str, kind: Kind, missing: float, values: pd.Series, weight: Floats | None
    ) -> ColumnSummary:
        codes, found = pd.factorize(values)
        present = codes >= 0
        own_weight = None if weight is None else weight[present]
        rows = np.bincount(codes[present], minlength=len(found))
        counts = np.bincount(codes[present], own_weight, minlength=len(found)).astype(np.float64)
        names = [str(value) for value in found]
        known, other = known_values(names, rows, counts, is_text=kind == "text")
        return cls(name, kind, missing, values=tuple(known), other=other)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "quantiles": list(self.quantiles),
            "bin_shares": list(self.bin_shares),
            "whole": self.whole,
            "holds": self.holds,
            "values": [[value, share] for value, share in self.values],
            "other": self.other,
        }

    @classmethod
    def from_dict(cls, given: Any, where: str = "column") -> ColumnSummary:
        """Read what `to_dict` made.

        Parameters
        ----------
        given : dict
        where : str, default="column"
            What errors call it.

        Returns
        -------
        ColumnSummary

        Raises
        ------
        ValueError
            Names the field that cannot be right.
        """
        if isinstance(given, dict):
            given = {"holds": "text", **given}  # which earlier files do not say
        field = _plain.record(given, where, _FIELDS)
        kind, holds = field["kind"], field["holds"]
        if kind not in _KINDS:
            raise ValueError(f"{where}.kind must be one of {_KINDS}, got {str(kind)[:40]!r}.")
        if holds not in get_args(Held):
            raise ValueError(
                f"{where}.holds must be one of {get_args(Held)}, got {str(holds)[:40]!r}."
            )
        values = []
        for k, pair in enumerate(_plain.array(field["values"], f"{where}.values")):
            here = f"{where}.values[{k}]"
            if len(_plain.array(pair, here)) != 2:
                raise ValueError(
                    f"{here} must hold a value and its share, got {len(pair)} entries."
                )
            values.append((_plain.text(pair[0], here), _plain.share(pair[1], here)))
        column = cls(
            name=_plain.text(field["name"], f"{where}.name"),
            kind=kind,
            missing=_plain.share(field["missing"], f"{where}.missing"),
            quantiles=_plain.numbers(field["quantiles"], f"{where}.quantiles"),
            bin_shares=_plain.numbers(field["bin_shares"], f"{where}.bin_shares"),
            whole=_plain.truth(field["whole"], f"{where}.whole"),
            holds=holds,
            values=tuple(values),
            other=_plain.share(field["other"], f"{where}.other"),
        )
        column._check(where)
        return column

    def _check(self, where: str) -> None:
        """Refuse fields that contradict each other."""
        if self.is_ordered:
            self._check_numbers(where)
        else:
            self._check_names(where)
        if self.is_empty != (self.missing == 1.0):
            raise ValueError(
                f"{where}.missing is {self.missing:g}, which contradicts that there are "
                f"{'no' if self.is_empty else 'some'} values."
            )

    def _check_numbers(self, where: str) -> None:
        if self.values or self.other:
            raise ValueError(f"{where}.values and other must be empty for kind {self.kind!r}.")
        if self.holds != "text":
            raise ValueError(f"{where}.holds is about categories and text alone.")
        if len(self.quantiles) not in (0, N_QUANTILES):
            raise ValueError(
                f"{where}.quantiles must hold {N_QUANTILES} numbers or none, got "
                f"{len(self.quantiles)}."
            )
        if any(a > b for a, b in zip(self.quantiles, self.quantiles[1:], strict=False)):
            raise ValueError(f"{where}.quantiles must not decrease.")
        n_bins = self.edges.size + 1 if self.quantiles else 0
        if len(self.bin_shares) != n_bins:
            raise ValueError(
                f"{where}.bin_shares must hold {n_bins} shares for these quantiles, got "
                f"{len(self.bin_shares)}."
            )
        if any(not 0.0 <= share <= 1.0 for share in self.bin_shares):
            raise ValueError(f"{where}.bin_shares must lie from 0 to 1.")
        if self.bin_shares:
            _plain.check_sums_to_one(self.bin_shares, f"{where}.bin_shares")

    def _check_names(self, where: str) -> None:
        if self.quantiles or self.bin_shares:
            raise ValueError(
                f"{where}.quantiles and bin_shares must be empty for kind {self.kind!r}."
            )
        if len(self.values) > MAX_VALUES:
            raise ValueError(f"{where}.values must hold at most {MAX_VALUES} values.")
        names = [name for name, _ in self.values]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{where}.values holds {twice!r} more than once.")
        if names or self.other:
            shares = [share for _, share in self.values]
            _plain.check_sums_to_one([*shares, self.other], f"{where}.values and other")


def kind_of(name: str, column: pd.Series) -> Kind:
    """Kind of any column, also of one that a model can learn nothing from.

    Raises
    ------
    ValueError
        For lists, and numbers with a stray word among them.
    """
    kind, reason = column_kind(name, column, _MAX_CATEGORIES)
    if kind is None:
        hardly_repeats = reason.startswith("text")
        kind = "text" if hardly_repeats else (kind_by_type(column) or "category")
    return kind


def as_floats(name: str, kind: Kind, column: pd.Series) -> Floats:
    """Numbers, or days since 1970 of dates; NaN where missing.

    Raises
    ------
    ValueError
        Names the column, and the row where the value shows it.
    """
    if kind == "number":
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise ValueError(f"Column {name!r} held numbers in the reference, but dates here.")
        return np.asarray(as_numbers(name, column), dtype=np.float64)
    return np.asarray(seconds_since_1970(as_dates(name, column)) / 86_400.0)
