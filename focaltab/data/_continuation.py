"""Whether a model can be gone on from."""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab.data._labels import Classes
from focaltab.losses import FocalLoss


def check_continuation(previous: Any, loss: FocalLoss, classes: Classes) -> None:
    """Refuse to continue a model whose margins mean something else than this loss's.

    True log-odds are the same under every gamma and alpha; focal margins are not.

    Raises
    ------
    ValueError
        Names the parameter that differs, or the classes.
    """
    before = getattr(previous, "loss_", None)
    if before is None:  # a booster or a file, of which only the user knows
        return
    known = getattr(previous, "_label_order", None)
    if known is not None and known.by_number.tolist() != classes.by_number.tolist():
        raise ValueError(
            f"The model to continue was trained on classes {known.by_number.tolist()} (the "
            f"positive one last), not {classes.by_number.tolist()}: set pos_label, or the labels, "
            "as they were."
        )
    if before.link_name != loss.link_name:
        raise ValueError(
            f"The model to continue was trained with link={before.link_name!r}, not "
            f"{loss.link_name!r}: its margins would be misread."
        )
    if loss.link_name == "logit":
        return
    if before.gamma != loss.gamma:
        raise ValueError(
            f"The model to continue was trained with focal_gamma={before.gamma!r}, not "
            f"{loss.gamma!r}, and link='focal': its margins would be misread."
        )
    old, new = (np.array(one.class_weights) for one in (before, loss))
    if not np.allclose(old / old.sum(), new / new.sum(), rtol=1e-3):
        raise ValueError(
            "The model to continue was trained with another focal_alpha, and link='focal': its "
            "margins would be misread."
        )
