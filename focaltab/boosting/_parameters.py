"""The boosters' parameters: those of their pilot, and those that would be taken for others."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Collection
from inspect import signature
from typing import Any, Final

# So alike are a misspelt name and the one that is meant; names of the libraries' own that are none
# of the estimators' parameters are less so.
_ALIKE = 0.85


# The boosters' pilot of hard-negative sampling is asked about every row, so it is small.
PILOT: Final[dict[str, Any]] = {
    "focal_gamma": 0.0,
    "n_estimators": 25,
    "max_depth": 4,
    "learning_rate": 0.2,
    # Without these, leaves of a few positives make a pilot sure of what it has seen.
    "min_child_weight": 1.0,
    "reg_lambda": 1.0,
}


def check_spelling(
    estimator: Any, further: Collection[str], is_alias: Callable[[str, str], bool]
) -> None:
    """Refuse a name that no library knows, if it is nearly one of a parameter.

    The libraries take any name, and train without it.

    Parameters
    ----------
    estimator : estimator
    further : collection of str
        What was given beyond the parameters of the constructor; LightGBM's ``set_params`` counts
        all among them.
    is_alias : callable
        Whether the first name is another one of the library's for the second.

    Raises
    ------
    ValueError
        Names the parameter that is meant.
    """
    # A subclass hands most of them on as keywords.
    constructors = (signature(base).parameters for base in type(estimator).__mro__[:-1])
    further = set(further) - set[str]().union(*constructors)
    if not further:
        return
    others = [name for name in estimator.get_params(deep=False) if name not in further]
    for name in further:
        near = difflib.get_close_matches(name, others, 1, _ALIKE)
        if near and "__" not in name and not is_alias(name, near[0]):
            raise ValueError(f"There is no parameter {name!r}: is {near[0]!r} meant?")


def warn_of_namesakes(given: dict[str, Any], loss: dict[str, Any]) -> None:
    """Warn where a parameter of the trees may be meant for one of the loss.

    Parameters
    ----------
    given : dict of str to value
        The library's own ``gamma`` and ``alpha``, None where they were not given.
    loss : dict of str to bool
        The loss's parameter of the same kind, and whether it was left at its default.
    """
    for (name, value), (own, is_default) in zip(given.items(), loss.items(), strict=True):
        if value is not None and is_default:
            warnings.warn(
                f"{name}={value!r} is a parameter of the trees; the loss's is {own}. Set {own} too "
                "if both are meant.",
                UserWarning,
                stacklevel=4,
            )
