"""What a booster's own model file does not hold: the loss that undoes its margins, the labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from focaltab.data import Classes
from focaltab.losses import FocalLoss


def to_json(loss: FocalLoss, classes: Classes, prevalence: Any) -> str:
    """Text from which `from_json` makes all of them again."""
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


def alpha_of(loss: FocalLoss) -> Any:
    """The ``focal_alpha`` that gives these class weights, up to their scale."""
    weights = np.array(loss.class_weights)
    if np.allclose(weights, weights[0]):
        return None
    share = weights / weights.sum()
    return share.tolist() if loss.is_multiclass else float(share[1])
