"""XGBoost: what its scikit-learn class and its training over Dask keep to themselves."""

from __future__ import annotations

from typing import Any

# Methods of XGBoost's that focaltab's classes override. ``_create_dmatrix(ref, **data)`` makes each
# table that a fit reads; not called any more, tables in files would be refused and focal weights
# not be renewed. ``_wrapper_params()`` names what is no parameter of the booster; not called any
# more, XGBoost would warn of focaltab's own.
OVERRIDDEN = ("_create_dmatrix", "_wrapper_params")

# The attribute in which an estimator keeps its booster; without it nothing is saved.
BOOSTER = "_Booster"

# What the tasks are called that train on Dask's workers; without it a lost worker is waited for.
DASK_TASK = "fn"


def set_booster(model: Any, booster: Any) -> None:
    """Give a classifier another booster, with which it predicts from then on.

    By ``_Booster``. Kept elsewhere, the model would predict with rounds after the best.
    """
    model._Booster = booster


def n_rounds_used(model: Any) -> int:
    """Rounds that a fitted classifier predicts with: up to the best; 0 for all.

    By ``_get_iteration_range``. Without it an exported model could have more rounds than its own
    predictions.
    """
    return int(model._get_iteration_range(None)[1])


def workers_of(matrix: Any) -> list[str]:
    """Addresses of the workers that hold rows of a ``DaskDMatrix``.

    By ``worker_map``, which maps them to partitions. Without it evaluation sets cannot be dealt
    out.
    """
    return sorted(matrix.worker_map)


def deal_out(matrix: Any, shares: dict[str, list[Any]]) -> None:
    """Have a ``DaskDMatrix`` consist of these partitions on these workers.

    By ``worker_map``. Read from elsewhere, training would fail where a worker has rows to train on
    and none to evaluate.
    """
    matrix.worker_map = shares


def partition_of(features: Any, codes: Any, weight: Any = None) -> dict[str, Any]:
    """Rows in the form of ``xgboost.dask``'s partitions.

    By the names of its parts. Under other names evaluation sets would lack their labels or weights.
    """
    share = {"data": features, "label": codes}
    return share if weight is None else {**share, "weight": weight}
