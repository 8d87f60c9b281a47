"""From figures per fold to differences, and from differences to plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from focaltab.comparison._candidates import FOCAL, REFERENCE
from focaltab.metrics._bootstrap import ENOUGH_ROWS
from focaltab.model_selection._paired import corrected_difference

JUDGED_BY = "average_precision"
_LEVEL = 0.05


def differences(folds: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Each candidate minus cross-entropy of its model, fold by fold, for every figure.

    P-values are corrected for the number of comparisons of a figure (Holm, "A Simple Sequentially
    Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979).

    Returns
    -------
    DataFrame
        One row per model, loss and metric: value, low, high, p_value, p_value_holm.
    """
    ratio = float((folds["n_test"] / folds["n_train"]).mean()) if len(folds) else math.nan
    rows: list[tuple[Any, ...]] = []
    for model, of_model in folds.groupby("model", sort=False):
        by_loss = of_model.set_index(["loss", "fold"])
        losses = list(dict.fromkeys(of_model["loss"]))
        if REFERENCE not in losses:
            continue
        for loss in losses:
            if loss == REFERENCE:
                continue
            apart = by_loss.loc[loss, list(metrics)] - by_loss.loc[REFERENCE, list(metrics)]
            for metric in metrics:
                found = corrected_difference(apart[metric].to_numpy(), ratio)
                rows.append(
                    (model, loss, metric, found.value, found.low, found.high, found.p_value)
                )
    columns = ["model", "loss", "metric", "value", "low", "high", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    by_metric = table.groupby("metric")["p_value"]
    table["p_value_holm"] = by_metric.transform(lambda p: holm(p.to_numpy()))
    return table


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's corrected p-values; NaN stays and does not count."""
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (order.size - np.arange(order.size))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def verdict(
    apart: pd.DataFrame, models: Sequence[str], failures: dict[str, str], fewest_positives: int
) -> str:
    """Which loss, if any, beats cross-entropy beyond noise for each model."""
    judged = apart[apart["metric"] == JUDGED_BY]
    sentences = [_about(model, judged[judged["model"] == model]) for model in models]
    focal = judged[judged["loss"].isin(FOCAL)]
    if focal["p_value"].notna().any() and not _won(focal).any():
        sentences.append("Focal loss won nothing on these data.")
    if fewest_positives < ENOUGH_ROWS:
        sentences.append(
            f"Folds with as few as {fewest_positives} positives to judge by show large differences "
            "alone."
        )
    if failures:
        sentences.append(f"Left out, since they failed: {', '.join(failures)}.")
    return "\n".join(sentences)


def _about(model: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return f"{model}: nothing to compare with cross-entropy."
    if rows["p_value"].isna().all():
        return f"{model}: the folds say nothing about noise; raise cv or n_repeats."
    told = []
    won = rows[_won(rows)].sort_values("value", ascending=False)
    for row in won.itertuples():
        told.append(f"{row.loss} beats cross_entropy beyond noise, by {_interval(row)}")
    if won.empty:
        best = next(rows.nlargest(1, "value").itertuples())
        told.append(
            f"no loss beats cross_entropy beyond noise; the highest is {best.loss}, at "
            f"{_interval(best)}"
        )
    lost = rows[(rows["p_value_holm"] < _LEVEL) & (rows["value"] < 0)].sort_values("value")
    if len(lost):
        told.append(f"worse beyond noise: {', '.join(lost['loss'])}")
    return f"{model}: {'; '.join(told)}."


def _won(rows: pd.DataFrame) -> pd.Series:
    return (rows["p_value_holm"] < _LEVEL) & (rows["value"] > 0)


def _interval(row: Any) -> str:
    if math.isnan(row.low):
        return f"{row.value:+.4f} in average precision, the same in every fold"
    return f"{row.value:+.4f} ({row.low:+.4f} to {row.high:+.4f}) in average precision"


def summary(folds: pd.DataFrame, apart: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """One row per candidate: means over folds, and the difference in average precision."""
    table = folds.groupby(["model", "loss"], sort=False)[list(metrics)].mean()
    judged = apart[apart["metric"] == JUDGED_BY].set_index(["model", "loss"])
    names = {"value": "difference", "low": "difference_low", "high": "difference_high"}
    judged = judged.rename(columns=names)[[*names.values(), "p_value", "p_value_holm"]]
    return table.join(judged)
