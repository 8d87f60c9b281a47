"""The processes that ``torchrun`` started, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from focaltab._torch_device import resolve_device

_PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Group:
    """One process among those that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def process_group(device: str | torch.device) -> Iterator[Group]:
    """Join the processes of ``torchrun``; one GPU each, or gloo on the CPU."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    used = _device(device)
    begun = False
    if size > 1 and not dist.is_initialized():
        if used.type == "cuda":
            torch.cuda.set_device(used)
        # The first process evaluates while the others wait for it.
        dist.init_process_group("nccl" if used.type == "cuda" else "gloo", timeout=_PATIENCE)
        begun = True
    try:
        yield Group(rank, size, used)
    finally:
        if begun:
            dist.destroy_process_group()


def _device(name: str | torch.device) -> torch.device:
    device = torch.device("cuda") if str(name) == "cuda" else resolve_device(name, metal=False)
    if device.type == "cuda" and device.index is None:
        # Before anything is put on a GPU: each process has its own.
        return resolve_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    return device
