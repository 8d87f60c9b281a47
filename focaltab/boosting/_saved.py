"""Boosters in a saved model: the library's own file as a part, everything else as plain state."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from focaltab._compat import lightgbm, xgboost
from focaltab._saving import PartWriter, part_reader

# What only `fit` uses, and what may be code, which a saved model must not hold.
_FOR_FIT_ALONE = ("callbacks", "eval_metric")
_PART = "booster_part"


def xgboost_state(estimator: Any, state: dict[str, Any], writer: PartWriter) -> dict[str, Any]:
    """State of a `FocalXGBClassifier`, with its model file among the parts."""

    def content() -> bytes:
        # Through its own file, which holds the loss and the labels too.
        with TemporaryDirectory() as folder:
            path = Path(folder, "xgboost.json")
            estimator.save_model(path)
            return path.read_bytes()

    return writer.state_of(
        estimator, lambda: _state(state, writer, xgboost.BOOSTER, ("xgboost", ".json"), content)
    )


def lightgbm_state(estimator: Any, state: dict[str, Any], writer: PartWriter) -> dict[str, Any]:
    """State of a `FocalLGBMClassifier`, with its model file among the parts."""

    def content() -> bytes:
        # All rounds, though a model that stopped early predicts with the best alone.
        return state[lightgbm.BOOSTER].model_to_string(num_iteration=-1).encode()

    def make() -> dict[str, Any]:
        made = _state(state, writer, lightgbm.BOOSTER, ("lightgbm", ".txt"), content)
        if _PART in made:
            made["booster_best_iteration"] = state[lightgbm.BOOSTER].best_iteration
        return made

    return writer.state_of(estimator, make)


def xgboost_restored(state: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the estimator whose state `xgboost_state` made."""
    state = dict(state)
    part = state.pop(_PART, None)
    if part is not None:
        # Here, not above: users of one library do without the other's 20 MB.
        from xgboost import Booster

        content = bytearray(part_reader().content(part))
        booster = Booster({"nthread": state.get("n_jobs")}, model_file=content)
        booster.set_attr(focaltab=None, scikit_learn=None)
        state[xgboost.BOOSTER] = booster
    return state


def lightgbm_restored(state: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the estimator whose state `lightgbm_state` made."""
    state = dict(state)
    part = state.pop(_PART, None)
    if part is not None:
        from lightgbm import Booster

        booster = Booster(model_str=part_reader().content(part).decode())
        booster.best_iteration = state.pop("booster_best_iteration")
        state[lightgbm.BOOSTER] = booster
    return state


def _state(
    state: dict[str, Any],
    writer: PartWriter,
    booster: str,
    file: tuple[str, str],
    content: Callable[[], bytes],
) -> dict[str, Any]:
    state = dict(state)
    for name in _FOR_FIT_ALONE:
        if _has_code(state.get(name)):
            warnings.warn(
                f"{name} holds code, which a saved model cannot: it is saved as None. Predictions "
                "do not need it.",
                UserWarning,
                stacklevel=2,
            )
            state[name] = None
    if state.get(booster) is not None:
        del state[booster]
        state[_PART] = writer.add(*file, content())
    return state


def _has_code(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_code, value))
    return value is not None and not isinstance(value, str)
