"""Checks of what only a booster's fit is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from focaltab.losses import FocalLoss


def check_continuation(previous: Any, loss: FocalLoss) -> None:
    """Refuse to continue a model whose margins mean something else than this loss's.

    True log-odds are the same under every gamma and alpha; focal margins are not.

    Raises
    ------
    ValueError
        Names the parameter that differs.
    """
    before = getattr(previous, "loss_", None)
    if before is None:  # a booster or a file, of which only the user knows
        return
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


def own_threads(n_jobs: int | None) -> int | None:
    """Threads for the objective under the estimator's ``n_jobs``; None for all."""
    return n_jobs if n_jobs is not None and n_jobs > 0 else None
