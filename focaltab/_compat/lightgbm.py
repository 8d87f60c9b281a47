"""LightGBM: what its scikit-learn classes keep to themselves, and what 4.7 does otherwise."""

from __future__ import annotations

import re
from collections.abc import Collection
from inspect import signature
from typing import Any

from numpy.typing import NDArray

# Methods of LightGBM's that focaltab's classes override. ``_process_params(stage)`` gives the
# booster's parameters, objective included; not called any more, a fit would minimise LightGBM's own
# loss, or hand it parameters that it does not know.
OVERRIDDEN = ("_process_params",)

# The attribute in which an estimator keeps its booster; without it nothing is saved.
BOOSTER = "_Booster"

# What the tasks are called that train on Dask's workers; without it a lost worker is waited for.
DASK_TASK = "_train_part"

_CLUSTER = ("client", "_other_params")
_OF_LABELS = ("_le", "_class_weight")


def aliases_of(*names: str) -> set[str]:
    """All names that LightGBM takes for some parameters, their own included.

    By ``_ConfigAliases``. Without it a parameter that was given by another name goes unnoticed.
    """
    from lightgbm.basic import _ConfigAliases

    return set(_ConfigAliases.get(*names))


def further_parameters(estimator: Any) -> dict[str, Any]:
    """Parameters that an estimator was given beyond those that its constructor names.

    By ``_other_params``. Without it ``scale_pos_weight`` would be without effect.
    """
    return dict(estimator._other_params)


def category_positions(booster: Any) -> list[int]:
    """Positions of the columns that a booster splits by category.

    By its parameters as the model's text states them. Without them a file that lists categories
    would not say of which columns they are.
    """
    text = booster.model_to_string(num_iteration=1)
    given = re.search(r"\[categorical_feature: ([\d,]*)\]", text)
    return [int(k) for k in given[1].split(",")] if given and given[1] else []


def listed_categories(booster: Any) -> list[list[Any]]:
    """The categories that a booster's file lists, in the order of their columns.

    By ``pandas_categorical``, with which a frame's own are compared.
    """
    return booster.pandas_categorical or []


def list_categories(booster: Any, lists: list[list[Any]]) -> None:
    """Have a booster compare the categories of a frame with these, and its file list them.

    By ``pandas_categorical``. Without it a file would hold whole numbers without a meaning.
    """
    booster.pandas_categorical = lists


def evaluation_arguments(
    eval_set: list[tuple[Any, Any]],
    weights: dict[int, Any] | None = None,
    scores: dict[int, Any] | None = None,
) -> dict[str, Any]:
    """Evaluation sets as the arguments of ``LGBMClassifier.fit``, weights and scores by number.

    LightGBM 4.7 deprecated ``eval_set`` in favour of a pair of arguments that 4.6 does not know.
    Were both to go, early stopping would fail at once.
    """
    from lightgbm import LGBMClassifier

    if not eval_set:
        return {}
    arguments = {"eval_sample_weight": weights or None, "eval_init_score": scores or None}
    if "eval_X" not in signature(LGBMClassifier.fit).parameters:
        return {"eval_set": eval_set, **arguments}
    X, codes = zip(*eval_set, strict=True)
    return {"eval_X": X, "eval_y": codes, **arguments}


def evaluation_result(data: str, metric: str, value: float, more_is_better: bool) -> Any:
    """A figure as LightGBM's callbacks read it.

    Since 4.7 they ask for ``EvalResult``, before it for a plain tuple. In another form early
    stopping on a cluster fails at once.
    """
    import lightgbm

    if hasattr(lightgbm, "EvalResult"):
        return lightgbm.EvalResult(data, metric, value, more_is_better)
    return data, metric, value, more_is_better


def as_feval(metric: Any) -> Any:
    """A metric ``f(y_true, y_pred[, weight[, group]])`` as ``lightgbm.train`` takes it.

    By ``_EvalFunctionWrapper``, as in ``LGBMClassifier.fit``. Without it tables in files are not
    judged by callables.
    """
    from lightgbm.sklearn import _EvalFunctionWrapper

    return _EvalFunctionWrapper(metric)


def nothing_to_split(error: BaseException) -> bool:
    """Whether LightGBM failed since no column can be split, which a custom objective cannot bear.

    By its message. In other words, a fit on constant columns would raise instead of giving the
    intercept.
    """
    return "num_features()) > (0)" in str(error)


def training_parameters(estimator: Any, codes: NDArray[Any]) -> dict[str, Any]:
    """The booster's parameters for class numbers, as ``LGBMClassifier.fit`` would find them.

    By ``_process_params``, which goes by ``_n_classes``. Without them tables in files are not
    trained on.
    """
    _number_labels(estimator, codes)
    return dict(estimator._process_params(stage="fit"))


def set_fitted(estimator: Any, booster: Any, results: dict[str, Any]) -> None:
    """Leave behind a trained booster and its figures, as ``LGBMClassifier.fit`` does.

    By attributes that the class's properties read. Were there more of them, a model of a table in
    files would lack what those properties tell.
    """
    estimator._Booster = booster
    estimator._n_features = estimator._n_features_in = booster.num_feature()
    estimator._fitted_with_feature_names = True
    estimator._evals_result = results
    estimator._best_iteration = booster.best_iteration
    estimator._best_score = booster.best_score
    estimator.fitted_ = True


def set_best_iteration(
    estimator: Any, n_rounds: int, best_score: dict[str, Any], results: dict[str, Any]
) -> None:
    """Have a fitted classifier tell the rounds that it was given as its best ones.

    By the attributes that its properties read. Kept elsewhere, they would tell of no early
    stopping.
    """
    estimator._Booster.best_iteration = estimator._best_iteration = n_rounds
    estimator._best_score = best_score
    estimator._evals_result = results


def set_labels(estimator: Any, labels: NDArray[Any], objective: str | None = None) -> None:
    """Have a classifier that learned class numbers answer with labels in sorted order.

    By ``_le``, ``_classes`` and ``_n_classes``, and ``_objective`` if one is given. Without them
    ``predict`` and ``classes_`` would give numbers.
    """
    _number_labels(estimator, labels)
    estimator._classes = labels
    if objective is not None:
        estimator._objective = objective


def _number_labels(estimator: Any, labels: NDArray[Any]) -> None:
    from sklearn.preprocessing import LabelEncoder

    estimator._le = LabelEncoder().fit(labels)
    estimator._n_classes = estimator._le.classes_.size


def forget_class_weights(estimator: Any) -> None:
    """Undo what a fit with class weights leaves behind for the next.

    By ``_class_weight``. Kept elsewhere, the former weights would count in a fit without any.
    """
    estimator._class_weight = None


def fitted_attributes(
    estimator: Any, parameters: Collection[str], *, labels: bool
) -> dict[str, Any]:
    """What a fit left on an estimator, which a model without a cluster needs.

    By the names of what else there is: parameters, the client, and without `labels` what tells
    class numbers from them. An attribute of the cluster's under a new name would go along, and
    could fail to be pickled.
    """
    skipped = {*parameters, *_CLUSTER, *(() if labels else _OF_LABELS)}
    return {name: value for name, value in vars(estimator).items() if name not in skipped}


def train_on_cluster(
    estimator: Any, model_factory: type, X: Any, y: Any, options: dict[str, Any]
) -> None:
    """Train an estimator of ``lightgbm.dask`` through models of another class.

    By ``_lgb_dask_fit``. Its public ``fit`` numbers labels on each worker anew; without this one
    there is no training over Dask.
    """
    estimator._lgb_dask_fit(model_factory=model_factory, X=X, y=y, **options)


def leave_network() -> None:
    """Close this process's connections to other workers.

    By the C function ``LGBM_NetworkFree`` of ``_LIB``, which LightGBM calls after a success alone.
    Without it the fit after one that failed would wait for workers that are gone.
    """
    from lightgbm.basic import _LIB

    _LIB.LGBM_NetworkFree()
