"""The pandas categories that an XGBoost model was trained on, also where its file cuts them short.

XGBoost 3.2 takes the bytes of all categories in a row, but the lengths of each in characters, so
that "Zürich", "Rome" are kept as "Züric", "hRom". It does the same in scoring, where all of them
come in the same order again. What they were can be put together but for the last bytes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from xgboost import Booster

from focaltab._inputs.continuation import check_same_names
from focaltab.boosting._native_file import categories_from_json


def category_lists(
    model: Any, seen: Mapping[str, Collection[Any]], remedy: str
) -> list[tuple[str, pd.Index | None]]:
    """Each column's name in an XGBoost model, and its categories in the order of training.

    Parameters
    ----------
    model : fitted XGBClassifier or Booster
        Of a `FocalXGBClassifier` and its files those that it kept itself; else the library's own.
    seen : mapping of column names
        Values that a column had or has, of which some may be lacking.
    remedy : str
        What to do where they cannot be known, for the error.

    Returns
    -------
    list of (str, Index or None)
        None for columns without categories, and where the model does not say.

    Raises
    ------
    ValueError
        Names the column whose categories XGBoost cut short.
    """
    booster = _booster(model)
    kept = getattr(model, "_categories", None)
    if not kept:
        described = booster.attr("focaltab")
        kept = {} if described is None else categories_from_json(described)
    own = {str(name): known for name, known in kept.items()}
    lists: list[tuple[str, pd.Index | None]] = []
    for name, stored in booster.get_categories(export_to_arrow=True).to_arrow() or ():
        known = own.get(name)
        if known is None and stored is not None:
            known = _whole(stored, seen.get(name, ()))
            if known is None:
                raise ValueError(
                    f"XGBoost's file cuts the categories of column {name!r} short, since they "
                    f"hold more than ASCII. {remedy}"
                )
        lists.append((name, known))
    return lists


def columns_to_continue(model: Any, X: Any) -> tuple[dict[Any, pd.Index], frozenset[str]]:
    """What a model that training goes on from knows of the columns of a frame or table.

    Returns
    -------
    categories : dict
        In the order of training, by column.
    plain : frozenset of str
        Names of the columns without any.

    Raises
    ------
    ValueError
        Names a column that the model does not know or knows in another place, or whose categories
        XGBoost cut short: the last of them cannot be told from those of other rows.
    """
    if model is None:
        return {}, frozenset()
    if isinstance(model, str | os.PathLike):
        model = Booster(model_file=model)
    booster = _booster(model)
    names, types = booster.feature_names, booster.feature_types
    if names is not None:
        check_same_names([str(name) for name in X.dtypes.index], names)
    remedy = (
        "Go on from the FocalXGBClassifier itself or a file that its save_model wrote: they have "
        "them whole."
    )
    known = {name: own for name, own in category_lists(model, {}, remedy) if own is not None}
    plain = frozenset(n for n, kind in zip(names or (), types or (), strict=False) if kind != "c")
    return {name: known[str(name)] for name in X.dtypes.index if str(name) in known}, plain


def _booster(model: Any) -> Booster:
    return model.get_booster() if hasattr(model, "get_booster") else model


def _whole(stored: Any, seen: Collection[Any]) -> pd.Index | None:
    """Categories that XGBoost lists, whole; None where they cannot be told."""
    import pyarrow as pa

    if not (pa.types.is_string(stored.type) or pa.types.is_large_string(stored.type)):
        return pd.Index(stored.to_numpy())
    pieces: list[bytes] = stored.cast(pa.large_binary()).to_pylist()
    if all(piece.isascii() for piece in pieces):
        return pd.Index([piece.decode("ascii") for piece in pieces])
    for found in (_as_stored(pieces, seen), _put_together(pieces, seen)):
        if found is not None and seen and set(seen) <= set(found):
            return pd.Index(found)
    return None


def _as_stored(pieces: list[bytes], seen: Collection[str]) -> list[str] | None:
    """The pieces themselves, where they have not been cut: where all that might be were seen."""
    first = next(k for k, piece in enumerate(pieces) if not piece.isascii())
    try:
        found = [piece.decode("utf-8") for piece in pieces]
    except UnicodeDecodeError:
        return None
    return found if set(found[first:]) <= set(seen) else None


def _put_together(pieces: list[bytes], seen: Collection[str]) -> list[str] | None:
    # The last character may be cut in two.
    text = b"".join(pieces).decode("utf-8", "ignore")
    found: list[str] = []
    start = 0
    for piece in pieces:
        length = len(piece)  # in characters of the category
        rest = text[start : start + length]
        start += length
        if len(rest) < length:
            fitting = [v for v in seen if len(v) == length and v.startswith(rest)]
            fitting = [value for value in fitting if value not in found]
            if len(fitting) != 1:
                return None
            rest = fitting[0]
        found.append(rest)
    return found if _cut(found) == pieces else None


def _cut(categories: list[str]) -> list[bytes]:
    """What XGBoost makes of categories."""
    every = "".join(categories).encode("utf-8")
    pieces, start = [], 0
    for category in categories:
        pieces.append(every[start : start + len(category)])
        start += len(category)
    return pieces
