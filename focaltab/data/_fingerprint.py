"""Know the same data and settings again, in another process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import pandas as pd
from joblib import hash as joblib_hash  # type: ignore[import-untyped]

from focaltab._compat.sklearn import scorer_parts


def fingerprint_of(*parts: Any) -> str:
    """A hash that is the same in another process for the same data and settings."""
    return str(joblib_hash([_hashable(part) for part in parts], hash_name="sha1"))


def described(value: Any) -> str:
    """A setting in text: no addresses in memory, but what functions and generators hold.

    The same name may stand for another function by the next run.
    """
    return "|".join(_told(value, set()))


def _told(value: Any, above: set[int]) -> Iterator[str]:
    if id(value) in above:  # a function that calls itself holds itself
        yield "itself"
        return
    above = above | {id(value)}
    if isinstance(value, np.ndarray | pd.Series | pd.DataFrame):
        yield fingerprint_of(value)
    elif isinstance(value, np.random.RandomState):
        yield str(joblib_hash(value.get_state(legacy=False)))
    elif isinstance(value, np.random.Generator):
        yield str(joblib_hash(value.bit_generator.state))
    elif isinstance(value, CodeType):
        yield value.co_code.hex()
        yield repr(value.co_names)
        yield from _told(value.co_consts, above)
    elif isinstance(value, set | frozenset):
        # Their order is that of hashes, which Python salts anew in every process.
        yield from sorted("|".join(_told(one, above)) for one in value)
    else:
        yield _plain(value)
        for part in _parts(value):
            yield from _told(part, above)


def _plain(value: Any) -> str:
    """The ``repr``, of what is more than its parts."""
    made_of_parts = isinstance(value, list | tuple | dict | partial | FunctionType | MethodType)
    if made_of_parts or scorer_parts(value) is not None:
        return str(getattr(value, "__qualname__", type(value).__name__))
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield one
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__)
        for cell in value.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # nothing in it yet
                continue
    elif (made := scorer_parts(value)) is not None:
        yield from made
    elif callable(value) and hasattr(value, "__dict__") and not isinstance(value, type):
        yield from (type(value).__call__, vars(value))


def _hashable(part: Any) -> Any:
    # Pandas' own hash: its objects pickle differently for equal values.
    if isinstance(part, pd.DataFrame):
        columns = [(str(name), _hashable(part.iloc[:, k])) for k, name in enumerate(part.columns)]
        return "frame", columns
    if isinstance(part, pd.Series):
        try:
            values: Any = pd.util.hash_pandas_object(part, index=False).to_numpy()
        except TypeError:  # values that pandas cannot hash
            values = [repr(v) for v in part]
        return "series", str(part.dtype), values
    if isinstance(part, np.ndarray) and part.dtype == object:
        return "objects", [repr(v) for v in part.ravel().tolist()]
    return part
