"""The first rounds of an XGBoost model, as a model that reads the same tables."""

from __future__ import annotations

import json
from typing import Any

from xgboost import Booster

_CATEGORIES = "cats"


def first_rounds(booster: Booster, n_rounds: int) -> Booster:
    """A copy that ends after `n_rounds`.

    XGBoost up to 3.2 forgets in slicing which category has which number (dmlc/xgboost#12462): a
    frame whose categories stand in another order, or are fewer, would be scored as another table,
    without a word. They are put back.
    """
    kept = booster[:n_rounds]
    if _named(booster) == _named(kept):
        return kept
    whole, part = _as_json(booster), _as_json(kept)
    _model(part)[_CATEGORIES] = _model(whole)[_CATEGORIES]
    mended = Booster(model_file=bytearray(json.dumps(part).encode()))
    # What may have changed by a device or a thread count is a parameter, not in the file.
    mended.load_config(kept.save_config())
    return mended


def _named(booster: Booster) -> bool:
    """Whether the model knows categories by their values."""
    columns = booster.get_categories(export_to_arrow=True).to_arrow() or []
    return any(values is not None for _, values in columns)


def _as_json(booster: Booster) -> dict[str, Any]:
    return dict(json.loads(booster.save_raw("json")))


def _model(facts: dict[str, Any]) -> dict[str, Any]:
    booster = facts["learner"]["gradient_booster"]
    # DART keeps its trees a level deeper.
    model: dict[str, Any] = booster.get("gbtree", booster)["model"]
    return model
