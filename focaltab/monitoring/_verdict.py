"""What the figures of a `DriftReport` mean, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from focaltab.metrics import Interval
from focaltab.monitoring._drift import ScoreDrift, drifted_columns, large_changes
from focaltab.monitoring._reference import Reference
from focaltab.monitoring._stability import MODERATE

_N_NAMED = 5
# A mean score that is off by so many standard errors, and so large a share, is not calibrated.
_STANDARD_ERRORS = 3.0
_OFF = 0.1


def of_columns(columns: pd.DataFrame, n_rows: int, extra: tuple[str, ...]) -> list[str]:
    """Which columns changed, and whether so few rows could show it."""
    changed = drifted_columns(columns)
    said = []
    if changed.empty:
        said.append("No column changed beyond both chance and the rule of thumb.")
    else:
        named = [f"{row.column} (PSI {row.psi:.2f}, {row.level})" for row in changed.itertuples()]
        said.append(f"{len(changed)} of {len(columns)} columns changed: {_listed(named)}.")
    little = columns[
        columns["beyond_chance"] & (columns["level"] == "stable") & (columns["kind"] != "date")
    ]["column"].tolist()
    if little:
        said.append(f"Beyond chance, but little (PSI below {MODERATE}): {_listed(little)}.")
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
        said.append(f"Not in the reference: {_listed(extra)}.")
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
    *,
    by_score: bool,
) -> list[str]:
    """The estimated prevalence, and how far it can be believed.

    `before` is the old one, as the reference's mean score (`by_score`) or its labels have it.
    """
    estimate = (
        f"The prevalence is estimated at {percent(interval.value)} (95% interval "
        f"{percent(interval.low)} to {percent(interval.high)})"
    )
    # A share of few labels may be far from it, and is no fault.
    known = f"the mean score of {percent(before)}" if by_score else percent(before)
    if interval.low <= before <= interval.high:
        said = [f"{estimate}, which {known} in the reference agrees with."]
    else:
        said = [f"{estimate}, against {known} in the reference."]
    said.append(
        "That assumes that only the shares of the classes changed, not what each class looks like."
    )
    large = large_changes(columns)
    if fits is False:
        said.append("The scores do not fall as that would make them.")
    if large:
        said.append(f"The large change of {_listed(large)} speaks against it.")
    elif not drifted_columns(columns).empty:
        said.append("The columns that changed make it doubtful.")
    if observed is not None and not interval.low <= observed <= interval.high:
        said.append(
            f"The labels say {percent(observed)}, outside that interval: something other than the "
            "shares of the classes changed, or the model is not calibrated."
        )
    elif fits is False:
        said.append(
            "If each kind of row is as risky as it was, it is the mean score, "
            f"{percent(mean_score)}."
        )
    return said


def of_threshold(
    threshold: float,
    moved: float | None,
    alerts: tuple[float, float | None],
    *,
    believed: bool,
) -> str:
    """Whether the threshold must move, `alerts` being those before and after."""
    before, after = alerts
    if moved is None or after is None:
        return f"The threshold of {threshold:.4g} can stay: {_rate(before)} alerts per 1,000 rows."
    made = f"{_rate(after)} alerts per 1,000 rows in place of {_rate(before)}"
    if believed:
        return (
            f"To decide as {threshold:.4g} does on corrected probabilities, move the threshold to "
            f"{moved:.4g}: {made}."
        )
    return (
        f"Do not move the threshold of {threshold:.4g} before labels confirm the estimate; it "
        f"would be {moved:.4g}: {made}."
    )


def _rate(alerts: float) -> str:
    return f"{alerts:,.0f}" if alerts >= 100.0 else f"{alerts:.3g}"


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100.0 * share:.3g}%"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _N_NAMED
    return ", ".join(names[:_N_NAMED]) + (f" and {more} more" if more > 0 else "")
