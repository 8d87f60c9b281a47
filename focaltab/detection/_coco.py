"""Images and boxes in COCO's format, checked at the door."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import pil_to_tensor
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image

from focaltab._errors import first_line

# Boxes drawn by hand may end a fraction of a pixel beyond the image; they are cut there.
SLACK = 1.0
# Of files taken from a folder: Pillow also opens documents and data that are no photographs.
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# 65535 = 255 * 257: white stays white.
_16_TO_8_BITS = 257


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
        For a file that is no COCO annotation, or the first category, image or annotation in it
        that cannot be trained on: its file, image id and annotation id, and what is wrong. Of
        each image file only the head is read, which has its size.
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
        categories = _categories(self.source, content["categories"])
        self.category_ids = sorted(categories)
        self.class_names = [categories[category_id] for category_id in self.category_ids]
        self.records = _records(self.source, folder, content, self.category_ids)
        for record in self.records:
            _check_file(record)

    @classmethod
    def of_images(
        cls, path: str | Path, class_names: Sequence[str], category_ids: Sequence[int]
    ) -> CocoDataset:
        """Images of a folder without annotations, to find boxes in.

        Parameters
        ----------
        path : path
            Folder, whose images (BMP, JPEG, PNG, TIFF, WebP) are numbered from 1 by the order of
            their names.
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
        if not folder.is_dir():
            raise ValueError(f"There is no folder {folder}.")
        paths = sorted(one for one in folder.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise ValueError(
                f"There are no images in {folder} ({', '.join(sorted(IMAGE_SUFFIXES))})."
            )
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
    """The image as RGB bytes, shape (3, height, width); 16 bits are scaled to 8.

    Raises
    ------
    ValueError
        If the file cannot be read as an image, or has another size than its record says.
    """
    with opened(record.path, f" (image id {record.image_id})") as file:
        image: Tensor = pil_to_tensor(as_rgb(file))
    height, width = image.shape[-2:]
    _check_size(record, width, height)
    return image


@contextmanager
def opened(path: Path, which: str = "") -> Iterator[PillowImage.Image]:
    """Open an image file; what goes wrong inside is one error that names it.

    Raises
    ------
    ValueError
        If the file cannot be read as an image, or as one of 8 or 16 bits.
    """
    try:
        with PillowImage.open(path) as file:
            _check_mode(file)
            yield file
    except (OSError, ValueError, SyntaxError, PillowImage.DecompressionBombError) as error:
        reason = first_line(error)
        raise ValueError(f"{path}{which} cannot be read as an image: {reason}") from None


def as_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """An image as RGB bytes; Pillow's own conversion makes all 16-bit values over 255 white.

    Raises
    ------
    ValueError
        For 32-bit values, whose range is not known.
    """
    _check_mode(image)
    if image.mode.startswith("I;16"):
        values = np.rint(np.asarray(image) / _16_TO_8_BITS)
        image = PillowImage.fromarray(values.astype(np.uint8))
    return image.convert("RGB")


def _check_mode(image: PillowImage.Image) -> None:
    if image.mode in ("I", "F"):
        raise ValueError(
            f"32-bit values (Pillow's mode {image.mode}) have no known range; save it as an image "
            f"of 8 or 16 bits."
        )


def _check_file(record: ImageRecord) -> None:
    with opened(record.path, f" (image id {record.image_id})") as file:
        width, height = file.size
    _check_size(record, width, height)


def _check_size(record: ImageRecord, width: int, height: int) -> None:
    if (width, height) != (record.width, record.height):
        raise ValueError(
            f"{record.path} (image id {record.image_id}) is {width} x {height} pixels, but the "
            f"annotations say {record.width} x {record.height}."
        )


def _bare_record(number: int, path: Path) -> ImageRecord:
    with opened(path) as file:
        width, height = file.size
    return ImageRecord(number, path, width, height, (), ())


def _read(source: Path) -> dict[str, Any]:
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} cannot be read as COCO annotations: {error}") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, Mapping) or not isinstance(content.get(key), list):
            raise ValueError(f"{source} is no COCO annotation file: it has no list {key!r}.")
    for key in ("images", "categories"):
        if not content[key]:
            raise ValueError(f"{source} names no {key}.")
    return dict(content)


def _categories(source: Path, entries: list[Any]) -> dict[int, str]:
    """Names by id."""
    names: dict[int, str] = {}
    for number, category in enumerate(entries):
        if not isinstance(category, dict):
            raise ValueError(
                f"{source}: category number {number} is no object with id and name, got "
                f"{category!r}."
            )
        category_id, name = category.get("id"), category.get("name")
        where = f"{source}: category id {category_id!r} (name {name!r})"
        if type(category_id) is not int:
            raise ValueError(f"{where}: the id must be a whole number.")
        if type(name) not in (int, str) or name == "":
            raise ValueError(f"{where}: there must be a name.")
        if category_id in names:
            raise ValueError(f"{where}: the id stands twice.")
        if str(name) in names.values():
            raise ValueError(f"{where}: the name stands twice.")
        names[category_id] = str(name)
    return names


def _records(
    source: Path, folder: Path, content: dict[str, Any], category_ids: list[int]
) -> list[ImageRecord]:
    label_of = {category: label for label, category in enumerate(category_ids)}
    images: dict[int, dict[str, Any]] = {}
    for number, image in enumerate(content["images"]):
        if not isinstance(image, dict):
            raise ValueError(f"{source}: image number {number} is no object, got {image!r}.")
        _check_image(source, image, images)
        images[image["id"]] = image
    boxes: dict[int, list[tuple[float, float, float, float]]] = {k: [] for k in images}
    labels: dict[int, list[int]] = {k: [] for k in images}
    for number, note in enumerate(content["annotations"]):
        if not isinstance(note, dict):
            raise ValueError(f"{source}: annotation number {number} is no object, got {note!r}.")
        image_id, category = note.get("image_id"), note.get("category_id")
        where = f"{source}: annotation id {note.get('id')}, image id {image_id!r}"
        if not _is_id(image_id) or image_id not in images:
            raise ValueError(f"{where}: there is no image of that id.")
        if type(category) is not int or category not in label_of:
            raise ValueError(f"{where}: category_id {category!r} is not among {category_ids}.")
        boxes[image_id].append(_box(where, note.get("bbox"), images[image_id]))
        labels[image_id].append(label_of[category])
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
    where = f"{source}: image id {image.get('id')!r}"
    for key in ("id", "file_name", "width", "height"):
        if key not in image:
            raise ValueError(f"{where} has no {key!r}.")
    if not _is_id(image["id"]):
        raise ValueError(f"{where} must be a whole number or text.")
    if image["id"] in known:
        raise ValueError(f"{where} stands twice.")
    if type(image["file_name"]) is not str:
        raise ValueError(f"{where}: file_name must be text, got {image['file_name']!r}.")
    width, height = image["width"], image["height"]
    if not (_is_length(width) and _is_length(height)):
        raise ValueError(
            f"{where}: its size is {width!r} x {height!r} pixels; both must be whole numbers of "
            f"at least 1."
        )


def _is_id(value: Any) -> bool:
    # True would pass for 1, and a list cannot be looked up at all.
    return type(value) in (int, str)


def _is_length(value: Any) -> bool:
    return _is_number(value) and value >= 1 and value == int(value)


def _is_number(value: Any) -> bool:
    # Compared, since `math.isfinite` stumbles over whole numbers beyond any float.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _image_path(source: Path, folder: Path, image: dict[str, Any]) -> Path:
    name = image["file_name"]
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
    if not all(map(_is_number, bbox)):
        raise ValueError(f"{where}: bbox {bbox} holds a value that is no number.")
    x, y, width, height = (float(value) for value in bbox)
    if width <= 0.0 or height <= 0.0:
        raise ValueError(f"{where}: bbox {bbox} is empty or inverted.")
    right, bottom = image["width"], image["height"]
    if min(x, y) < -SLACK or x + width > right + SLACK or y + height > bottom + SLACK:
        raise ValueError(
            f"{where}: bbox {bbox} reaches beyond the image of {right} x {bottom} pixels."
        )
    box = (max(x, 0.0), max(y, 0.0), min(x + width, right), min(y + height, bottom))
    # In single precision, as the detector sees it.
    x0, y0, x1, y1 = np.asarray(box, np.float32)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(
            f"{where}: bbox {bbox} is empty or inverted inside the image of {right} x {bottom} "
            f"pixels."
        )
    return box
