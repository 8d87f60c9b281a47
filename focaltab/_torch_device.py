"""The torch device that a parameter names."""

from __future__ import annotations

import torch

from focaltab._errors import first_line


def resolve_device(device: str | torch.device, *, metal: bool = True) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one (Apple's only with `metal`).

    Raises
    ------
    ValueError
        If torch knows no such device, or has none here.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if metal and torch.backends.mps.is_available() else "cpu")
    try:
        used = torch.device(device)
        torch.empty(0, device=used)
    except (RuntimeError, TypeError, AssertionError) as error:
        reason = first_line(error)
        raise ValueError(f"device={str(device)!r} cannot be used here: {reason}") from None
    return used
