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


def loss_name(key: str, gamma: float, alpha: Any) -> str:
    """A model of one loss in a few words.

    Examples
    --------
    >>> loss_name("focal", 2.0, "balanced")
    'focal gamma=2, alpha=balanced'
    >>> loss_name("cross_entropy", 0.0, None)
    'cross-entropy'
    """
    if key == "cross_entropy":
        return "cross-entropy"
    return f"focal gamma={gamma:g}" + ("" if alpha is None else f", alpha={alpha}")


def verdict(figures: Mapping[str, Any]) -> str:
    """Both average precisions, and whether their difference means anything.

    With few held-out rows of a class no difference is called one: see `ENOUGH_ROWS`.
    """
    first, plain = (figures[key] for key in figures["names"])
    first_name, plain_name = figures["names"].values()
    gap = Difference(
        first["average_precision"],
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
    is_ensemble = "ensemble" in figures["names"]
    said = (
        f"{first_name[0].upper()}{first_name[1:]}: average precision {_with_interval(first, 3)} "
        f"against {_with_interval(plain, 3)} with {'one booster of ' if is_ensemble else ''}"
        f"{plain_name}. {'The ensemble' if is_ensemble else 'Focal loss'} {end}."
    )
    if figures["chosen"]:
        because = (
            "its folds' log loss is lower by more than the noise"
            if figures["kept"] == "focal"
            else "the folds' log loss of focal loss is not lower by more than the noise"
        )
        said += f" Kept: {figures['names'][figures['kept']]}, since {because}."
    return said


def warnings_about(figures: Mapping[str, Any]) -> list[str]:
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
    collapsed = [
        name
        for key, name in figures["names"].items()
        if rounds.get(key, rounds["most"]) <= early < rounds["most"]
    ]
    if not collapsed:
        return said
    return [
        *said,
        f"Early stopping kept hardly any {rounds['unit']}s of {' and of '.join(collapsed)}: with "
        "more, rows that are not trained on are predicted worse. Either the columns say next to "
        "nothing of the target, or a few of them give it away.",
    ]


def best_rounds(figures: Mapping[str, Any]) -> str:
    """The best round or epoch of each fit that has one."""
    rounds = figures["rounds"]
    told = [f"{rounds[key]:,} ({name})" for key, name in figures["names"].items() if key in rounds]
    return f"{', '.join(told)} of at most {rounds['most']:,}"


def figure_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Name, the value of both models and that of no skill for each figure, as text."""
    both = [figures[key] for key in figures["names"]]
    rows = []
    for name in both[0]:
        if name in _TOLD_ELSEWHERE:
            continue
        no_skill = f"{both[0]['prevalence']:.5f}" if name == "average_precision" else ""
        rows.append([name.replace("_", " "), *(_cell(name, of) for of in both), no_skill])
    return rows


def member_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Member, average precision, log loss, weight, rows and seconds, as text; none without any."""
    return [
        [
            member["member"],
            f"{member['average_precision']:.4f}",
            f"{member['log_loss']:.5f}",
            f"{member['weight']:.2f}",
            f"{member['rows']:,}",
            f"{member['seconds']:.1f}",
        ]
        for member in figures.get("members", [])
    ]


MEMBER_HEAD = ["member", "average precision", "log loss", "weight", "rows", "seconds"]


def _cell(name: str, figures: Mapping[str, float]) -> str:
    if name == "average_precision":
        return _with_interval(figures, 4)
    return f"{figures[name]:.{5 if name in _SMALL else 3}f}"


def _with_interval(figures: Mapping[str, float], digits: int) -> str:
    value, low, high = (figures["average_precision" + part] for part in ("", "_low", "_high"))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
