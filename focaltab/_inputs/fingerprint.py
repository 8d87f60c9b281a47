"""Know the same data and settings again, in another process."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from joblib import hash as joblib_hash  # type: ignore[import-untyped]


def fingerprint_of(*parts: Any) -> str:
    """A hash that is the same in another process for the same data and settings."""
    return str(joblib_hash([_hashable(part) for part in parts], hash_name="sha1"))


def described(value: Any) -> str:
    """A ``repr`` without the addresses in memory that those of functions hold."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


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
