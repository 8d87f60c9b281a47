"""A fit that fails leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def whole_or_unchanged(estimator: Any) -> Iterator[None]:
    """Put every attribute back where the block is left by an exception, an interrupt included.

    Attributes must be replaced in the block, not changed in place.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise
