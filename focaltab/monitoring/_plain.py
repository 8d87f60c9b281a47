"""Checks of plain JSON from a file of anybody's: one clear error that names the field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# Shares are sums of floats.
_ROUNDING = 1e-9


def record(value: Any, where: str, fields: Sequence[str]) -> dict[str, Any]:
    """A JSON object of exactly these fields."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object, got {_kind(value)}.")
    unknown = [name for name in value if name not in fields]
    if unknown:
        raise ValueError(f"{where} has the unknown field {unknown[0]!r}.")
    absent = [name for name in fields if name not in value]
    if absent:
        raise ValueError(f"{where} lacks the field {absent[0]!r}.")
    return value


def array(value: Any, where: str) -> list[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise ValueError(f"{where} must be an array, got {_kind(value)}.")
    return value


def text(value: Any, where: str) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, got {_kind(value)}.")
    return value


def truth(value: Any, where: str) -> bool:
    """A JSON true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{where} must be true or false, got {_kind(value)}.")
    return value


def number(
    value: Any, where: str, *, low: float = -math.inf, high: float = math.inf, whole: bool = False
) -> float:
    """A finite JSON number from `low` to `high`, a whole one if asked for."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Whole numbers of hundreds of digits are valid JSON, and too large for a float.
    if not is_number or abs(value) > 1.7e308 or not math.isfinite(value):
        raise ValueError(f"{where} must be a finite number, got {_kind(value)}.")
    if whole and not isinstance(value, int):
        raise ValueError(f"{where} must be a whole number, got {value}.")
    if not low <= value <= high:
        raise ValueError(f"{where} must lie from {low:g} to {high:g}, got {value}.")
    return value if whole else float(value)


def share(value: Any, where: str) -> float:
    """A number from 0 to 1."""
    return number(value, where, low=0.0, high=1.0)


def optional_share(value: Any, where: str) -> float | None:
    """A number from 0 to 1, or null."""
    return None if value is None else share(value, where)


def numbers(value: Any, where: str) -> tuple[float, ...]:
    """A JSON array of finite numbers."""
    return tuple(number(v, f"{where}[{k}]") for k, v in enumerate(array(value, where)))


def check_sums_to_one(shares: Sequence[float], where: str) -> None:
    """Refuse shares that do not sum to 1."""
    total = math.fsum(shares)
    if abs(total - 1.0) > _ROUNDING * max(len(shares), 1):
        raise ValueError(f"{where} must sum to 1, got {total:.9g}.")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), repr(value)[:40])
