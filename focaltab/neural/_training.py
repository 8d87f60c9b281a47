"""Epochs of gradient steps, their schedule, and when they end."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor

from focaltab._progress import progress_bar
from focaltab.losses import FocalLoss, TorchFocalLoss
from focaltab.losses._torch import mean_gradient
from focaltab.neural._batches import Rows, ShuffledBatches
from focaltab.neural._network import FocalNetwork

LearningRate = Literal["constant", "cosine", "adaptive"]
Metric = Literal["average_precision", "logloss"]
# Steps over which the rate rises from nothing, as a share of all.
_WARM_UP = 0.05
_MOMENTUM = 0.9
_ROWS_TO_CHECK = 1000


@dataclass(frozen=True)
class Plan:
    """How long to train, at which rate, and when to stop early."""

    learning_rate_init: float
    learning_rate: LearningRate
    max_iter: int
    n_iter_no_change: float
    tol: float


class HeldOut(Protocol):
    """Figures of held-out rows, and which of them decides."""

    first: Metric

    def __call__(self) -> dict[str, float]:
        """Average precision and log loss of the network as it is."""


@dataclass
class History:
    """What an epoch left behind, by epoch."""

    loss: list[float] = field(default_factory=list)
    held_out: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int | None = None

    def latest(self) -> str:
        """The last epoch's figures in words."""
        figures = {"loss": self.loss, **self.held_out}
        return ", ".join(f"{name.replace('_', ' ')} {of[-1]:.5f}" for name, of in figures.items())


def make_optimizer(
    name: str, network: torch.nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Optimizer by name; ``fused`` takes one kernel for all parameters, on the CPU as well."""
    parameters = network.parameters()
    if name == "sgd":
        return torch.optim.SGD(
            parameters, learning_rate, _MOMENTUM, weight_decay=weight_decay, nesterov=True
        )
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(parameters, learning_rate, weight_decay=weight_decay, fused=True)


class Objective:
    """Mean loss over rows and members, smoothed labels included, and its gradient.

    Apart from each other, because a step needs the gradient alone, while the loss of many batches
    costs hardly more than that of one.
    """

    def __init__(self, loss: FocalLoss, label_smoothing: float) -> None:
        self.loss = loss
        self.criterion = TorchFocalLoss(loss)
        self.label_smoothing = label_smoothing

    def value(self, raw: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        """Loss of raw predictions of shape (n_samples, n_members, n_outputs)."""
        return self._smoothed(self.criterion, raw.detach(), y, weight)

    def gradient(self, raw: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        """Gradient of `value` in the raw predictions, of their shape."""
        of_loss = partial(mean_gradient, loss=self.loss)
        return self._smoothed(of_loss, raw, y, weight).view(raw.shape)

    def _smoothed(
        self, part: Callable[..., Tensor], raw: Tensor, y: Tensor, weight: Tensor | None
    ) -> Tensor:
        if self.label_smoothing == 0.0:
            return part(*self._by_member(raw, y, weight))
        n_classes = self.loss.n_classes
        share = self.label_smoothing / n_classes
        total = (1.0 - self.label_smoothing) * part(*self._by_member(raw, y, weight))
        for k in range(n_classes):
            total += share * part(*self._by_member(raw, torch.full_like(y, k), weight))
        return total

    def _by_member(
        self, raw: Tensor, y: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Predictions, labels and weights in the shapes that the loss takes."""
        n_members = raw.shape[1]
        if not self.loss.is_multiclass:
            return raw[..., 0], y[:, None], None if weight is None else weight[:, None]
        return (
            raw.flatten(0, 1),
            y.repeat_interleave(n_members),
            None if weight is None else weight.repeat_interleave(n_members),
        )


def train(
    network: FocalNetwork,
    batches: ShuffledBatches,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    score: HeldOut | None,
    callback: Callable[[int], None] | None,
    verbose: bool,
) -> History:
    """Train in place; with a `score` keep the best epoch's weights.

    `callback` is told the number of epochs done.

    Raises
    ------
    ValueError
        If the loss stops being a number.
    """
    history = History()
    schedule = _Schedule(plan, optimizer, len(batches))
    best_weights: dict[str, Tensor] | None = None
    best, idle = (-math.inf, -math.inf), 0
    with progress_bar(plan.max_iter, verbose) as advance:
        for epoch in range(plan.max_iter):
            history.loss.append(train_epoch(network, batches, objective, optimizer, schedule.step))
            check_finite(history.loss[-1], epoch, plan.learning_rate_init)
            # What must rise: the score, or without one the loss must fall.
            reached = (-history.loss[-1], 0.0)
            if score is not None:
                figures = score()
                for name, value in figures.items():
                    history.held_out.setdefault(name, []).append(value)
                reached = (figures["average_precision"], -figures["logloss"])
                reached = reached if score.first == "average_precision" else reached[::-1]
            # Losses are small where positives are rare: their tolerance is a share of the first.
            by_rank = score is not None and score.first == "average_precision"
            losses = history.loss if score is None else history.held_out["logloss"]
            tol = plan.tol * (1.0 if by_rank else abs(losses[0]))
            idle = 0 if _has_risen(reached, best, tol) else idle + 1
            if reached > best:
                best = reached
                if score is not None:
                    best_weights = copy.deepcopy(network.state_dict())
                    history.best_epoch = epoch + 1
            advance(text=history.latest())
            if callback is not None:
                callback(epoch + 1)
            if idle >= plan.n_iter_no_change:
                if not schedule.slow_down():
                    break
                idle = 0
    check_network(network, batches.rows, len(history.loss) - 1, plan.learning_rate_init)
    if best_weights is not None:
        network.load_state_dict(best_weights)
    return history


def _has_risen(reached: tuple[float, float], best: tuple[float, float], tol: float) -> bool:
    if reached[0] == best[0]:  # a perfect average precision can only be held
        return reached[1] > best[1] + tol * abs(best[1])
    return reached[0] > best[0] + tol


def train_epoch(
    network: FocalNetwork,
    batches: ShuffledBatches,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    before_step: Callable[[], None] | None = None,
) -> float:
    """One pass over the rows; the mean loss of its batches."""
    network.train()
    total = torch.zeros((), device=batches.rows.y.device)
    n_rows = 0
    for gathered in batches:
        outputs = []
        for rows in gathered.split(batches.batch_size):
            if before_step is not None:
                before_step()
            optimizer.zero_grad(set_to_none=True)
            raw = network(rows.numbers, rows.gaps, rows.categories)
            seen = raw.detach() if rows.offset is None else raw.detach() + rows.offset
            raw.backward(objective.gradient(seen, rows.y, rows.weight))
            optimizer.step()
            outputs.append(seen)
        total += objective.value(torch.cat(outputs), gathered.y, gathered.weight) * len(gathered)
        n_rows += len(gathered)
    return float(total) / n_rows


def check_finite(loss: float, epoch: int, learning_rate: float) -> None:
    """Refuse to go on from a loss that is no number."""
    if not math.isfinite(loss):
        raise ValueError(
            f"The loss became {loss} in epoch {epoch + 1}: learning_rate_init={learning_rate:g} is "
            f"too high for these data. Try {learning_rate / 10.0:g}."
        )


def check_network(network: FocalNetwork, rows: Rows, epoch: int, learning_rate: float) -> None:
    """Refuse a network that the last step broke, by what it says of some rows."""
    some = next(rows.split(_ROWS_TO_CHECK))
    if not bool(torch.isfinite(predict_raw(network, some)).all()):
        check_finite(math.nan, epoch, learning_rate)


class _Schedule:
    """The learning rate of every step."""

    def __init__(self, plan: Plan, optimizer: torch.optim.Optimizer, n_batches: int) -> None:
        self.plan = plan
        self.optimizer = optimizer
        self.n_steps = plan.max_iter * n_batches
        self.done = 0
        self.factor = 1.0

    def step(self) -> None:
        """Set the rate of the next step."""
        if self.plan.learning_rate == "cosine":
            warm_up = max(1.0, _WARM_UP * self.n_steps)
            if self.done < warm_up:
                self.factor = (self.done + 1.0) / (warm_up + 1.0)
            else:
                share = (self.done - warm_up) / max(1.0, self.n_steps - warm_up)
                self.factor = 0.5 * (1.0 + math.cos(math.pi * share))
        self.done += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate_init * self.factor

    def slow_down(self) -> bool:
        """Divide an adaptive rate by five; False where there is none, or it is tiny already."""
        if self.plan.learning_rate != "adaptive" or self.factor < 1e-3:
            return False
        self.factor /= 5.0
        return True


def predict_raw(network: FocalNetwork, rows: Rows | tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Raw predictions in evaluation mode, shape (n_samples, n_members, n_outputs)."""
    parts = (rows.numbers, rows.gaps, rows.categories) if isinstance(rows, Rows) else rows
    network.eval()
    with torch.inference_mode():
        return network(*parts)
