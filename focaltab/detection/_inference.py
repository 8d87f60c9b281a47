"""A detector run over a data set without being trained, and left as it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2.functional import to_dtype

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


def resolve_device(device: str | torch.device) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one.

    Raises
    ------
    ValueError
        For a name that torch does not know, or a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        used = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda', ..., got {device!r}.") from None
    if used.type == "cuda" and (used.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={str(device)!r}: torch finds no such CUDA device here.")
    return used


@contextmanager
def inference(model: nn.Module, device: torch.device | str | None) -> Iterator[torch.device]:
    """Evaluation mode on a device (None: the model's own), without gradients; then as before."""
    first = next(model.parameters(), None)
    own = torch.device("cpu") if first is None else first.device
    used = own if device is None else resolve_device(device)
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


@contextmanager
def progress_bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many more images are done."""
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [TextColumn("{task.description}"), BarColumn()]
    columns += [MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("images", total=total)
        yield lambda done: bar.update(task, advance=done)
