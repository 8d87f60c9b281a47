"""A detector run over a data set without being trained, and left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2.functional import to_dtype

from focaltab._torch_device import resolve_device
from focaltab.detection._coco import CocoDataset, ImageRecord, read_image

Batch = tuple[list[Tensor], list[dict[str, Tensor]]]


class _AsTheyAre(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Images of a data set in [0, 1], without its transforms, which belong to training."""

    def __init__(self, records: list[ImageRecord]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        record = self.records[index]
        image: Tensor = to_dtype(read_image(record), torch.float32, scale=True)
        target = {
            "boxes": torch.tensor(record.boxes, dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor(record.labels, dtype=torch.int64),
        }
        return image, target


def image_batches(
    dataset: CocoDataset, batch_size: int, device: torch.device, num_workers: int = 0
) -> Iterator[Batch]:
    """Images and targets in the data set's order, on the device.

    Raises
    ------
    ValueError
        For a batch size below 1, or an image that cannot be read.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size!r}.")
    loader = DataLoader(
        _AsTheyAre(dataset.records), batch_size, num_workers=num_workers, collate_fn=as_lists
    )
    for images, targets in loader:
        yield (
            [image.to(device) for image in images],
            [{key: value.to(device) for key, value in target.items()} for target in targets],
        )


def as_lists(pairs: list[tuple[Tensor, dict[str, Tensor]]]) -> Batch:
    """Collate images, which may differ in size."""
    return [image for image, _ in pairs], [target for _, target in pairs]


@contextmanager
def inference(model: nn.Module, device: torch.device | str | None) -> Iterator[torch.device]:
    """Evaluation mode on a device (None: the model's own), without gradients; then as before."""
    first = next(model.parameters(), None)
    own = torch.device("cpu") if first is None else first.device
    # Not every operation of torchvision's detectors runs on Metal: Apple's GPU has to be named.
    used = own if device is None else resolve_device(device, metal=False)
    # One by one: parts of a model in training may be in evaluation mode on purpose.
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        model.to(used)
        with torch.no_grad():
            yield used
    finally:
        model.to(own)
        for module, training in modes:
            module.training = training


def check_classes(model: Any, dataset: CocoDataset) -> None:
    """Raise where a detector was made for another number of classes than the data set has.

    Raises
    ------
    ValueError
    """
    head = getattr(getattr(model, "head", None), "classification_head", None)
    n_classes = getattr(head, "num_classes", len(dataset.class_names))
    if n_classes != len(dataset.class_names):
        raise ValueError(
            f"The model knows {n_classes} classes, but {dataset.source} has "
            f"{len(dataset.class_names)}: {dataset.class_names}."
        )
