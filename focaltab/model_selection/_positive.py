"""Which label an estimator is told to be positive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pos_label_of(estimator: Any) -> Any:
    """The positive label that an estimator, or one inside of it, is told; or None.

    Raises
    ------
    ValueError
        If two of them are told different ones.
    """
    has_params = hasattr(estimator, "get_params") and not isinstance(estimator, type)
    params = estimator.get_params(deep=True) if has_params else {}
    told = {name: params[name] for name in params if name.split("__")[-1] == "pos_label"}
    return agreed_pos_label({name: told[name] for name in sorted(told, key=len)})


def agreed_pos_label(told: Mapping[str, Any]) -> Any:
    """The one positive label that is told under these names, None being none told; or None.

    Raises
    ------
    ValueError
        If two of them are different.
    """
    said = [(name, label) for name, label in told.items() if label is not None]
    for name, label in said[1:]:
        first, known = said[0]
        if label != known:
            raise ValueError(
                f"{first}={known!r} and {name}={label!r} name different positive labels: which one "
                "is to be found?"
            )
    return said[0][1] if said else None
