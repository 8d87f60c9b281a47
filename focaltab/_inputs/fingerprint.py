"""Know the same data and settings again, in another process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pandas as pd
from joblib import hash as joblib_hash  # type: ignore[import-untyped]


def fingerprint_of(*parts: Any) -> str:
    """A hash that is the same in another process for the same data and settings."""
    return str(joblib_hash([_hashable(part) for part in parts], hash_name="sha1"))


def described(value: Any) -> str:
    """A ``repr`` without addresses in memory, but with what functions and generators hold."""
    plain = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    return plain + "".join(_held(value))


def _held(value: Any) -> Iterator[str]:
    """What the ``repr`` of a setting does not tell: the same name may stand for another thing."""
    if isinstance(value, np.random.RandomState):
        yield str(joblib_hash(value.get_state(legacy=False)))
    elif isinstance(value, np.random.Generator):
        yield str(joblib_hash(value.bit_generator.state))
    elif isinstance(value, partial):
        yield from _held(value.func)
    elif isinstance(value, FunctionType):
        yield from _code(value.__code__)
        yield described([value.__defaults__, value.__kwdefaults__])
        yield from (described(cell.cell_contents) for cell in value.__closure__ or ())
    elif hasattr(value, "_score_func"):  # a scorer of scikit-learn's
        yield from _held(value._score_func)


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield repr(constant)


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
