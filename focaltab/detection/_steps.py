"""One epoch of gradient steps of a detector, and what they need."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from focaltab.detection._inference import Batch

_MOMENTUM = 0.9
# At 64 pixels the pyramid's top is a convolution with stride 2 of one pixel, whose weight gradient
# torch 2.14 returns as NaN in bfloat16 on CPUs.
_LEAST_MIXED_SIZE = 64


@dataclass(frozen=True)
class Schedule:
    """The learning rate of every step: up from nothing, then down on half a cosine."""

    learning_rate: float
    n_steps: int
    warm_up: float

    def at(self, step: int) -> float:
        """Rate of a step, numbered from 0."""
        rise = max(1.0, self.warm_up * self.n_steps)
        if step < rise:
            return self.learning_rate * (step + 1.0) / (rise + 1.0)
        share = (step - rise) / max(1.0, self.n_steps - rise)
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))


def make_optimizer(
    name: str, model: nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Optimizer of the parameters that are not frozen."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if name == "sgd":
        return torch.optim.SGD(trained, learning_rate, _MOMENTUM, weight_decay=weight_decay)
    return torch.optim.AdamW(trained, learning_rate, weight_decay=weight_decay)


def make_average(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of weights and statistics."""

    def average(old: Tensor, new: Tensor, n_averaged: Any) -> Tensor:
        if not old.is_floating_point():
            return new
        # A long memory would keep the first, random weights in a short run.
        n = float(n_averaged)
        return torch.lerp(old, new, 1.0 - min(decay, (1.0 + n) / (10.0 + n)))

    return AveragedModel(model, avg_fn=average, use_buffers=True)


class Precision:
    """Mixed precision of a device: bfloat16, or float16 with scaled gradients where it must be."""

    def __init__(self, model: Any, device: torch.device, mixed: bool) -> None:
        smallest = min(model.transform.min_size)
        if mixed and device.type == "cpu" and smallest <= _LEAST_MIXED_SIZE:
            raise ValueError(
                f"mixed_precision on a CPU needs images of more than {_LEAST_MIXED_SIZE} pixels, "
                f"but the model's min_size is {smallest}: make it larger, or train in float32."
            )
        self.device = device
        self.mixed = mixed
        half = device.type == "cuda" and not torch.cuda.is_bf16_supported()
        self.dtype = torch.float16 if half else torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=mixed and half)

    def autocast(self) -> AbstractContextManager[Any]:
        """Context of the forward pass."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.mixed)


def run_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    rate: Callable[[int], float],
    first_step: int,
    precision: Precision,
    max_grad_norm: float,
    after_step: Callable[[float], None],
) -> dict[str, float]:
    """Mean loss of each head over the epoch's batches.

    Parameters
    ----------
    model : Module
        In training mode; returns its losses by name.
    batches : iterable of (images, targets)
    optimizer : Optimizer
    rate : callable
        Learning rate by the number of the step.
    first_step : int
        Steps taken before this epoch.
    precision : Precision
    max_grad_norm : float
    after_step : callable
        Told the sum of the losses.

    Raises
    ------
    FloatingPointError
        If a loss is no number.
    """
    totals: dict[str, float] = {}
    n_batches = 0
    scaler = precision.scaler
    for step, (images, targets) in enumerate(batches, first_step):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        with precision.autocast():
            losses = model(images, targets)
            loss = torch.stack([value.float() for value in losses.values()]).sum()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss became {value}")
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        if not scaler.is_enabled() and not math.isfinite(norm):  # a scaler skips such a step
            raise FloatingPointError(f"the gradient's length became {float(norm)}")
        scaler.step(optimizer)
        scaler.update()
        for name, part in losses.items():
            totals[name] = totals.get(name, 0.0) + float(part.detach())
        n_batches += 1
        after_step(value)
    return {name: total / n_batches for name, total in totals.items()}
