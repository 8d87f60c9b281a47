"""What a booster's own model file does not hold: the loss that undoes its margins, the labels.

XGBoost's holds categories, but cuts those beyond ASCII short: they are kept here as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from focaltab._inputs import Classes
from focaltab.losses import FocalLoss

Categories = Mapping[Any, pd.Index]


def to_json(loss: FocalLoss, classes: Classes, prevalence: Any, categories: Categories) -> str:
    """Text from which `from_json` and `categories_from_json` make all of them again."""
    labels = classes.labels
    if labels.dtype == object:
        raise TypeError(
            f"labels of type {type(labels[0]).__name__} cannot be written to a model file: use "
            "text or numbers."
        )
    return json.dumps(
        {
            "gamma": loss.gamma,
            "class_weights": loss.class_weights,
            "link": loss.link_name,
            "classes": labels.tolist(),
            "dtype": labels.dtype.str,
            "flipped": classes.flipped,
            "prevalence": np.asarray(prevalence).tolist(),
            "categories": {str(name): plain(known) for name, known in categories.items()},
        }
    )


def from_json(text: str) -> tuple[FocalLoss, Classes, Any]:
    """The loss, the class labels, of the type they had, and the prevalence."""
    kept = json.loads(text)
    classes = Classes(np.array(kept["classes"], dtype=kept["dtype"]), kept["flipped"])
    gamma, prevalence = kept["gamma"], kept["prevalence"]
    loss = FocalLoss(
        tuple(gamma) if isinstance(gamma, list) else gamma,
        kept["class_weights"],
        link=kept["link"],
        n_classes=classes.labels.size,
    )
    return loss, classes, np.array(prevalence) if isinstance(prevalence, list) else prevalence


def categories_from_json(text: str) -> dict[Any, pd.Index]:
    """Categories by column; none of a file that holds none."""
    return as_categories(json.loads(text).get("categories", {}))


def plain(known: pd.Index) -> list[Any]:
    """Categories of text or whole numbers as plain values, and the type of the numbers.

    XGBoost tells whole numbers of one width from those of another.
    """
    return [known.tolist(), str(known.dtype) if known.dtype.kind in "iu" else None]


def as_categories(described: Mapping[Any, Any]) -> dict[Any, pd.Index]:
    """What `plain` described, by column."""
    return {name: pd.Index(values, dtype=dtype) for name, (values, dtype) in described.items()}


def alpha_of(loss: FocalLoss) -> Any:
    """The ``focal_alpha`` that gives these class weights, up to their scale."""
    weights = np.array(loss.class_weights)
    if np.allclose(weights, weights[0]):
        return None
    share = weights / weights.sum()
    return share.tolist() if loss.is_multiclass else float(share[1])
