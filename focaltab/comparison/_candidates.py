"""Which losses a comparison tries with which models, and the estimator of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from focaltab._optional import require
from focaltab.data import described
from focaltab.losses import ClassBalanced
from focaltab.model_selection._positive import agreed_pos_label, pos_label_of

REFERENCE = "cross_entropy"
FOREST = "balanced_random_forest"
# Candidates in which the focal loss is minimised: what the verdict names in the end.
FOCAL = ("focal", "class_balanced_focal")

_GAMMA = 2.0
# Cui et al. (CVPR 2019) find 0.999 and 0.9999 best where classes are most uneven.
_BETA = 0.999
_ROUNDS = 100
_EPOCHS = 30

# What would add to a loss, or name a label: rows reach a model as 0 and 1.
_NEUTRAL = {
    "focal_gamma": 0.0,
    "focal_alpha": None,
    "class_weight": None,
    "scale_pos_weight": None,
    "pos_label": None,
    "sampling": None,
}
# What each loss sets in focaltab's estimators, and how it resamples.
_LOSSES: dict[str, tuple[dict[str, Any], str | None]] = {
    REFERENCE: ({"focal_gamma": 0.0}, None),
    "weighted_cross_entropy": ({"focal_gamma": 0.0, "class_weight": "balanced"}, None),
    "focal": ({"focal_gamma": _GAMMA}, None),
    "class_balanced_focal": (
        {"focal_gamma": _GAMMA, "focal_alpha": ClassBalanced(_BETA)},
        None,
    ),
    "over_sampling": ({"focal_gamma": 0.0}, "over"),
    "under_sampling": ({"focal_gamma": 0.0}, "under"),
    "hard_negatives": ({"focal_gamma": 0.0, "sampling": "hard_negative"}, None),
}
# Compared when asked for: it needs 25 positives in every training part.
_ASKED_FOR = ("hard_negatives",)
_MODELS = ("xgb", "lgbm", "mlp")
_FOREST_MODEL = "forest"


@dataclass(frozen=True)
class Candidate:
    """A model under one loss, and the pipeline to fit."""

    model: str
    loss: str
    estimator: Any

    @property
    def name(self) -> str:
        return self.loss if self.loss == FOREST else f"{self.model} {self.loss}"

    @property
    def settings(self) -> str:
        """All parameters, so that a stored result is known to be of the same estimator."""
        told = sorted((k, v) for k, v in self.estimator.get_params().items() if k != "steps")
        return repr([(k, _told(v)) for k, v in told])


def _told(value: Any) -> str:
    # The parameters of an estimator are listed on their own.
    kind = type(value)
    is_estimator = hasattr(value, "get_params")
    return f"{kind.__module__}.{kind.__qualname__}" if is_estimator else described(value)


def candidates(
    models: Iterable[str] | Mapping[str, Any], losses: Iterable[str] | None, random_state: int
) -> list[Candidate]:
    """All candidates, model by model; cross-entropy is always among a model's.

    Raises
    ------
    ValueError
        For names that are unknown, listing those there are, or no model or loss at all.
    ImportError
        For a network without torch.
    """
    from focaltab.pipeline import make_pipeline

    chosen = _chosen_losses(losses)
    made = []
    for model, base in _chosen_models(models, random_state).items():
        for loss in chosen:
            if loss == FOREST:
                continue
            options, resampler = _LOSSES[loss]
            known = base.get_params()
            settings = {k: v for k, v in {**_NEUTRAL, **options}.items() if k in known}
            estimator = clone(base).set_params(**settings)
            pipeline = make_pipeline(estimator, resampler=resampler, random_state=random_state)
            made.append(Candidate(model, loss, pipeline))
    if FOREST in chosen:
        forest = make_pipeline(_balanced_forest(random_state), random_state=random_state)
        made.append(Candidate(_FOREST_MODEL, FOREST, forest))
    return made


def label_told(models: Iterable[str] | Mapping[str, Any], pos_label: Any) -> Any:
    """The positive label that the comparison or its models are told, or None.

    Raises
    ------
    ValueError
        If two of them are told different ones.
    """
    given = models if isinstance(models, Mapping) else {}
    told = {f"models[{name!r}].pos_label": pos_label_of(given[name]) for name in given}
    return agreed_pos_label({"pos_label": pos_label} | told)


def _chosen_losses(losses: Iterable[str] | None) -> list[str]:
    known = [*_LOSSES, FOREST]
    if losses is None:
        return [name for name in known if name not in _ASKED_FOR]
    given = [losses] if isinstance(losses, str) else list(losses)
    for name in given:
        if name not in known:
            raise ValueError(_unknown("loss", name, known))
    if not given:
        raise ValueError(f"losses is empty: there are {', '.join(known)}.")
    return [name for name in known if name in given or name == REFERENCE]


def _chosen_models(models: Iterable[str] | Mapping[str, Any], random_state: int) -> dict[str, Any]:
    if isinstance(models, Mapping):
        for name, estimator in models.items():
            has_params = hasattr(estimator, "get_params") and not isinstance(estimator, type)
            if not has_params or "focal_gamma" not in estimator.get_params():
                raise ValueError(
                    f"models[{name!r}] must be one of focaltab's classifiers, whose loss can be "
                    f"set, got {type(estimator).__name__}."
                )
        if _FOREST_MODEL in models:
            raise ValueError(
                f"models: the name {_FOREST_MODEL!r} is that of {FOREST}; choose another."
            )
        if alike := sorted({str(n) for n in models if sum(str(m) == str(n) for m in models) > 1}):
            raise ValueError(f"models: {alike[0]!r} is the name of two of them.")
        chosen = {str(name): estimator for name, estimator in models.items()}
    else:
        given = [models] if isinstance(models, str) else list(models)
        for name in given:
            if name not in _MODELS:
                raise ValueError(_unknown("model", name, list(_MODELS)))
        chosen = {name: _base(name, random_state) for name in dict.fromkeys(given)}
    if not chosen:
        raise ValueError(f"models is empty: there are {', '.join(_MODELS)}.")
    return chosen


def _base(model: str, random_state: int) -> Any:
    """A model as it is compared: on one thread, so that results do not depend on their number.

    Rounds are fixed. Rows held out to stop early by would be taken from what is trained on, where
    repeated positives stand on both sides.
    """
    if model == "mlp":
        require("torch", "the model 'mlp'", extra="torch")
        from focaltab.neural import FocalMLPClassifier

        return FocalMLPClassifier(
            max_iter=_EPOCHS, early_stopping=False, device="cpu", random_state=random_state
        )
    options: dict[str, Any] = {
        "n_estimators": _ROUNDS,
        "learning_rate": 0.1,
        "n_jobs": 1,
        "random_state": random_state,
    }
    if model == "xgb":
        from focaltab.boosting import FocalXGBClassifier

        return FocalXGBClassifier(**options)
    from focaltab.boosting import FocalLGBMClassifier

    # As in `focaltab train`: LightGBM's own 1e-3 lets leaves of a few rows take any value.
    return FocalLGBMClassifier(**options, min_child_weight=1.0, verbosity=-1)


def _balanced_forest(random_state: int) -> Any:
    from imblearn.ensemble import BalancedRandomForestClassifier

    return BalancedRandomForestClassifier(n_estimators=100, n_jobs=1, random_state=random_state)


def _unknown(kind: str, name: Any, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name), known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: there are {', '.join(known)}.{hint}"
