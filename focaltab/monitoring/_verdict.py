"""What the figures of a `DriftReport` mean, in plain words."""

from __future__ import annotations

import math

import pandas as pd

from focaltab.metrics import Interval
from focaltab.monitoring._drift import ScoreDrift, drifted_columns
from focaltab.monitoring._reference import Reference
from focaltab.monitoring._stability import LARGE, MODERATE

_N_NAMED = 5
# A mean score that is off by so many standard errors, and so large a share, is not calibrated.
_STANDARD_ERRORS = 3.0
_OFF = 0.1


def of_columns(columns: pd.DataFrame, n_rows: int, extra: tuple[str, ...]) -> list[str]:
    """Which columns changed, and whether so few rows could show it."""
    changed = drifted_columns(columns)
    said = []
    if changed.empty:
        said.append("No column changed by more than chance and the rule of thumb allow.")
    else:
        named = [
            f"{row.column} (PSI {row.psi:.2f}, {row.level})"
            for row in changed.head(_N_NAMED).itertuples()
        ]
        more = len(changed) - len(named)
        said.append(
            f"{len(changed)} of {len(columns)} columns changed: {', '.join(named)}"
            + (f" and {more} more." if more else ".")
        )
    noisy = int((columns["psi_limit"] > MODERATE).sum())
    if noisy:
        said.append(
            f"For {noisy} of {len(columns)} columns chance alone may make a PSI of up to "
            f"{columns['psi_limit'].max():.2f} with {n_rows:,} new rows: smaller changes of these "
            "cannot be told from noise."
        )
    moved = columns[(columns["kind"] == "date") & (columns["level"] != "stable")]
    if not moved.empty:
        said.append(f"Dates moved on, as they do: {', '.join(moved['column'])}.")
    if extra:
        said.append(f"Not in the reference: {', '.join(extra[:_N_NAMED])}{_and_more(extra)}.")
    return said


def of_score(score: ScoreDrift) -> str:
    """Whether the scores changed."""
    if score.level == "stable" or not score.beyond_chance:
        return f"The scores are stable (PSI {score.psi:.2f})."
    return f"The scores changed (PSI {score.psi:.2f}, {score.level})."


def of_calibration(reference: Reference) -> str | None:
    """A warning where the mean score of the reference is not its prevalence."""
    share, mean = reference.prevalence, reference.mean_score
    if share is None or mean is None:
        return None
    error = math.sqrt(share * (1.0 - share) / reference.effective_rows)
    off = abs(mean - share)
    if off <= _STANDARD_ERRORS * error or off <= _OFF * share:
        return None
    return (
        f"The mean score of the reference is {percent(mean)}, but {percent(share)} of its rows are "
        "positive: the probabilities are not calibrated, and the estimated prevalence needs that."
    )


def of_prevalence(
    interval: Interval,
    before: float,
    mean_score: float,
    fits: bool | None,
    columns: pd.DataFrame,
    observed: float | None,
) -> list[str]:
    """The estimated prevalence, and how far it can be believed."""
    estimate = (
        f"The prevalence is estimated at {percent(interval.value)} (95% interval "
        f"{percent(interval.low)} to {percent(interval.high)})"
    )
    if interval.low <= before <= interval.high:
        said = [f"{estimate}, which {percent(before)} as in the reference agrees with."]
    else:
        said = [f"{estimate}, against {percent(before)} in the reference."]
    said.append(
        "That assumes that only the shares of the classes changed, not what each class looks like"
        + _doubts(fits, columns)
    )
    if observed is not None and not interval.low <= observed <= interval.high:
        said.append(
            f"The labels say {percent(observed)}, outside that interval: something other than the "
            "shares of the classes changed, or the model is not calibrated."
        )
    elif fits is False:
        said.append(
            f"If each kind of row is as risky as it was, it is the mean score, "
            f"{percent(mean_score)}, and the threshold stays."
        )
    return said


def _doubts(fits: bool | None, columns: pd.DataFrame) -> str:
    changed = drifted_columns(columns)
    large = changed[changed["psi"] >= LARGE]["column"].tolist()
    against = []
    if fits is False:
        against.append("the scores, which do not fall as that would make them,")
    if large:
        against.append(f"the large change of {', '.join(large[:_N_NAMED])}")
    if against:
        said = " and ".join(against).rstrip(",")
        speaks = "speak" if len(against) > 1 or fits is False else "speaks"
        return f"; {said} {speaks} against it: move no threshold before labels confirm it."
    if not changed.empty:
        return ", which the columns that changed make doubtful: see whether labels confirm it."
    return "."


def of_threshold(
    threshold: float,
    moved: float | None,
    alerts_before: float,
    alerts_after: float | None,
) -> str:
    """Whether the threshold must move."""
    if moved is None or alerts_after is None:
        return (
            f"The threshold of {threshold:.4g} can stay: {alerts_before:.3g} alerts per 1,000 rows."
        )
    return (
        f"To decide as {threshold:.4g} does on corrected probabilities, move the threshold to "
        f"{moved:.4g}: {alerts_after:.3g} alerts per 1,000 rows in place of {alerts_before:.3g}."
    )


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100.0 * share:.3g}%"


def _and_more(names: tuple[str, ...]) -> str:
    more = len(names) - _N_NAMED
    return f" and {more} more" if more > 0 else ""
