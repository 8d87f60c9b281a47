"""JSON as its standard has it, where Python's reader is laxer or fails in other ways."""

from __future__ import annotations

import json
import math
from typing import Any

from focaltab.serving._refusal import Refusal

# Of a whole number: more of them do not fit into a float.
_MOST_DIGITS = 300


class Doubled(dict[str, Any]):
    """An object in which a name stands twice: of which value the caller meant nobody knows."""

    name: str


def parsed(body: bytes) -> Any:
    """The content of a body.

    NaN, Infinity and numbers beyond a float's range come out as floats that are not finite, so
    that whoever checks the rows can say where they stand; so do objects with a name twice.

    Raises
    ------
    Refusal
        400 for what is no JSON.
    """
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_constant=_not_finite,
        )
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8 (byte {error.start})."
    except RecursionError:
        message = "The body is nested too deeply: a row holds numbers, text and null alone."
    except json.JSONDecodeError as error:
        message = f"The body is no JSON: {error}."
    except ValueError:
        # The reader's own words may hold what the body says.
        message = "The body is no JSON."
    raise Refusal.of(400, message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    doubled = Doubled(found)
    doubled.name = name
    return doubled


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _not_finite(literal: str) -> float:
    return math.nan if literal == "NaN" else math.inf
