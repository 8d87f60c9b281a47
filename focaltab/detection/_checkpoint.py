"""The state of a training run in one file that is always whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from focaltab._errors import first_line


def _as_json(run: dict[str, Any]) -> str:
    """Plain numbers and texts, whatever numbers and objects the caller used."""
    return json.dumps(run, default=lambda value: getattr(value, "item", value.__repr__)())


def write_checkpoint(path: Path, run: dict[str, Any], state: dict[str, Any]) -> None:
    """Replace the file in one step, so that a kill leaves the last epoch's."""
    # Always the same name, so that what a kill leaves is taken up by the next epoch.
    part = path.resolve().with_name(f".{path.name}.part")
    torch.save({"run": _as_json(run), **state}, part)
    part.replace(path)


def read_checkpoint(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    """State of a run, if it is the same run.

    Parameters
    ----------
    path : Path
    run : dict
        What decides the outcome of the run to be continued: settings, data and model.

    Raises
    ------
    ValueError
        For a file that is no checkpoint, or one of another run; names the first difference.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        written = json.loads(state.pop("run"))
    except Exception as error:
        reason = first_line(error)
        raise ValueError(f"{path} cannot be read as a checkpoint: {reason}") from None
    for key, value in json.loads(_as_json(run)).items():
        if written.get(key) != value:
            raise ValueError(
                f"{path} is the checkpoint of another run: {key} was {written.get(key)!r} there, "
                f"and is {value!r} now. Give the same settings, or start anew without it."
            )
    return state
