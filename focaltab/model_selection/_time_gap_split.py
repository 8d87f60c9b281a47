"""``TimeGapSplit``: train on the past whose labels are known, test on what follows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator

from focaltab._compat.sklearn import count_rows
from focaltab.model_selection._folds import check_classes, checked_groups, positive_rows


class TimeGapSplit(BaseCrossValidator):  # type: ignore[misc]
    """Folds in the order of time, with room for labels that come late.

    Test parts follow one another at the end of the rows; each is trained on what came before it.
    A fraud is reported weeks after the payment: a model that goes to work today has not seen the
    labels of the last weeks. `gap` leaves these rows out of training, as they will be in practice.

    Parameters
    ----------
    n_splits : int, default=5
    time : str, default=None
        Column of a DataFrame ``X`` with times or numbers; rows need not be sorted by it. None
        takes the rows' order as the order of time.
    gap : timedelta-like, number or int, default=0
        How long a label takes: ``"7D"`` or a ``Timedelta`` for a column of times, a number for one
        of numbers. Rows later than the start of the test part minus `gap` are not trained on.
        Without `time`, a count of rows.
    test_size : int, default=None
        Rows of a test part; None for ``n_samples // (n_splits + 1)``. Rows of one time are never
        parted, so that sizes differ by them.
    max_train_size : int, default=None
        Train on this many latest rows at most: a rolling window. None for all, an expanding one.
    purge_groups : bool, default=False
        Leave out of training whom the test part holds, where `groups` are given. By default
        customers come back, since in production they do: a model may know a customer's past.
        Purge to learn how it does on new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from focaltab.model_selection import TimeGapSplit
    >>> X = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=8, freq="D")})
    >>> for train, test in TimeGapSplit(2, time="at", gap="2D", test_size=2).split(X):
    ...     print(train, test)
    [0 1 2] [4 5]
    [0 1 2 3 4] [6 7]
    """

    # Read by `checked_folds`: a group on both sides of a border in time is no leak.
    groups_may_recur = True
    # Asked for whether they are purged or not, as scikit-learn's splitters of groups do.
    __metadata_request__split = {"groups": True}  # noqa: RUF012

    def __init__(
        self,
        n_splits: int = 5,
        *,
        time: str | None = None,
        gap: Any = 0,
        test_size: int | None = None,
        max_train_size: int | None = None,
        purge_groups: bool = False,
    ) -> None:
        self.n_splits = n_splits
        self.time = time
        self.gap = gap
        self.test_size = test_size
        self.max_train_size = max_train_size
        self.purge_groups = purge_groups

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Row numbers to train on and to test on, earliest fold first.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            Where given, two labels, and both must stand on both sides of every fold.
        groups : array-like of shape (n_samples,), default=None
            Used where `purge_groups` is true.

        Yields
        ------
        train, test : ndarray of intp

        Raises
        ------
        ValueError
            For a column that is absent, of no usable type or with missing times, a `gap` that
            does not fit it or leaves nothing to train on, too few rows, or a fold without
            positives.
        """
        self._check_numbers()
        n_rows = count_rows(X)
        times, gap = self._times_and_gap(X, n_rows)
        positive, labels = (None, []) if y is None else positive_rows(y)
        if positive is not None and positive.size != n_rows:
            raise ValueError(f"X has {n_rows} rows but y has {positive.size} labels.")
        if groups is not None:
            groups = checked_groups(groups, n_rows)
        elif self.purge_groups:
            raise ValueError("purge_groups=True needs groups.")
        order = np.argsort(times, kind="stable")
        in_order = times[order]
        borders = self._borders(in_order)
        for k, (start, end) in enumerate(pairwise(borders), start=1):
            n_known = self._n_known(in_order, start, gap)
            test, train = order[start:end], order[:n_known]
            if self.purge_groups:
                train = train[~np.asarray(pd.Index(groups[train]).isin(pd.unique(groups[test])))]
            if self.max_train_size is not None:
                train = train[-self.max_train_size :]
            if train.size == 0:
                raise ValueError(
                    f"fold {k} has no rows to train on: its test part starts after {start} rows, "
                    f"and gap={self.gap!r}{' and purging' * self.purge_groups} leaves none of "
                    "them. Use a smaller gap, test_size or n_splits."
                )
            if positive is not None:
                advice = "use fewer or longer test parts, or a smaller gap"
                check_classes(k, "train", positive[train], labels, advice)
                check_classes(k, "test", positive[test], labels, advice)
            yield np.sort(train), np.sort(test)

    def describe(self, X: Any, y: Any, groups: Any = None) -> pd.DataFrame:
        """What each fold holds.

        Parameters
        ----------
        X, y, groups
            As in `split`; `y` is needed.

        Returns
        -------
        DataFrame of n_splits rows
            ``n_train``, ``n_test``, ``train_positives``, ``test_positives``,
            ``train_prevalence``, ``test_prevalence``, and first and last time of both parts
            (row numbers without `time`).
        """
        times, _ = self._times_and_gap(X, count_rows(X))
        shown = X[self.time].to_numpy() if self.time is not None else times
        table = describe_folds(list(self.split(X, y, groups)), y)
        for part, rows in (("train", 0), ("test", 1)):
            ends = [
                (shown[r[rows][times[r[rows]].argmin()]], shown[r[rows][times[r[rows]].argmax()]])
                for r in self.split(X, y, groups)
            ]
            table[f"{part}_from"] = [e[0] for e in ends]
            table[f"{part}_to"] = [e[1] for e in ends]
        return table

    def _check_numbers(self) -> None:
        for name, least in (("n_splits", 1), ("test_size", 1), ("max_train_size", 1)):
            value = getattr(self, name)
            if value is None and name != "n_splits":
                continue
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value}.")

    def _times_and_gap(self, X: Any, n_rows: int) -> tuple[NDArray[Any], Any]:
        """A sortable number for each row, and the gap on the same scale."""
        if self.time is None:
            whole = isinstance(self.gap, Integral) and not isinstance(self.gap, bool)
            if not whole or self.gap < 0:
                raise ValueError(
                    f"gap={self.gap!r} must be a whole number of rows, or name the column of times "
                    "with time=."
                )
            return np.arange(n_rows), int(self.gap)
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                f"time={self.time!r} names a column, but X is a {type(X).__name__} without column "
                "names: pass a DataFrame."
            )
        if self.time not in X.columns:
            raise ValueError(f"time={self.time!r} is no column of X: {list(X.columns)[:10]}.")
        if (X.columns == self.time).sum() > 1:
            raise ValueError(f"column {self.time!r} stands more than once: rename or drop one.")
        column = X[self.time]
        absent = np.asarray(column.isna())
        if absent.any():
            row = int(np.flatnonzero(absent)[0])
            raise ValueError(
                f"time column {self.time!r} is missing in row {row}: drop such rows or date them."
            )
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            return _nanoseconds(column), self._timedelta()
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column):
            if (
                not isinstance(self.gap, Real)
                or isinstance(self.gap, bool)
                or not float(self.gap) >= 0
            ):
                raise ValueError(
                    f"gap={self.gap!r} must be a number of at least 0, as column {self.time!r} "
                    "holds numbers."
                )
            # Unsigned integers would wrap where the gap is taken off.
            whole = pd.api.types.is_integer_dtype(column.dtype)
            return column.to_numpy(dtype=np.int64 if whole else np.float64), self.gap
        raise ValueError(
            f"time column {self.time!r} is of type {column.dtype}, which is no time: convert it "
            "with pandas.to_datetime, or to numbers."
        )

    def _timedelta(self) -> int:
        try:
            if isinstance(self.gap, Real) and self.gap != 0:
                raise ValueError("a number without a unit")
            gap = pd.Timedelta(self.gap)
            if pd.isna(gap) or gap < pd.Timedelta(0):
                raise ValueError("missing or negative")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"gap={self.gap!r} must be a span such as '7D', as column {self.time!r} holds "
                f"times ({error})."
            ) from None
        return int(gap.as_unit("ns").value)

    def _borders(self, in_order: NDArray[Any]) -> list[int]:
        n_rows = in_order.size
        size = self.test_size or n_rows // (self.n_splits + 1)
        if size == 0 or n_rows <= self.n_splits * size:
            raise ValueError(
                f"{self.n_splits} test parts of {max(size, 1)} rows leave none of {n_rows} rows to "
                "train on: use a smaller n_splits or test_size."
            )
        planned = [n_rows - k * size for k in range(self.n_splits, 0, -1)]
        # Rows of one time go together into the later part.
        borders = [int(np.searchsorted(in_order, in_order[b], side="left")) for b in planned]
        borders.append(n_rows)
        for k, (start, end) in enumerate(pairwise(borders), start=1):
            if start == end:
                raise ValueError(
                    f"fold {k} has an empty test part, since more than {size} rows are of one "
                    "time and are never parted: use a larger test_size or fewer n_splits."
                )
        return borders

    def _n_known(self, in_order: NDArray[Any], start: int, gap: Any) -> int:
        """How many of the earliest rows have their labels when the test part starts."""
        if self.time is None:
            return max(start - int(gap), 0)
        known = np.searchsorted(in_order, in_order[start] - gap, side="right")
        return min(int(known), start)


def describe_folds(folds: Any, y: Any) -> pd.DataFrame:
    """Rows, positives and prevalence of both parts of each fold."""
    positive, _ = positive_rows(y)
    rows = []
    for train, test in folds:
        parts = {"train": positive[train], "test": positive[test]}
        rows.append(
            {f"n_{name}": part.size for name, part in parts.items()}
            | {f"{name}_positives": int(part.sum()) for name, part in parts.items()}
            | {f"{name}_prevalence": float(part.mean()) for name, part in parts.items()}
        )
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="fold"))


def _nanoseconds(column: Any) -> NDArray[np.int64]:
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    try:
        if isinstance(column.dtype, pd.ArrowDtype):  # dates that have no unit to convert
            plain = pd.to_datetime(column.astype(object))
            column = pd.Series(plain, index=column.index, name=column.name)
        column = column.dt.as_unit("ns")
    except pd.errors.OutOfBoundsDatetime as error:
        raise ValueError(
            f"time column {column.name!r} holds a time outside of the years 1677 to 2262 "
            f"({error}): such times are mostly placeholders; drop these rows or date them."
        ) from None
    return np.asarray(column.to_numpy(), "datetime64[ns]").astype(np.int64)
