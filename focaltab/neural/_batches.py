"""Rows as a network takes them, and which it sees together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from focaltab.data import Rows as TableRows
from focaltab.neural._encoder import TableEncoder

_BATCHES_PER_GATHER = 32


@dataclass(frozen=True)
class Rows:
    """Encoded rows on one device."""

    numbers: Tensor
    gaps: Tensor
    categories: Tensor
    y: Tensor
    weight: Tensor | None
    # What a sampled training set adds to the log-odds, shape (n_samples, 1, 1).
    offset: Tensor | None = None

    def __len__(self) -> int:
        return int(self.y.shape[0])

    def take(self, index: Tensor) -> Rows:
        """The rows of these numbers."""
        return self._each(lambda column: column.index_select(0, index))

    def split(self, n_rows: int) -> Iterator[Rows]:
        """Views of so many rows each, the last of what is left."""
        for start in range(0, len(self), n_rows):
            part = slice(start, start + n_rows)
            yield self._each(lambda column, part=part: column[part])  # type: ignore[misc]

    def _each(self, change: Callable[[Tensor], Tensor]) -> Rows:
        return Rows(
            change(self.numbers),
            change(self.gaps),
            change(self.categories),
            change(self.y),
            None if self.weight is None else change(self.weight),
            None if self.offset is None else change(self.offset),
        )


@dataclass(frozen=True)
class RowEncoder:
    """From rows of a table to tensors.

    Parameters
    ----------
    table : TableEncoder
    dtype : torch.dtype
        Of the network.
    device : torch.device
    mean_weight : float, default=1.0
        That counts as one, so that the learning rate means the same under any scale of weights.
    """

    table: TableEncoder
    dtype: torch.dtype
    device: torch.device
    mean_weight: float = 1.0

    def features(self, X: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers, where they are missing, and category numbers of a checked table."""
        numbers, gaps, categories = (
            torch.from_numpy(columns).to(self.device) for columns in self.table.transform(X)
        )
        return numbers.to(self.dtype), gaps.to(self.dtype), categories

    def rows(self, rows: TableRows, log_acceptance: NDArray[np.float64] | None = None) -> Rows:
        """Rows with labels and weights; the acceptance is that of a sampled training set."""
        y = torch.from_numpy(rows.codes.astype(np.int64)).to(self.device)
        weight = None if rows.weight is None else self._column(rows.weight / self.mean_weight)
        offset = None if log_acceptance is None else self._column(-log_acceptance)[:, None, None]
        return Rows(*self.features(rows.X), y, weight, offset)

    def _column(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).to(self.dtype).to(self.device)


class ShuffledBatches:
    """Every row once an epoch, in an order of its own.

    Rows come gathered for many batches at once, to be split into views of `batch_size` each.
    """

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
        yield from self._in_order()

    def _in_order(self) -> Iterator[Rows]:
        for index in torch.split(self._order(), self.batch_size * _BATCHES_PER_GATHER):
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
        yield from self._in_order()

    def _order(self) -> Tensor:
        n_rows, n_classes = len(self.rows), len(self.by_class)
        drawn = torch.randint(n_classes, (n_rows,), generator=self.generator)
        order = torch.empty(n_rows, dtype=torch.int64)
        for k, members in enumerate(self.by_class):
            places = torch.nonzero(drawn == k)[:, 0]
            chosen = torch.randint(members.numel(), (places.numel(),), generator=self.generator)
            order[places] = members[chosen]
        return order.to(self.rows.y.device)
