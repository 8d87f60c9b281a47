"""XGBoost: what its scikit-learn class and its training over Dask keep to themselves."""

from __future__ import annotations

import json
from collections.abc import Collection
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


def stored_categories(booster: Any) -> list[Any]:
    """The categories that a booster keeps of each column, as Arrow arrays; None without any.

    By ``get_categories`` of 3.1, which is experimental. Up to 3.2 the bytes of names are counted as
    characters: names beyond ASCII come cut short. Without it models of XGBoost's own classes could
    not be continued or served where they have categories.
    """
    from xgboost.core import XGBoostError

    try:
        stored = booster.get_categories(export_to_arrow=True).to_arrow() or ()
    except XGBoostError:  # a linear model
        return [None] * booster.num_features()
    return [values for _, values in stored]


def whole_categories(stored: Any, seen: Collection[Any]) -> list[Any] | None:
    """Categories that a booster keeps, put together where they come cut short.

    By how 3.2 cuts them: the bytes of all names in a row, by their lengths in characters. In
    another version they are whole.

    Parameters
    ----------
    stored : Arrow array
    seen : collection
        Values of the column, by which the last of them can be told.

    Returns
    -------
    list or None
        None where they cannot be known.
    """
    import pyarrow as pa

    if not (pa.types.is_string(stored.type) or pa.types.is_large_string(stored.type)):
        values: list[Any] = stored.to_pylist()
        return values
    pieces: list[bytes] = stored.cast(pa.large_binary()).to_pylist()
    if all(piece.isascii() for piece in pieces):
        return [piece.decode("ascii") for piece in pieces]
    for names in (_as_stored(pieces, seen), _put_together(pieces, seen)):
        if names is not None and seen and set(seen) <= set(names):
            return names
    return None


def _as_stored(pieces: list[bytes], seen: Collection[str]) -> list[str] | None:
    """The pieces themselves, where they have not been cut: where all that might be were seen."""
    first = next(k for k, piece in enumerate(pieces) if not piece.isascii())
    try:
        names = [piece.decode("utf-8") for piece in pieces]
    except UnicodeDecodeError:
        return None
    return names if set(names[first:]) <= set(seen) else None


def _put_together(pieces: list[bytes], seen: Collection[str]) -> list[str] | None:
    # The last character may be cut in two.
    text = b"".join(pieces).decode("utf-8", "ignore")
    names: list[str] = []
    start = 0
    for piece in pieces:
        length = len(piece)  # in characters of the category
        rest = text[start : start + length]
        start += length
        if len(rest) < length:
            fitting = [v for v in seen if len(v) == length and v.startswith(rest)]
            fitting = [value for value in fitting if value not in names]
            if len(fitting) != 1:
                return None
            rest = fitting[0]
        names.append(rest)
    return names if _cut(names) == pieces else None


def _cut(categories: list[str]) -> list[bytes]:
    every = "".join(categories).encode("utf-8")
    pieces, start = [], 0
    for category in categories:
        pieces.append(every[start : start + len(category)])
        start += len(category)
    return pieces


def without_categories(booster: Any) -> Any:
    """A copy of a booster that takes the categories of a table by their places.

    By ``cats`` of its JSON. Were they kept elsewhere, the copy would refuse whole numbers in place
    of names.
    """
    return _with_categories(booster, {"enc": [], "feature_segments": [], "sorted_idx": []})


def first_rounds(booster: Any, n_rounds: int) -> Any:
    """A copy of a booster that ends after `n_rounds`.

    Up to 3.2 slicing forgets the categories (dmlc/xgboost#12462); the copy would take those of any
    table by their places. They are put back, by ``cats`` of its JSON.
    """
    kept = booster[:n_rounds]
    if stored_categories(booster).count(None) == stored_categories(kept).count(None):
        return kept
    return _with_categories(kept, _forest(_as_json(booster))["cats"])


def _with_categories(booster: Any, categories: dict[str, Any]) -> Any:
    facts = _as_json(booster)
    _forest(facts)["cats"] = categories
    changed = type(booster)(model_file=bytearray(json.dumps(facts).encode()))
    # What may have changed by a device or a thread count is a parameter, not in the file.
    changed.load_config(booster.save_config())
    return changed


def _as_json(booster: Any) -> dict[str, Any]:
    return dict(json.loads(bytes(booster.save_raw("json"))))


def _forest(facts: dict[str, Any]) -> dict[str, Any]:
    booster = facts["learner"]["gradient_booster"]
    # DART keeps its trees a level deeper.
    forest: dict[str, Any] = booster.get("gbtree", booster)["model"]
    return forest
