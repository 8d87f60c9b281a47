"""What is known of a saved model, as JSON: enough to use it without opening it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from focaltab import __version__

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The facts of a saved model.

    Parameters
    ----------
    format : int
        Of the folder.
    focaltab : str
        Version that wrote it.
    model : str
        Class of the model.
    versions : dict of str to str
        Of the libraries that it was saved with.
    classes : list
        Labels in the order of ``predict_proba``'s columns.
    positive : str, number or None
        The positive label, for two classes.
    loss : dict or None
        ``gamma``, ``class_weights`` and ``link`` of the one focal loss in the model; None where it
        has none or several.
    prevalence : float, list of float or None
        Share of the positive class in training, or of each class.
    threshold : float or None
        Probability from which the model itself calls a row positive, if it has such a threshold.
    feature_names : list of str or None
        Names of the columns that the model asks for.
    feature_types : list of str or None
        Of these columns "number", "category", "text", "date" or "time", as far as the model or the
        rows given to `save` tell; "" where neither does, and "left out" where it reads none of it.
    n_features : int or None
    metrics : dict
        Figures given to `save`.
    reference : dict or None
        What the rows given to `save` looked like, for `focaltab.monitoring.Reference.from_dict`.
    """

    format: int
    focaltab: str
    model: str
    versions: dict[str, str]
    classes: list[Any]
    positive: Any
    loss: dict[str, Any] | None
    prevalence: Any
    threshold: float | None
    feature_names: list[str] | None
    feature_types: list[str] | None
    n_features: int | None
    metrics: dict[str, Any]
    reference: dict[str, Any] | None

    def to_json(self) -> bytes:
        """The content of ``manifest.json``.

        Raises
        ------
        ValueError
            If a metric is no text, number, list or dict.
        """
        try:
            text = json.dumps(asdict(self), indent=1, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the model's facts cannot be written as JSON: {error}") from None
        return (text + "\n").encode("utf-8")

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read ``manifest.json``.

        Raises
        ------
        ValueError
            If it is none, or one of a later format.
        """
        try:
            found = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{NAME} is no JSON: {error}") from None
        if not isinstance(found, dict) or type(found.get("format")) is not int:
            raise ValueError(f"{NAME} says no format: it is none of a saved model.")
        if found["format"] != FORMAT:
            raise ValueError(
                f"the model was saved in format {found['format']} by focaltab "
                f"{found.get('focaltab')}; this is focaltab {__version__}, which reads format "
                f"{FORMAT}. Install that version, or save the model anew."
            )
        known = {field.name for field in fields(cls)}
        if set(found) != known:
            odd = sorted(known.symmetric_difference(found))
            raise ValueError(f"{NAME} lacks or has too many of: {', '.join(odd)}.")
        for name, types in _TYPES.items():
            if not isinstance(found[name], types):
                raise ValueError(f"{NAME}: {name} is a {type(found[name]).__name__}.")
        for name, number in found["versions"].items():
            if not isinstance(number, str):
                raise ValueError(f"{NAME}: the version of {name} is a {type(number).__name__}.")
        return cls(**found)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "focaltab": str,
    "model": str,
    "versions": dict,
    "classes": list,
    "loss": (dict, type(None)),
    "prevalence": (float, list, type(None)),
    "threshold": (float, type(None)),
    "feature_names": (list, type(None)),
    "feature_types": (list, type(None)),
    "n_features": (int, type(None)),
    "metrics": dict,
    "reference": (dict, type(None)),
}


def plain(value: Any) -> Any:
    """A value as JSON holds it: NumPy's numbers and arrays as Python's, not a number as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
