"""Boxes that a detector finds in the images of a data set, and COCO's results file of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from focaltab._new_file import written_whole
from focaltab._progress import progress_bar
from focaltab.detection._coco import CocoDataset
from focaltab.detection._inference import check_classes, image_batches, inference


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes found in one image, in NumPy arrays.

    Parameters
    ----------
    image_id : int
    boxes : ndarray of shape (n_boxes, 4), float32
        ``x0, y0, x1, y1`` in pixels of the original image.
    labels : ndarray of shape (n_boxes,), int64
        Class numbers, as in `CocoDataset.class_names`.
    scores : ndarray of shape (n_boxes,), float32
        In [0, 1].
    """

    image_id: int
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)


def detect(
    model: nn.Module,
    dataset: CocoDataset,
    *,
    batch_size: int = 8,
    device: Any = None,
    num_workers: int = 0,
    progress: bool = False,
) -> list[Detections]:
    """Run a detector over all images of a data set.

    Images are read as they are: the data set's ``transforms`` belong to training and are not
    applied. Images of different sizes are padded to the largest of their batch, as torchvision's
    detectors do, which may change scores a little: a batch of 1 avoids it. The model's modes and
    its device are as before when this returns.

    Parameters
    ----------
    model : Module
        That of `focal_retinanet`, or any that takes a list of images in [0, 1] as torchvision's
        detectors do.
    dataset : CocoDataset
    batch_size : int, default=8
    device : torch.device or str, default=None
        None is where the model is.
    num_workers : int, default=0
        Processes that read images beside this one.
    progress : bool, default=False
        Whether to show a bar on the terminal.

    Returns
    -------
    list of Detections
        One for each image, in the data set's order, boxes in the model's order (torchvision's
        detectors: best score first).

    Raises
    ------
    ValueError
        If the model has another number of classes than the data set, or an image cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from focaltab.datasets import make_defects
    >>> from focaltab.detection import CocoDataset, detect, focal_retinanet
    >>> model = focal_retinanet(3, min_size=64, max_size=64)
    >>> with TemporaryDirectory() as folder:
    ...     make_defects(2, size=64, random_state=0).write_coco(f"{folder}/defects")
    ...     found = detect(model, CocoDataset(f"{folder}/defects"))
    >>> [one.image_id for one in found]
    [0, 1]
    """
    check_classes(model, dataset)
    found: list[Detections] = []
    shown = progress_bar(len(dataset), progress, "images")
    with inference(model, device) as used, shown as advance:
        for images, _ in image_batches(dataset, batch_size, used, num_workers):
            for output in model(images):
                found.append(
                    Detections(
                        dataset.records[len(found)].image_id,
                        output["boxes"].float().cpu().numpy(),
                        output["labels"].cpu().numpy(),
                        output["scores"].float().cpu().numpy(),
                    )
                )
            advance(len(images))
    return found


def write_coco_results(
    detections: Iterable[Detections], dataset: CocoDataset, path: str | Path
) -> None:
    """Write detections as COCO's results JSON, with the data set's own ids.

    Parameters
    ----------
    detections : iterable of Detections
    dataset : CocoDataset
    path : path
        Of a new file.

    Raises
    ------
    FileExistsError
        If the file exists (FileNotFoundError where its folder does not).
    ValueError
        For an image id or class number that the data set does not have, an image that stands
        twice or not at all, or values that are no numbers.
    """
    entries = [
        {
            "image_id": one.image_id,
            "category_id": dataset.category_ids[label],
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "score": score,
        }
        for one in in_order(detections, dataset)
        for (x0, y0, x1, y1), label, score in zip(
            one.boxes.tolist(), one.labels.tolist(), one.scores.tolist(), strict=True
        )
    ]
    with written_whole(Path(path)) as part:
        part.write_text(json.dumps(entries), encoding="utf-8")


def read_coco_results(path: str | Path, dataset: CocoDataset) -> list[Detections]:
    """Read COCO's results JSON, so that boxes can be evaluated without the model.

    Parameters
    ----------
    path : path
        A list of entries with ``image_id``, ``category_id``, ``bbox`` (x, y, width, height, in
        pixels) and ``score``.
    dataset : CocoDataset
        Of the images in which the boxes were found.

    Returns
    -------
    list of Detections
        One for each image of the data set, in its order; empty where the file has no entry.

    Raises
    ------
    ValueError
        For a file that is no such list, or the first entry that cannot be used: the file, the
        entry's number from 0, and what is wrong.
    """
    source = Path(path)
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} cannot be read as COCO results: {error}") from None
    if not isinstance(content, list):
        raise ValueError(f"{source} is no COCO results file: it holds no list of boxes.")
    label_of = {category: label for label, category in enumerate(dataset.category_ids)}
    rows: dict[int, list[tuple[list[float], int, float]]] = {
        record.image_id: [] for record in dataset.records
    }
    for number, entry in enumerate(content):
        where = f"{source}: entry {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{where} is no object with image_id, category_id, bbox and score.")
        image_id, category = entry.get("image_id"), entry.get("category_id")
        where += f", image id {image_id!r}"
        # True would pass for 1, and a list cannot be looked up at all.
        if type(image_id) not in (int, str) or image_id not in rows:
            raise ValueError(f"{where}: the data set has no image of that id.")
        if type(category) is not int or category not in label_of:
            raise ValueError(
                f"{where}: category_id {category!r} is not among {dataset.category_ids}."
            )
        box, score = _box(where, entry.get("bbox")), _score(where, entry.get("score"))
        rows[image_id].append((box, label_of[category], score))
    return [
        Detections(
            image_id,
            np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
            np.array([label for _, label, _ in found], np.int64),
            np.array([score for _, _, score in found], np.float32),
        )
        for image_id, found in rows.items()
    ]


def _box(where: str, bbox: Any) -> list[float]:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        raise ValueError(f"{where}: bbox must be four numbers, got {bbox!r}.")
    x, y, width, height = (float(value) for value in bbox)
    # A detector's box may be of no width where it was cut at the image's edge.
    if width < 0.0 or height < 0.0:
        raise ValueError(f"{where}: bbox {bbox} is inverted.")
    return [x, y, x + width, y + height]


def _score(where: str, score: Any) -> float:
    if not _is_number(score) or not 0.0 <= score <= 1.0:
        raise ValueError(f"{where}: score must be a number in [0, 1], got {score!r}.")
    return float(score)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def in_order(detections: Iterable[Detections], dataset: CocoDataset) -> list[Detections]:
    """Checked detections, one for each image of the data set, in its order.

    Raises
    ------
    ValueError
        For an image id or class number that the data set does not have, an image that stands
        twice or not at all, shapes that do not fit, values that are no numbers, or inverted
        boxes.
    """
    by_image: dict[int, Detections] = {}
    wanted = {record.image_id for record in dataset.records}
    for one in detections:
        where = f"Detections of image id {one.image_id}"
        if one.image_id not in wanted:
            raise ValueError(f"{where}: {dataset.source} has no image of that id.")
        if one.image_id in by_image:
            raise ValueError(f"{where} stand twice.")
        n_boxes = len(one.scores)
        if one.boxes.shape != (n_boxes, 4) or not (
            one.labels.shape == one.scores.shape == (n_boxes,)
        ):
            raise ValueError(
                f"{where}: boxes, labels and scores must have shapes (n, 4), (n,) and (n,), got "
                f"{one.boxes.shape}, {one.labels.shape} and {one.scores.shape}."
            )
        if not (np.isfinite(one.boxes).all() and np.isfinite(one.scores).all()):
            raise ValueError(f"{where} hold a value that is no number.")
        if (one.boxes[:, 2:] < one.boxes[:, :2]).any():
            raise ValueError(f"{where} hold an inverted box; boxes are x0, y0, x1, y1.")
        if n_boxes and not 0 <= one.labels.min() <= one.labels.max() < len(dataset.class_names):
            raise ValueError(
                f"{where}: class numbers must be 0 to {len(dataset.class_names) - 1}, got "
                f"{one.labels.min()} to {one.labels.max()}."
            )
        by_image[one.image_id] = one
    for record in dataset.records:
        if record.image_id not in by_image:
            raise ValueError(
                f"There are no detections of image id {record.image_id} of {dataset.source}; an "
                f"image where nothing was found needs an empty one."
            )
    return [by_image[record.image_id] for record in dataset.records]
