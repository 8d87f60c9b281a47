"""Held-out figures in words and in rows of text: what the command line and the report both say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focaltab.data._early_stopping import EARLY_STOP
from focaltab.data._labels import COMMON
from focaltab.metrics import Difference
from focaltab.metrics._bootstrap import ENOUGH_ROWS

# Told with the average precision, or apart.
_TOLD_ELSEWHERE = ("prevalence", "average_precision_low", "average_precision_high")
# Small for rare positives, whatever the model.
_SMALL = ("brier_score", "log_loss", "mean_probability")


def model_name(gamma: float, alpha: Any) -> str:
    """The focal model in a few words.

    Examples
    --------
    >>> model_name(2.0, "balanced")
    'focal gamma=2, alpha=balanced'
    """
    return f"focal gamma={gamma:g}" + ("" if alpha is None else f", alpha={alpha}")


def verdict(figures: Mapping[str, Any], name: str) -> str:
    """Both average precisions, and whether their difference means anything.

    With few held-out rows of a class no difference is called one: see `ENOUGH_ROWS`.
    """
    focal, plain = figures["focal"], figures["cross_entropy"]
    gap = Difference(
        focal["average_precision"],
        plain["average_precision"],
        figures["difference"]["low"],
        figures["difference"]["high"],
    )
    told = f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    positives = figures["positives"]["test"]
    rarer = min(positives, figures["rows"]["test"] - positives)
    if rarer < ENOUGH_ROWS:
        sort = "positives" if rarer == positives else "negatives"
        end = (
            f"may have helped or hurt: too few {sort} to tell. Only {rarer} are held out, and the "
            f"interval of the difference, {told}, says little with fewer than {ENOUGH_ROWS}"
        )
    elif gap.is_noise:
        end = f"made no clear difference here: {told} is within the noise"
    else:
        end = f"{'helped' if gap.value > 0 else 'hurt'} here, by {told}"
    return (
        f"{name[0].upper()}{name[1:]}: average precision {_with_interval(focal, 3)} against "
        f"{_with_interval(plain, 3)} with cross-entropy. Focal loss {end}."
    )


def warnings_about(figures: Mapping[str, Any], name: str) -> list[str]:
    """What the reader should know before trusting the figures; mostly nothing."""
    said = []
    share = figures["positives"]["test"] / figures["rows"]["test"]
    if share > COMMON:
        said.append(
            f"The positive label is that of {share:.1%} of the held-out rows. If the rare one is "
            "to be found, name it with --positive."
        )
    rounds = figures["rounds"]
    early = EARLY_STOP[rounds["unit"]]
    collapsed = [told for key, told in _told_names(name) if rounds[key] <= early < rounds["most"]]
    if not collapsed:
        return said
    return [
        *said,
        f"Early stopping kept hardly any {rounds['unit']}s of {' and of '.join(collapsed)}: with "
        "more, rows that are not trained on are predicted worse. Either the columns say next to "
        "nothing of the target, or a few of them give it away.",
    ]


def best_rounds(figures: Mapping[str, Any], name: str) -> str:
    """The best round or epoch of both fits."""
    rounds = figures["rounds"]
    told = ", ".join(f"{rounds[key]:,} ({told})" for key, told in _told_names(name))
    return f"{told} of at most {rounds['most']:,}"


def _told_names(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("focal", name), ("cross_entropy", "cross-entropy")


def figure_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Name, focal, cross-entropy and no skill of each figure, as text."""
    focal, plain = figures["focal"], figures["cross_entropy"]
    rows = []
    for name in focal:
        if name in _TOLD_ELSEWHERE:
            continue
        no_skill = f"{focal['prevalence']:.5f}" if name == "average_precision" else ""
        rows.append([name.replace("_", " "), _cell(name, focal), _cell(name, plain), no_skill])
    return rows


def _cell(name: str, figures: Mapping[str, float]) -> str:
    if name == "average_precision":
        return _with_interval(figures, 4)
    return f"{figures[name]:.{5 if name in _SMALL else 3}f}"


def _with_interval(figures: Mapping[str, float], digits: int) -> str:
    value, low, high = (figures["average_precision" + part] for part in ("", "_low", "_high"))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
