"""``Reference``: what the rows looked like that a model was judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focaltab.data import fingerprint_of
from focaltab.monitoring import _plain
from focaltab.monitoring._rows import (
    Rows,
    effective_rows,
    log_odds,
)
from focaltab.monitoring._summary import ColumnSummary

_FORMAT = 1
_FIELDS = (
    "format",
    "columns",
    "n_rows",
    "effective_rows",
    "prevalence",
    "positive",
    "score",
    "mean_score",
    "score_deviation",
    "bin_scores",
    "fingerprint",
)
_SCORE = "log-odds of the score"


@dataclass(frozen=True)
class Reference:
    """Summary of rows that new ones are compared with (`compare_rows`), a few kB a column.

    Take held-out rows rather than those that the model was trained on: scores of training rows
    are too extreme. It holds no row; of text it holds common values alone, of numbers 101
    quantiles, among them the smallest and the largest.

    Attributes
    ----------
    columns : tuple of ColumnSummary
        In the order of the table.
    n_rows : int
        Rows of a positive weight.
    effective_rows : float
        As many rows of equal weight say as much as these weighted ones.
    prevalence : float or None
        (Weighted) share of positives; None without labels.
    positive : str, int, float, bool or None
        The positive label, if it was named.
    score : ColumnSummary or None
        Of the log-odds of the probabilities, within plus or minus 16.
    mean_score : float or None
    score_deviation : float or None
        Standard deviation of the probabilities.
    bin_scores : tuple of float
        Mean probability in each bin of `score`; empty without scores.
    fingerprint : str
        Hash of the rows, labels, scores and weights.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from focaltab.monitoring import Reference
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"amount": rng.gamma(1.0, 80.0, 1000),
    ...                   "city": rng.choice(["Rome", "Oslo", None], 1000)})
    >>> reference = Reference.from_rows(X, rng.random(1000) < 0.02)
    >>> [(column.name, column.kind) for column in reference.columns]
    [('amount', 'number'), ('city', 'category')]
    >>> Reference.from_dict(reference.to_dict()) == reference
    True
    """

    columns: tuple[ColumnSummary, ...]
    n_rows: int
    effective_rows: float
    prevalence: float | None
    positive: str | int | float | bool | None
    score: ColumnSummary | None
    mean_score: float | None
    score_deviation: float | None
    bin_scores: tuple[float, ...]
    fingerprint: str

    @classmethod
    def from_rows(
        cls,
        X: Any,
        y: ArrayLike | None = None,
        *,
        score: ArrayLike | None = None,
        pos_label: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Reference:
        """Summarise rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            As the model is given it. Columns of an array are named "0", "1" and so on.
        y : array-like of shape (n_samples,), default=None
            Two labels; without `pos_label` they must be 0/1, False/True or -1/1.
        score : array-like of shape (n_samples,), default=None
            The model's calibrated probability of the positive class for these rows.
        pos_label : label, default=None
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        Reference

        Raises
        ------
        ValueError
            For columns that hold lists, infinite numbers or numbers with a stray word among them,
            a name that stands twice, unusable labels, scores or weights, or lengths that differ.
        TypeError
            For a sparse matrix or a table that is not in memory.
        """
        given = Rows.read(
            X, y, score, sample_weight, pos_label=pos_label, reader="Reference.from_rows"
        )
        fingerprint = fingerprint_of(given.frame, given.positive, given.score, given.weight)
        counted = given.that_count()
        frame, positive, p, weight = (
            counted.frame,
            counted.positive,
            counted.score,
            counted.weight,
        )
        score_summary: ColumnSummary | None = None
        bin_scores: tuple[float, ...] = ()
        if p is not None:
            score_summary = ColumnSummary.of_numbers(_SCORE, log_odds(p), weight)
            bin_scores = _bin_means(score_summary, p, weight)
        return cls(
            columns=tuple(
                ColumnSummary.from_values(str(name), frame[name], weight) for name in frame.columns
            ),
            n_rows=len(frame),
            effective_rows=effective_rows(weight, len(frame)),
            prevalence=None if positive is None else _mean(positive, weight),
            positive=_plain_label(pos_label),
            score=score_summary,
            mean_score=None if p is None else _mean(p, weight),
            score_deviation=None if p is None else _deviation(p, weight),
            bin_scores=bin_scores,
            fingerprint=fingerprint,
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON, for ``json.dumps(..., allow_nan=False)``.

        Returns
        -------
        dict
        """
        return {
            "format": _FORMAT,
            "columns": [column.to_dict() for column in self.columns],
            "n_rows": self.n_rows,
            "effective_rows": self.effective_rows,
            "prevalence": self.prevalence,
            "positive": self.positive,
            "score": None if self.score is None else self.score.to_dict(),
            "mean_score": self.mean_score,
            "score_deviation": self.score_deviation,
            "bin_scores": list(self.bin_scores),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_dict(cls, given: Any) -> Reference:
        """Read what `to_dict` made, and believe none of it unchecked.

        Parameters
        ----------
        given : dict
            As ``json.load`` gives it.

        Returns
        -------
        Reference

        Raises
        ------
        ValueError
            Names the field that cannot be right.
        """
        field = _plain.record(given, "reference", _FIELDS)
        if field["format"] != _FORMAT or isinstance(field["format"], bool):
            raise ValueError(
                f"reference.format must be {_FORMAT}, got {str(field['format'])[:40]}: it was "
                "written by another version of focaltab."
            )
        columns = tuple(
            ColumnSummary.from_dict(column, f"reference.columns[{k}]")
            for k, column in enumerate(_plain.array(field["columns"], "reference.columns"))
        )
        if not columns:
            raise ValueError("reference.columns must hold at least one column.")
        seen: set[str] = set()
        for column in columns:
            if column.name in seen:
                raise ValueError(f"reference.columns holds {column.name!r} more than once.")
            seen.add(column.name)
        score = None
        if field["score"] is not None:
            score = ColumnSummary.from_dict(field["score"], "reference.score")
            if score.kind != "number" or score.is_empty or score.missing:
                raise ValueError("reference.score must be numbers without gaps.")
        mean_score = _plain.optional_share(field["mean_score"], "reference.mean_score")
        deviation = _plain.optional_share(field["score_deviation"], "reference.score_deviation")
        if len({figure is None for figure in (score, mean_score, deviation)}) > 1:
            raise ValueError(
                "reference.score, mean_score and score_deviation must all be given, or all null."
            )
        bin_scores = _plain.numbers(field["bin_scores"], "reference.bin_scores")
        n_bins = 0 if score is None else len(score.bin_shares)
        if len(bin_scores) != n_bins or not all(0.0 <= mean <= 1.0 for mean in bin_scores):
            raise ValueError(
                f"reference.bin_scores must hold a probability for each of {n_bins} bins of the "
                "score."
            )
        positive = field["positive"]
        if isinstance(positive, int | float):
            if not isinstance(positive, bool):
                _plain.number(positive, "reference.positive")
        elif positive is not None:
            _plain.text(positive, "reference.positive")
        n_rows = int(_plain.number(field["n_rows"], "reference.n_rows", low=1, whole=True))
        return cls(
            columns=columns,
            n_rows=n_rows,
            effective_rows=_plain.number(
                # Kish's figure is at most the number of rows, but for rounding.
                field["effective_rows"],
                "reference.effective_rows",
                low=0.5,
                high=n_rows * (1.0 + 1e-9),
            ),
            prevalence=_plain.optional_share(field["prevalence"], "reference.prevalence"),
            positive=positive,
            score=score,
            mean_score=mean_score,
            score_deviation=deviation,
            bin_scores=bin_scores,
            fingerprint=_plain.text(field["fingerprint"], "reference.fingerprint"),
        )


def _bin_means(
    summary: ColumnSummary, p: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> tuple[float, ...]:
    """Mean probability in each bin of the log-odds; 1 in the last one where it is empty."""
    place = np.searchsorted(summary.edges, log_odds(p), side="left")
    n_bins = summary.edges.size + 1
    rows = np.bincount(place, weight, minlength=n_bins)
    total = np.bincount(place, p if weight is None else p * weight, minlength=n_bins)
    means = np.divide(total, rows, out=np.ones(n_bins), where=rows > 0)
    return tuple(np.minimum(means, 1.0).tolist())


def _mean(shares: NDArray[Any], weight: Any) -> float:
    # Rounding may carry a weighted mean of ones above 1.
    return min(float(np.average(shares, weights=weight)), 1.0)


def _deviation(p: NDArray[Any], weight: Any) -> float:
    return float(np.sqrt(np.average((p - np.average(p, weights=weight)) ** 2, weights=weight)))


def _plain_label(label: Any) -> Any:
    """A label as JSON has it.

    Raises
    ------
    ValueError
        For labels that JSON has no word for.
    """
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or isinstance(label, str | bool | int | float):
        return label
    raise ValueError(f"pos_label must be text, a number or a truth value, got {label!r}.")
