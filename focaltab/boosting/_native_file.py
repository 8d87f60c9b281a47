"""What a booster's own model file does not hold: the loss that undoes its margins, the labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.losses import FocalLoss


def loss_to_json(loss: FocalLoss, classes: NDArray[Any]) -> str:
    """Text from which `loss_from_json` makes both again."""
    if classes.dtype == object:
        raise TypeError(
            f"labels of type {type(classes[0]).__name__} cannot be written to a model file: use "
            "text or numbers."
        )
    return json.dumps(
        {
            "gamma": loss.gamma,
            "class_weights": loss.class_weights,
            "link": loss.link_name,
            "classes": classes.tolist(),
            "dtype": classes.dtype.str,
        }
    )


def loss_from_json(text: str) -> tuple[FocalLoss, NDArray[Any]]:
    """The loss and the class labels, of the type they had."""
    kept = json.loads(text)
    classes = np.array(kept["classes"], dtype=kept["dtype"])
    gamma = kept["gamma"]
    loss = FocalLoss(
        tuple(gamma) if isinstance(gamma, list) else gamma,
        kept["class_weights"],
        link=kept["link"],
        n_classes=classes.size,
    )
    return loss, classes
