"""Which rows a network sees together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Encoded rows on one device."""

    numbers: Tensor
    gaps: Tensor
    categories: Tensor
    y: Tensor
    weight: Tensor | None

    def __len__(self) -> int:
        return int(self.y.shape[0])

    def take(self, index: Tensor) -> Rows:
        """The rows of these numbers."""
        return Rows(
            self.numbers.index_select(0, index),
            self.gaps.index_select(0, index) if self.gaps.shape[1] else self.gaps[: index.numel()],
            self.categories.index_select(0, index)
            if self.categories.shape[1]
            else self.categories[: index.numel()],
            self.y.index_select(0, index),
            None if self.weight is None else self.weight.index_select(0, index),
        )


class ShuffledBatches:
    """Every row once an epoch, in an order of its own."""

    def __init__(self, rows: Rows, batch_size: int, generator: torch.Generator) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Rows]:
        if len(self.rows) <= self.batch_size:
            yield self.rows
            return
        for index in torch.split(self._order(), self.batch_size):
            yield self.rows.take(index)

    def _order(self) -> Tensor:
        order = torch.randperm(len(self.rows), generator=self.generator)
        return order.to(self.rows.y.device)


class BalancedBatches(ShuffledBatches):
    """As many rows an epoch, every class as often as any other, drawn with replacement."""

    def __init__(self, rows: Rows, batch_size: int, generator: torch.Generator) -> None:
        super().__init__(rows, batch_size, generator)
        y = rows.y.cpu()
        self.by_class = [torch.nonzero(y == k)[:, 0] for k in range(int(y.max()) + 1)]

    def __iter__(self) -> Iterator[Rows]:
        for index in torch.split(self._order(), self.batch_size):
            yield self.rows.take(index)

    def _order(self) -> Tensor:
        n_rows, n_classes = len(self.rows), len(self.by_class)
        drawn = torch.randint(n_classes, (n_rows,), generator=self.generator)
        order = torch.empty(n_rows, dtype=torch.int64)
        for k, members in enumerate(self.by_class):
            places = torch.nonzero(drawn == k)[:, 0]
            chosen = torch.randint(members.numel(), (places.numel(),), generator=self.generator)
            order[places] = members[chosen]
        return order.to(self.rows.y.device)
