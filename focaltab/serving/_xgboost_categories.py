"""The pandas categories that an XGBoost model was trained on, also where its file cuts them short.

XGBoost 3.2 takes the bytes of all categories in a row, but the lengths of each in characters, so
that "Zürich", "Rome" are kept as "Züric", "hRom". It does the same in scoring, where all of them
come in the same order again. What they were can be put together but for the last bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd


def categories_of(name: str, stored: Any, seen: Collection[str]) -> pd.Index:
    """The categories of a column, in the order of training.

    Parameters
    ----------
    name : str
        Of the column, for errors.
    stored : pyarrow.Array
    seen : collection of str
        Values that the column had, of which some may be lacking.

    Raises
    ------
    ValueError
        If they cannot be known.
    """
    import pyarrow as pa

    if not (pa.types.is_string(stored.type) or pa.types.is_large_string(stored.type)):
        return pd.Index(stored.to_pylist())
    pieces: list[bytes] = stored.cast(pa.large_binary()).to_pylist()
    if all(piece.isascii() for piece in pieces):
        return pd.Index([piece.decode("ascii") for piece in pieces])
    for found in (_as_stored(pieces), _put_together(pieces, seen)):
        if found is not None and seen and set(seen) <= set(found):
            return pd.Index(found)
    raise ValueError(
        f"XGBoost's file cuts the categories of column {name!r} short, since they hold more than "
        "ASCII. Save the model with rows that have all of them (X=), or train it behind "
        "focaltab.pipeline.make_pipeline, which keeps them itself."
    )


def _as_stored(pieces: list[bytes]) -> list[str] | None:
    try:
        return [piece.decode("utf-8") for piece in pieces]
    except UnicodeDecodeError:
        return None


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
