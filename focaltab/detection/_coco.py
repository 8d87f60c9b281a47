"""Images and boxes in COCO's format, checked at the door."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PillowImage
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import pil_to_tensor
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image

# Boxes drawn by hand may end a fraction of a pixel beyond the image; they are cut there.
_SLACK = 1.0


@dataclass(frozen=True)
class ImageRecord:
    """One image of a data set: where it is, and what is in it.

    Parameters
    ----------
    image_id : int
    path : path
    width, height : int
    boxes : tuple of (float, float, float, float)
        ``x0, y0, x1, y1`` in pixels; none for an image of background.
    labels : tuple of int
        Class numbers, by the order of the categories' ids.
    """

    image_id: int
    path: Path
    width: int
    height: int
    boxes: tuple[tuple[float, float, float, float], ...]
    labels: tuple[int, ...]


class CocoDataset(Dataset[tuple[Tensor, dict[str, Any]]]):
    """Images and boxes of a folder with ``annotations.json`` and images.

    Parameters
    ----------
    path : path
        Folder that holds ``annotations.json``; its images are beside it or in ``images/``.
    annotations : path, default=None
        Another annotation file.
    transforms : callable, default=None
        Called with image and target, as those of ``torchvision.transforms.v2``.

    Attributes
    ----------
    class_names : list of str
    records : list of ImageRecord

    Raises
    ------
    ValueError
        For a file that is no COCO annotation, or the first image or annotation in it that cannot
        be trained on: its file, image id and annotation id, and what is wrong.
    """

    def __init__(
        self,
        path: str | Path,
        annotations: str | Path | None = None,
        transforms: Any = None,
    ) -> None:
        folder = Path(path)
        self.source = Path(annotations) if annotations is not None else folder / "annotations.json"
        self.transforms = transforms
        content = _read(self.source)
        categories = sorted(content["categories"], key=lambda category: category["id"])
        self.class_names = [str(category["name"]) for category in categories]
        self.category_ids = [int(category["id"]) for category in categories]
        self.records = _records(self.source, folder, content, self.category_ids)

    @classmethod
    def of_images(
        cls, path: str | Path, class_names: Sequence[str], category_ids: Sequence[int]
    ) -> CocoDataset:
        """Images of a folder without annotations, to find boxes in.

        Parameters
        ----------
        path : path
            Folder, whose images are numbered from 1 by the order of their names.
        class_names : sequence of str
        category_ids : sequence of int

        Returns
        -------
        CocoDataset

        Raises
        ------
        ValueError
            If there is no such folder, no image in it, or one that cannot be read.
        """
        folder = Path(path)
        suffixes = PillowImage.registered_extensions()
        if not folder.is_dir():
            raise ValueError(f"There is no folder {folder}.")
        paths = sorted(one for one in folder.iterdir() if one.suffix.lower() in suffixes)
        if not paths:
            raise ValueError(f"There are no images in {folder}.")
        records = [_bare_record(number, one) for number, one in enumerate(paths, 1)]
        return cls._of(folder, list(class_names), list(category_ids), records, None)

    @classmethod
    def _of(
        cls,
        source: Path,
        class_names: list[str],
        category_ids: list[int],
        records: list[ImageRecord],
        transforms: Any,
    ) -> CocoDataset:
        dataset = cls.__new__(cls)
        dataset.source, dataset.transforms = source, transforms
        dataset.class_names, dataset.category_ids = class_names, category_ids
        dataset.records = records
        return dataset

    def subset(self, indices: Sequence[int]) -> CocoDataset:
        """Some of the images.

        Parameters
        ----------
        indices : sequence of int
            Numbers of `records`.

        Returns
        -------
        CocoDataset
        """
        chosen = [self.records[index] for index in indices]
        return self._of(self.source, self.class_names, self.category_ids, chosen, self.transforms)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        record = self.records[index]
        image = Image(read_image(record))
        boxes = torch.tensor(record.boxes, dtype=torch.float32).reshape(-1, 4)
        target = {
            "image_id": record.image_id,
            "boxes": BoundingBoxes(
                boxes, format=BoundingBoxFormat.XYXY, canvas_size=(record.height, record.width)
            ),
            "labels": torch.tensor(record.labels, dtype=torch.int64),
        }
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target


def read_image(record: ImageRecord) -> Tensor:
    """The image as RGB bytes, shape (3, height, width).

    Raises
    ------
    ValueError
        If the file cannot be read as an image, or has another size than its record says.
    """
    try:
        with PillowImage.open(record.path) as file:
            image: Tensor = pil_to_tensor(file.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{record.path} (image id {record.image_id}) cannot be read as an image: {reason}"
        ) from None
    height, width = image.shape[-2:]
    if (width, height) != (record.width, record.height):
        raise ValueError(
            f"{record.path} (image id {record.image_id}) is {width} x {height} pixels, but the "
            f"annotations say {record.width} x {record.height}."
        )
    return image


def _bare_record(number: int, path: Path) -> ImageRecord:
    try:
        with PillowImage.open(path) as file:
            width, height = file.size
    except (OSError, ValueError, SyntaxError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} cannot be read as an image: {reason}") from None
    return ImageRecord(number, path, width, height, (), ())


def _read(source: Path) -> dict[str, Any]:
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} cannot be read as COCO annotations: {error}") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, Mapping) or not isinstance(content.get(key), list):
            raise ValueError(f"{source} is no COCO annotation file: it has no list {key!r}.")
    if not content["categories"]:
        raise ValueError(f"{source} names no categories.")
    return dict(content)


def _records(
    source: Path, folder: Path, content: dict[str, Any], category_ids: list[int]
) -> list[ImageRecord]:
    label_of = {category: label for label, category in enumerate(category_ids)}
    images: dict[int, dict[str, Any]] = {}
    for image in content["images"]:
        _check_image(source, image, images)
        images[image["id"]] = image
    boxes: dict[int, list[tuple[float, float, float, float]]] = {k: [] for k in images}
    labels: dict[int, list[int]] = {k: [] for k in images}
    for note in content["annotations"]:
        image_id = note.get("image_id")
        where = f"{source}: annotation id {note.get('id')}, image id {image_id}"
        if image_id not in images:
            raise ValueError(f"{where}: there is no image of that id.")
        if note.get("category_id") not in label_of:
            raise ValueError(
                f"{where}: category_id {note.get('category_id')!r} is not among {category_ids}."
            )
        boxes[image_id].append(_box(where, note.get("bbox"), images[image_id]))
        labels[image_id].append(label_of[note["category_id"]])
    return [
        ImageRecord(
            image_id,
            _image_path(source, folder, image),
            int(image["width"]),
            int(image["height"]),
            tuple(boxes[image_id]),
            tuple(labels[image_id]),
        )
        for image_id, image in images.items()
    ]


def _check_image(source: Path, image: dict[str, Any], known: dict[int, Any]) -> None:
    where = f"{source}: image id {image.get('id')}"
    for key in ("id", "file_name", "width", "height"):
        if key not in image:
            raise ValueError(f"{where} has no {key!r}.")
    if image["id"] in known:
        raise ValueError(f"{where} stands twice.")
    if image["width"] < 1 or image["height"] < 1:
        raise ValueError(f"{where}: its size is {image['width']} x {image['height']} pixels.")


def _image_path(source: Path, folder: Path, image: dict[str, Any]) -> Path:
    name = str(image["file_name"])
    for path in (folder / name, folder / "images" / name):
        if path.is_file():
            return path
    raise ValueError(
        f"{source}: image id {image['id']}: there is no file {name} in {folder} or its images/."
    )


def _box(where: str, bbox: Any, image: dict[str, Any]) -> tuple[float, float, float, float]:
    """``x0, y0, x1, y1`` of a checked box, cut at the image's edges."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"{where}: bbox must be [x, y, width, height], got {bbox!r}.")
    x, y, width, height = (float(value) for value in bbox)
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError(f"{where}: bbox {bbox} holds a value that is no number.")
    if width <= 0.0 or height <= 0.0:
        raise ValueError(f"{where}: bbox {bbox} is empty or inverted.")
    right, bottom = image["width"], image["height"]
    if min(x, y) < -_SLACK or x + width > right + _SLACK or y + height > bottom + _SLACK:
        raise ValueError(
            f"{where}: bbox {bbox} reaches beyond the image of {right} x {bottom} pixels."
        )
    return max(x, 0.0), max(y, 0.0), min(x + width, right), min(y + height, bottom)
