"""Checks of the estimator's parameters, and what a device is good for."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from focaltab._torch_device import resolve_device
from focaltab.neural._network import ACTIVATIONS

_CHOICES: dict[str, tuple[Any, ...]] = {
    "activation": tuple(ACTIVATIONS),
    "numeric_embedding": (None, "piecewise_linear", "periodic"),
    "optimizer": ("adamw", "adam", "sgd"),
    "learning_rate": ("cosine", "constant", "adaptive"),
    "sampler": (None, "balanced"),
    "early_stopping": (True, False, "auto"),
    "mixed_precision": (True, False),
}


# Any of them multiplies bfloat16 faster than float32; elsewhere it is emulated, and slower.
BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")


def check_parameters(estimator: Any) -> None:
    """Refuse parameters that no network can be trained with.

    Raises
    ------
    ValueError
        Names the parameter, what it may be and what it was.
    """
    for name, allowed in _CHOICES.items():
        value = getattr(estimator, name)
        if value not in allowed:
            raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}.")
    for name in ("n_members", "max_iter"):
        _check_whole(name, getattr(estimator, name))
    if estimator.n_iter_no_change != np.inf:  # as in scikit-learn: never end early
        _check_whole("n_iter_no_change", estimator.n_iter_no_change)
    if estimator.batch_size != "auto":
        _check_whole("batch_size", estimator.batch_size)
    for size in np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, dtype=object)):
        _check_whole("hidden_layer_sizes", size)
    for name in ("dropout", "label_smoothing"):
        _check_range(name, getattr(estimator, name), 0.0, 1.0)
    _check_range("learning_rate_init", estimator.learning_rate_init, 0.0, np.inf, above=True)
    _check_range("weight_decay", estimator.weight_decay, 0.0, np.inf)
    _check_range("tol", estimator.tol, 0.0, np.inf)
    _check_range("validation_fraction", estimator.validation_fraction, 0.0, 1.0, above=True)
    resolve_device(estimator.device)
    if estimator.sampling is not None and estimator.sampler is not None:
        raise ValueError("sampler='balanced' and sampling both choose rows: set one of them.")
    if estimator.sampling is not None and estimator.label_smoothing > 0.0:
        raise ValueError(
            "label_smoothing cannot be undone among sampled rows: set it to 0, or sampling=None."
        )


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 by itself, as far as torch can tell."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # Versions of torch that cannot tell are taken to have none.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(unit, False) for unit in BFLOAT16_UNITS)


def _check_whole(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")


def _check_range(name: str, value: Any, low: float, high: float, *, above: bool = False) -> None:
    number = float(value) if isinstance(value, Real) else np.nan
    if not (low <= number < high) or (above and number == low):
        left = "(" if above else "["
        raise ValueError(f"{name} must lie in {left}{low:g}, {high:g}), got {value!r}.")
