"""The state of a training run in one file that is always whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from focaltab.detection._new_file import part_of


def write_checkpoint(path: Path, run: dict[str, Any], state: dict[str, Any]) -> None:
    """Replace the file in one step, so that a kill leaves the last epoch's."""
    with part_of(path) as part:
        torch.save({"run": run, **state}, part)
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
        written = state.pop("run")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} cannot be read as a checkpoint: {reason}") from None
    for key, value in run.items():
        if written.get(key) != value:
            raise ValueError(
                f"{path} is the checkpoint of another run: {key} was {written.get(key)!r} there, "
                f"and is {value!r} now. Give the same settings, or start anew without it."
            )
    return state
