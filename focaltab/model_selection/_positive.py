"""Which label an estimator is told to be positive."""

from __future__ import annotations

from typing import Any


def pos_label_of(estimator: Any) -> Any:
    """The positive label that an estimator, or one inside of it, is told; or None.

    Raises
    ------
    ValueError
        If two of them are told different ones.
    """
    told = {
        name: value
        for name, value in estimator.get_params(deep=True).items()
        if name.split("__")[-1] == "pos_label" and value is not None
    }
    names = sorted(told, key=len)
    for name in names[1:]:
        if told[name] != told[names[0]]:
            raise ValueError(
                f"{names[0]}={told[names[0]]!r} and {name}={told[name]!r} name different positive "
                "labels: which one is to be found?"
            )
    return told[names[0]] if names else None
