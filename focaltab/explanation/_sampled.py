"""Shapley values of any classifier, by the shap package, over rows of any types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import union_categoricals
from scipy.special import logit

from focaltab._optional import require
from focaltab.explanation._rows import Table
from focaltab.explanation._trees import Contributions

Floats = NDArray[np.float64]

# The model sees every background row once for each set of hidden columns.
MAX_BACKGROUND = 200
_N_PERMUTATIONS = 10
# Rows that are explained at once: shap compares codes as floats with a relative tolerance of 1e-5,
# and more values than this would be taken for one another.
_ROWS_AT_ONCE = 1_000
# A forest states probabilities of 0, whose log-odds are infinite.
_CLIP = 1e-7
_LARGEST_SEED = 2**31 - 1


def margins(model: Any, rows: Any, positive: Any) -> Floats:
    """Log-odds of the positive class; of several classes the logarithm of each probability."""
    p = np.clip(np.asarray(model.predict_proba(rows), dtype=np.float64), _CLIP, 1.0 - _CLIP)
    if positive is None:
        return np.asarray(np.log(p))
    return np.asarray(logit(p[:, list(model.classes_).index(positive)]))


def drawn_background(table: Table, random_state: np.random.RandomState) -> Table:
    """At most `MAX_BACKGROUND` of the background rows."""
    n_rows = len(table.frame)
    if n_rows <= MAX_BACKGROUND:
        return table
    rows = np.sort(random_state.choice(n_rows, MAX_BACKGROUND, replace=False))
    return Table(table.frame.iloc[rows], table.dtype)


def sampled_contributions(
    model: Any,
    table: Table,
    background: Table,
    positive: Any,
    max_evals: int | str,
    random_state: np.random.RandomState,
) -> Contributions:
    """Contributions to `margins` against the background rows.

    Exact where all sets of columns are no more than `max_evals`; else over random orders of the
    columns, each walked through in both directions (antithetic sampling), whose sums are right
    for any number of orders.

    Raises
    ------
    ValueError
        For fewer evaluations than one order takes.
    ImportError
        Without shap.
    """
    require("shap", "explain for models other than boosters", extra="explain")
    n_columns = table.frame.shape[1]
    at_least = min(2 * n_columns + 1, 2**n_columns)
    if max_evals == "auto":
        max_evals = _N_PERMUTATIONS * (2 * n_columns + 1)
    elif isinstance(max_evals, bool) or not isinstance(max_evals, int | np.integer):
        raise ValueError(f"max_evals must be 'auto' or a whole number, got {max_evals!r}.")
    elif max_evals < at_least:
        raise ValueError(
            f"max_evals must be at least {at_least} for {n_columns} columns, got {max_evals}."
        )
    base = margins(model, background.as_given(), positive).mean(axis=0)
    parts = []
    for start in range(0, len(table.frame), _ROWS_AT_ONCE):
        rows = table.frame.iloc[start : start + _ROWS_AT_ONCE]
        codes = Codes.of(rows, background.frame)

        def of_codes(given: Floats, codes: Codes = codes) -> Floats:
            return margins(model, background.as_given(codes.rows(given)), positive)

        seed = int(random_state.randint(_LARGEST_SEED))
        parts.append(_by_shap(of_codes, codes, int(max_evals), seed))
    return Contributions(np.concatenate(parts), base)


class Codes:
    """Rows of any types as numbers that stand for the values of each column.

    shap's maskers swap values between rows of one NumPy array of floats. Text, dates, categories
    and missing values survive as the codes of what they are.
    """

    def __init__(
        self, rows: Floats, background: Floats, values: list[pd.Series], names: pd.Index
    ) -> None:
        self.of_rows = rows
        self.of_background = background
        self._values = values
        self._names = names

    @classmethod
    def of(cls, rows: pd.DataFrame, background: pd.DataFrame) -> Codes:
        """Find the values of each column in both tables."""
        codes = np.empty((len(background) + len(rows), rows.shape[1]))
        values = []
        for k in range(rows.shape[1]):
            both = _joined(background.iloc[:, k], rows.iloc[:, k])
            codes[:, k], found = pd.factorize(both, use_na_sentinel=False)
            values.append(pd.Series(found))
        n_background = len(background)
        return cls(codes[n_background:], codes[:n_background], values, rows.columns)

    def rows(self, codes: Floats) -> pd.DataFrame:
        """The rows that codes stand for, of the types of the tables."""
        whole = codes.astype(np.intp)
        columns = {
            k: values.take(whole[:, k]).reset_index(drop=True)
            for k, values in enumerate(self._values)
        }
        frame = pd.DataFrame(columns)
        frame.columns = self._names
        return frame


def _joined(first: pd.Series, second: pd.Series) -> pd.Series:
    both = (first, second)
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in both):
        # Categories of other orders would else become objects, which boosters refuse.
        return pd.Series(union_categoricals(list(both), ignore_order=True))
    return pd.concat(both, ignore_index=True)


def _by_shap(of_codes: Callable[[Floats], Floats], codes: Codes, max_evals: int, seed: int) -> Any:
    import shap

    n_columns = codes.of_rows.shape[1]
    masker = shap.maskers.Independent(codes.of_background, max_samples=len(codes.of_background))
    with _own_random_numbers(seed):
        if 2**n_columns <= max_evals:
            explainer = shap.explainers.Exact(of_codes, masker)
        else:
            explainer = shap.explainers.Permutation(of_codes, masker, seed=seed)
        found = explainer(codes.of_rows, max_evals=max_evals, silent=True)
    return np.asarray(found.values, dtype=np.float64)


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
    """Give shap NumPy's global random numbers, which it seeds, and put them back."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
