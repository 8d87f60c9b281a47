"""Images with YOLO's text labels as a COCO folder."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import ImageOps

from focaltab._new_file import check_new, written_whole
from focaltab.detection._coco import IMAGE_SUFFIXES, SLACK, CocoDataset, opened

_FIELDS = "class, centre x, centre y, width, height"
# Written by labelling tools beside the labels: it is none.
_NAMES_FILE = "classes.txt"
# EXIF's number for "turned in some way": 1 is upright.
_ORIENTATION = 0x0112


def yolo_to_coco(
    images: str | Path,
    labels: str | Path,
    class_names: Sequence[str] | str | Path,
    out: str | Path,
) -> CocoDataset:
    r"""Write images with YOLO's labels as a new folder that `CocoDataset` reads.

    Each image has a text file of its own name, with a line for each box: class number, centre x,
    centre y, width and height, the last four as shares of the image's width and height. An image
    without such a file is background. Images are copied as they are, except those that a camera
    marked as turned (EXIF), which are saved upright: labels are drawn on what is shown.

    Parameters
    ----------
    images, labels : path
        Folders; they may be the same. Folders within are not searched.
    class_names : sequence of str, or path
        In the order of the class numbers, or a text file with one name a line.
    out : path
        New folder, for ``annotations.json`` and ``images/``.

    Returns
    -------
    CocoDataset
        Of the new folder.

    Raises
    ------
    FileExistsError
        If `out` exists (FileNotFoundError where its parent does not).
    ValueError
        For a folder that is none, without images, or with two images of one name; an image that
        cannot be read; labels without an image, or none at all; the first line that is no box of
        the image, with its file and number; class names that cannot be read or stand twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from focaltab.detection import yolo_to_coco
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (100, 50)).save(f"{folder}/a.png")
    ...     _ = Path(f"{folder}/a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    ...     data = yolo_to_coco(folder, folder, ["pit"], f"{folder}/coco")
    >>> data.records[0].boxes
    ((40.0, 15.0, 60.0, 35.0),)
    """
    out = Path(out)
    check_new(out)
    names = _class_names(class_names)
    pictures = _pictures(Path(images))
    texts = _texts(Path(labels), pictures)
    content: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(names)],
    }
    with written_whole(out) as part:
        (part / "images").mkdir(parents=True)
        for image_id, (stem, picture) in enumerate(pictures.items()):
            width, height = _copy(picture, part / "images" / picture.name)
            content["images"].append(
                {"id": image_id, "file_name": picture.name, "width": width, "height": height}
            )
            if stem not in texts:
                continue
            for label, (x, y, w, h) in _boxes(texts[stem], len(names), width, height):
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": image_id,
                        "category_id": label + 1,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                    }
                )
        (part / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
    return CocoDataset(out)


def _class_names(given: Sequence[str] | str | Path) -> list[str]:
    if isinstance(given, str | Path):
        path = Path(given)
        if path.suffix.lower() in (".yaml", ".yml"):
            raise ValueError(
                f"{path}: YAML is not read; give the class names as a list, or as a text file "
                f"with one name a line."
            )
        names = [line.strip() for line in _lines(path)]
        while names and not names[-1]:
            names.pop()
    else:
        names = [str(name) for name in given]
    if not names or not all(names):
        raise ValueError(f"class_names must name every class, got {names}.")
    if len(set(names)) < len(names):
        raise ValueError(f"class_names name a class twice: {names}.")
    return names


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as text: {error}") from None


def _pictures(folder: Path) -> dict[str, Path]:
    """Images by name without suffix, sorted."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of images.")
    pictures: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if path.stem in pictures:
            raise ValueError(
                f"{path} and {pictures[path.stem].name} would share the labels {path.stem}.txt."
            )
        pictures[path.stem] = path
    if not pictures:
        raise ValueError(f"{folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return pictures


def _texts(folder: Path, pictures: dict[str, Path]) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of labels.")
    texts = {}
    for path in sorted(folder.glob("*.txt")):
        if path.stem in pictures:
            texts[path.stem] = path
        elif path.name != _NAMES_FILE:
            raise ValueError(f"{path} has no image of its name in the folder of images.")
    if not texts:
        raise ValueError(f"{folder} holds no labels (.txt) of any of the images.")
    return texts


def _copy(picture: Path, target: Path) -> tuple[int, int]:
    """Copy an image, upright; its width and height."""
    with opened(picture) as file:
        file.load()  # half an image has a size as well
        is_upright = file.getexif().get(_ORIENTATION, 1) == 1
        image = file.copy() if is_upright else ImageOps.exif_transpose(file)
        options: dict[str, Any] = {"quality": 95} if file.format in ("JPEG", "WEBP") else {}
    if is_upright:
        shutil.copyfile(picture, target)
    else:
        image.save(target, **options)
    return image.size


def _boxes(
    path: Path, n_classes: int, width: int, height: int
) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Class numbers and ``x, y, width, height`` in pixels."""
    return [
        _box(f"{path}, line {number}", line.split(), n_classes, width, height)
        for number, line in enumerate(_lines(path), start=1)
        if line.strip()
    ]


def _box(
    where: str, fields: list[str], n_classes: int, width: int, height: int
) -> tuple[int, tuple[float, float, float, float]]:
    if len(fields) != 5:
        raise ValueError(f"{where} must hold five fields ({_FIELDS}), but holds {len(fields)}.")
    if not fields[0].isdecimal() or int(fields[0]) >= n_classes:
        raise ValueError(
            f"{where}: the class must be a whole number from 0 to {n_classes - 1}, got "
            f"{fields[0]!r}."
        )
    try:
        x, y, w, h = (float(field) for field in fields[1:])
    except ValueError:
        raise ValueError(f"{where}: {fields[1:]} are no numbers.") from None
    if not all(map(math.isfinite, (x, y, w, h))):
        raise ValueError(f"{where}: {fields[1:]} hold a value that is no number.")
    if w <= 0.0 or h <= 0.0:
        raise ValueError(f"{where}: a box of width {w:g} and height {h:g} is empty.")
    left, right = (x - w / 2) * width, (x + w / 2) * width
    top, bottom = (y - h / 2) * height, (y + h / 2) * height
    if min(left, top) < -SLACK or right > width + SLACK or bottom > height + SLACK:
        raise ValueError(
            f"{where}: the box reaches beyond the image; its values must be shares of the "
            f"image's width and height."
        )
    left, top = max(left, 0.0), max(top, 0.0)
    w, h = min(right, width) - left, min(bottom, height) - top
    if w <= 0.0 or h <= 0.0:
        raise ValueError(f"{where}: the box lies outside the image.")
    return int(fields[0]), (left, top, w, h)
