"""``compare_rows``: how new rows differ from the reference, and what that asks for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from focaltab.metrics import Interval, average_precision
from focaltab.monitoring import _verdict
from focaltab.monitoring._columns import Sizes, compare_column, compare_numbers
from focaltab.monitoring._drift import DriftReport, ScoreDrift, large_changes
from focaltab.monitoring._prevalence import prevalence_interval, shares_under_label_shift
from focaltab.monitoring._reference import Reference
from focaltab.monitoring._rows import (
    Rows,
    effective_rows,
    log_odds,
)
from focaltab.monitoring._stability import stability

Floats = NDArray[np.float64]

# That chance alone exceeds the limit in any column at all, each having its part of it.
_SIGNIFICANCE = 0.05
_LEAST = 1e-12


def compare_rows(
    reference: Reference,
    X: Any,
    *,
    score: ArrayLike | None = None,
    y: ArrayLike | None = None,
    threshold: float | None = None,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = None,
) -> DriftReport:
    r"""Compare new rows with those of a reference, column by column, and their scores.

    Parameters
    ----------
    reference : Reference
    X : DataFrame or array-like of shape (n_samples, n_features)
        New rows, with the columns of the reference in any order. Others are listed in the report.
    score : array-like of shape (n_samples,), default=None
        The model's calibrated probability of the positive class for each row.
    y : array-like of shape (n_samples,), default=None
        Labels, where they are known by now.
    threshold : float in (0, 1), default=None
        Rows with at least this probability are called positive.
    sample_weight : array-like of shape (n_samples,), default=None
    random_state : int, Generator or None, default=None
        Of the resamples of the prevalence's interval.

    Returns
    -------
    DriftReport

    Raises
    ------
    ValueError
        For a column that is missing or holds another kind of values than in the reference,
        unusable scores, labels, weights or threshold, or lengths that differ.
    TypeError
        For what is no `Reference`, a sparse matrix or a table that is not in memory.

    Notes
    -----
    *Columns.* PSI is taken over the deciles of the reference, or its categories, with bins of
    their own for missing and for unseen values. It grows with noise: of few rows it is large
    though nothing changed. A column counts as changed only where PSI exceeds the rule of thumb
    and also what chance makes of so many rows and bins.

    *Prevalence.* It is estimated from the scores by the iteration of Saerens et al. (2002),
    `focaltab.calibration.estimate_prevalence`, and its interval by 500 resamples of the rows, the
    old prevalence being drawn within its own error. The old one is the mean score of the reference
    where it has scores: what the probabilities are calibrated to. The estimate assumes *label
    shift*: the shares of the classes changed, but each class looks as it did. Where columns drift,
    or the scores do not fall as it would make them (`DriftReport.label_shift_fits`), that is
    doubtful, and the verdict says so. If instead each kind of row is as risky as it was, and others
    came, the prevalence is the mean score, and no threshold needs to move.

    *Threshold.* At the new prevalence the log-odds of each row are ``logit(p) + d`` with ``d =
    logit(new) - logit(old)``. A corrected probability is at least the threshold `t` where
    ``logit(p) + d >= logit(t)``: the threshold on the model's own probabilities that decides so is

        ``logit(t') = logit(t) - [logit(new) - logit(old)]``.

    It is given where the interval of the new prevalence excludes the old one.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from focaltab.monitoring import Reference, compare_rows
    >>> rng = np.random.default_rng(0)
    >>> rows = lambda mean: pd.DataFrame({"amount": rng.gamma(1.0, mean, 5000),
    ...                                   "hour": rng.integers(0, 24, 5000)})
    >>> reference = Reference.from_rows(rows(80.0))
    >>> report = compare_rows(reference, rows(200.0))
    >>> report.drifted
    ['amount']
    >>> print(compare_rows(reference, rows(80.0)).verdict)
    No column changed beyond both chance and the rule of thumb.
    """
    if not isinstance(reference, Reference):
        raise TypeError(f"reference must be a Reference, got {type(reference).__name__}.")
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold must lie strictly between 0 and 1, got {threshold}.")
    given = Rows.read(
        X, y, score, sample_weight, pos_label=reference.positive, reader="compare_rows"
    )
    counted = given.that_count()
    frame, positive, p, weight = counted.frame, counted.positive, counted.score, counted.weight
    _check_columns(reference, frame)
    sizes = Sizes(
        reference.effective_rows,
        effective_rows(weight, len(frame)),
        _SIGNIFICANCE / len(reference.columns),
    )
    columns = _table(reference, frame, weight, sizes)
    known = {column.name for column in reference.columns}
    extra = tuple(str(name) for name in frame.columns if name not in known)
    said = _verdict.of_columns(columns, len(frame), extra)

    score_drift = None
    if p is not None and reference.score is not None:
        found = compare_numbers(reference.score, log_odds(p), weight, 0.0, sizes)
        score_drift = ScoreDrift(
            found.stability.psi,
            found.stability.level,
            found.stability.by_chance,
            found.stability.limit,
            found.stability.beyond_chance,
            found.ks,
        )
        said.append(_verdict.of_score(score_drift))

    observed = None if positive is None else min(float(np.average(positive, weights=weight)), 1.0)
    before, error = _old_prevalence(reference)
    interval = fits = mean = moved = alerts_before = alerts_after = None
    if p is not None and before is not None and 0.0 < before < 1.0:
        rng = np.random.default_rng(random_state)
        interval = prevalence_interval(expit(log_odds(p)), before, error, weight, rng)
        warning = _verdict.of_calibration(reference)
        said += [] if warning is None else [warning]
        mean = float(np.average(p, weights=weight))
        fits = _label_shift_fits(reference, p, weight, interval.value, sizes)
        by_score = reference.mean_score is not None
        said += _verdict.of_prevalence(
            interval, before, mean, fits, columns, observed, by_score=by_score
        )
    if p is not None and threshold is not None:
        alerts_before = _alerts(p, threshold, weight)
        if interval is not None and before is not None:
            moved = _moved(threshold, before, interval)
            alerts_after = None if moved is None else _alerts(p, moved, weight)
            believed = fits is not False and not large_changes(columns)
            alerts = (alerts_before, alerts_after)
            said.append(_verdict.of_threshold(threshold, moved, alerts, believed=believed))
    figures = _judged(positive, p, weight)
    return DriftReport(
        columns=columns,
        n_rows=len(frame),
        n_reference=reference.n_rows,
        extra_columns=extra,
        score=score_drift,
        prevalence_before=before,
        prevalence_estimated=interval,
        label_shift_fits=fits,
        mean_score=mean,
        prevalence_observed=observed,
        average_precision=figures[0],
        log_loss=figures[1],
        threshold=threshold,
        moved_threshold=moved,
        alerts_before=alerts_before,
        alerts_after=alerts_after,
        verdict=" ".join(said),
    )


def _check_columns(reference: Reference, frame: pd.DataFrame) -> None:
    absent = [c.name for c in reference.columns if c.name not in frame.columns]
    if absent:
        others = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ValueError(
            f"X lacks the column {absent[0]!r}{others} of the reference; it has "
            f"{list(frame.columns)[:10]}."
        )


def _table(
    reference: Reference, frame: pd.DataFrame, weight: Floats | None, sizes: Sizes
) -> pd.DataFrame:
    rows = []
    for summary in reference.columns:
        found = compare_column(summary, frame[summary.name], weight, sizes)
        rows.append(
            {
                "column": summary.name,
                "kind": summary.kind,
                "psi": found.stability.psi,
                "level": found.stability.level,
                "psi_by_chance": found.stability.by_chance,
                "psi_limit": found.stability.limit,
                "beyond_chance": found.stability.beyond_chance,
                "ks": _or_nan(found.ks),
                "missing_before": summary.missing,
                "missing": found.missing,
                "unseen": _or_nan(found.unseen),
                "out_of_range": _or_nan(found.out_of_range),
            }
        )
    return pd.DataFrame(rows)


def _or_nan(figure: float | None) -> float:
    return math.nan if figure is None else figure


def _old_prevalence(reference: Reference) -> tuple[float | None, float]:
    """The prevalence that probabilities are calibrated to, and its standard error.

    Their mean over the reference is that, and less noisy than the share of its labels.
    """
    if reference.mean_score is not None and reference.score_deviation is not None:
        return reference.mean_score, reference.score_deviation / math.sqrt(reference.effective_rows)
    share = reference.prevalence
    if share is None:
        return None, 0.0
    return share, math.sqrt(share * (1.0 - share) / reference.effective_rows)


def _label_shift_fits(
    reference: Reference, p: Floats, weight: Floats | None, new_prevalence: float, sizes: Sizes
) -> bool | None:
    """Whether scores fall into bins as changed shares of the classes alone would make them."""
    score, before = reference.score, reference.mean_score
    if score is None or before is None or not 0.0 < before < 1.0:
        return None
    expected = shares_under_label_shift(
        np.asarray(score.bin_shares), np.asarray(reference.bin_scores), before, new_prevalence
    )
    place = np.searchsorted(score.edges, log_odds(p), side="left")
    counts = np.bincount(place, weight, minlength=expected.size)
    found = stability(expected, counts / counts.sum(), sizes.reference, sizes.new, _SIGNIFICANCE)
    return not found.beyond_chance


def _moved(threshold: float, before: float, interval: Interval) -> float | None:
    """The threshold that decides as `threshold` would at the estimated prevalence."""
    if interval.low <= before <= interval.high:
        return None
    # Of rows that all look like one class the estimate goes to 0 or 1, whose logit is infinite.
    new = min(max(interval.value, _LEAST), 1.0 - _LEAST)
    return float(expit(logit(threshold) - (logit(new) - logit(before))))


def _alerts(p: Floats, threshold: float, weight: Floats | None) -> float:
    return 1000.0 * float(np.average(p >= threshold, weights=weight))


def _judged(
    positive: NDArray[np.bool_] | None, p: Floats | None, weight: Floats | None
) -> tuple[float | None, float | None]:
    """Average precision, where there are rows of both classes, and log loss."""
    if positive is None or p is None:
        return None, None
    loss = float(log_loss(positive, p, sample_weight=weight, labels=[False, True]))
    if positive.all() or not positive.any():
        return None, loss
    return float(average_precision(positive, p, sample_weight=weight)), loss
