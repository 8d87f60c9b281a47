"""``DriftReport``: what `compare_rows` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from focaltab.metrics import Interval
from focaltab.monitoring._stability import LARGE, Level


class ScoreDrift(NamedTuple):
    """How the log-odds of the scores differ; figures as those of a column."""

    psi: float
    level: Level
    psi_by_chance: float
    psi_limit: float
    beyond_chance: bool
    ks: float | None


@dataclass(frozen=True, eq=False)
class DriftReport:
    """How new rows differ from those of a `Reference`; `compare_rows` makes one.

    Attributes
    ----------
    columns : DataFrame
        One row for each column of the reference, in its order: ``column``, ``kind``; ``psi``, the
        population stability index; ``level``, "stable" below 0.1, "moderate" below 0.25, else
        "large"; ``psi_by_chance``, the mean of PSI where nothing changed, ``psi_limit``, which
        chance exceeds in one of all columns together with probability 0.05, and ``beyond_chance``;
        ``ks``, the Kolmogorov-Smirnov statistic of numbers and dates, exact to about 0.01;
        ``missing_before`` and ``missing``; ``unseen``, the share of values that no reference row
        had (NaN where the reference does not know all values); ``out_of_range``, the share of
        numbers below the smallest or above the largest. Shares of values are among those present.
    n_rows, n_reference : int
    extra_columns : tuple of str
        Columns of the new rows that the reference does not know.
    score : ScoreDrift or None
    prevalence_before : float or None
        Of the reference: its mean score, which the probabilities are calibrated to, or the share
        of positives where it had no scores.
    prevalence_estimated : Interval or None
        From the scores alone, with its 95% bootstrap interval.
    label_shift_fits : bool or None
        Whether the scores fall into the bins of the reference as they would if only the shares of
        the classes had changed to the estimate, or as differently as chance makes them. If not,
        the estimate is not to be believed.
    mean_score : float or None
        Of the new rows: their prevalence if the model's probabilities are still right for them, so
        that other rows came but each kind of row is as risky as it was.
    prevalence_observed : float or None
        From labels.
    average_precision, log_loss : float or None
        Of labelled rows with scores.
    threshold : float or None
        As it was given.
    moved_threshold : float or None
        Where the interval of the prevalence excludes the old one: the threshold on the model's own
        probabilities that decides as `threshold` would on corrected ones.
    alerts_before, alerts_after : float or None
        New rows, of 1,000, whose score is at least the threshold, and the moved one.
    verdict : str
        In plain words.
    """

    columns: pd.DataFrame
    n_rows: int
    n_reference: int
    extra_columns: tuple[str, ...]
    score: ScoreDrift | None
    prevalence_before: float | None
    prevalence_estimated: Interval | None
    label_shift_fits: bool | None
    mean_score: float | None
    prevalence_observed: float | None
    average_precision: float | None
    log_loss: float | None
    threshold: float | None
    moved_threshold: float | None
    alerts_before: float | None
    alerts_after: float | None
    verdict: str

    @property
    def drifted(self) -> list[str]:
        """Columns whose change is not "stable" and beyond chance, the most changed first.

        Without dates, which move on by themselves.
        """
        return drifted_columns(self.columns)["column"].tolist()

    @property
    def is_doubtful(self) -> bool:
        """Whether figures speak against the estimated prevalence, and so the moved threshold.

        Either `label_shift_fits` is False or a column changed widely.
        """
        return self.label_shift_fits is False or bool(large_changes(self.columns))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON; null where a figure makes no sense.

        Returns
        -------
        dict
        """
        names = [f for f in self.__dataclass_fields__ if f != "columns"]
        figures = {name: _plain(getattr(self, name)) for name in names}
        rows = self.columns.to_dict(orient="records")
        columns = [{str(k): _plain(value) for k, value in row.items()} for row in rows]
        found = {"drifted": self.drifted, "is_doubtful": self.is_doubtful}
        return {"columns": columns, **figures, **found}


def drifted_columns(columns: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table of columns that changed, the most changed first."""
    changed = (columns["level"] != "stable") & columns["beyond_chance"]
    rows = columns[changed & (columns["kind"] != "date")]
    return rows.sort_values("psi", ascending=False, kind="stable")


def large_changes(columns: pd.DataFrame) -> list[str]:
    """Columns whose change is large, beyond chance."""
    changed = drifted_columns(columns)
    return changed[changed["psi"] >= LARGE]["column"].tolist()


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
