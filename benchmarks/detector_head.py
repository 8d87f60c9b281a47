"""The detector's classification loss against torchvision's own head."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.retinanet import RetinaNetClassificationHead

from benchmarks._pairs import (
    alternate,
    compare,
    environment,
    markdown,
    measure,
    peak_memory,
    restart_peak_memory,
)
from focaltab.detection import FocalClassificationHead
from focaltab.losses import FocalLoss

N_ANCHORS, N_CLASSES, N_OBJECTS = 100_000, 80, 10


def _head(name: str) -> Any:
    if name == "focaltab":
        return FocalClassificationHead(8, 1, N_CLASSES, FocalLoss(2.0, 0.25))
    return RetinaNetClassificationHead(8, 1, N_CLASSES)


def _inputs() -> tuple[dict[str, Tensor], list[dict[str, Tensor]], list[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, N_ANCHORS, N_CLASSES, generator=generator) - 4.0
    matched = torch.full((N_ANCHORS,), -1)
    matched[:: N_ANCHORS // 100] = torch.arange(100) % N_OBJECTS
    matched[1 :: N_ANCHORS // 50] = -2
    labels = torch.arange(N_OBJECTS) % N_CLASSES
    return {"cls_logits": logits.requires_grad_()}, [{"labels": labels}], [matched]


def _step(head: Any, outputs: dict[str, Tensor], targets: Any, matched: Any) -> None:
    outputs["cls_logits"].grad = None
    head.compute_loss(targets, outputs, matched).backward()


def _memory(name: str) -> float:
    """MiB that one step adds to what is resident before it."""
    command = [sys.executable, "-m", "benchmarks.detector_head", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    outputs, targets, matched = _inputs()
    ours, theirs = (
        partial(_step, _head(name), outputs, targets, matched)
        for name in ("focaltab", "torchvision")
    )
    ours(), theirs()
    times = alternate(lambda: 1e3 * measure(ours), lambda: 1e3 * measure(theirs), max(n_pairs, 15))
    memory = alternate(partial(_memory, "focaltab"), partial(_memory, "torchvision"), n_pairs)
    return f"""## The detector's head, {N_ANCHORS:,} anchors x {N_CLASSES} classes

Loss and gradient of one image in float32, `FocalClassificationHead` against torchvision's
`RetinaNetClassificationHead`; {max(n_pairs, 15)} alternating pairs on {torch.get_num_threads()}
threads.

{markdown([compare("loss and gradient", times)], "ms")}

Peak memory of the step, less what is resident before it:

{markdown([compare("loss and gradient", memory)], "MiB")}

{environment("torch", "torchvision")}
"""


if __name__ == "__main__":
    head, inputs = _head(sys.argv[1]), _inputs()
    before = restart_peak_memory()
    _step(head, *inputs)
    print(peak_memory() - before)
