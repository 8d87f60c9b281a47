"""Average precision of found boxes as COCO defines it, by COCO's own code."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab._optional import require
from focaltab.detection._coco import CocoDataset
from focaltab.detection._detect import Detections, detect, in_order

# Places of COCOeval's arrays: size of objects, and at most 100 boxes an image and class.
_SIZES = {"all": 0, "small": 1, "medium": 2, "large": 3}
_AT_MOST_100 = 2
_IOU_50, _IOU_75 = 0, 5
# Average precision is of all boxes; so low because scores are calibrated.
_THRESHOLD = 0.001


def evaluate_detector(model: Any, dataset: CocoDataset, **options: Any) -> dict[str, Any]:
    """`evaluate_detections` of all that a model finds, its doubtful boxes too.

    `options` are those of `detect`. The model's ``score_thresh`` is as before when this returns.
    """
    threshold = model.score_thresh
    model.score_thresh = min(threshold, _THRESHOLD)
    try:
        found = detect(model, dataset, **options)
    finally:
        model.score_thresh = threshold
    return evaluate_detections(found, dataset)


def evaluate_detections(detections: Iterable[Detections], dataset: CocoDataset) -> dict[str, Any]:
    """Average precision of detections on a data set.

    Precision over recall, interpolated at 101 recalls and averaged over them, classes, and ten
    thresholds on the intersection over union from 0.50 to 0.95 (Lin et al., "Microsoft COCO:
    Common Objects in Context", ECCV 2014; computed by pycocotools' ``COCOeval``). The best 100
    boxes of an image and class count. An image without boxes is background, where a detection is a
    false alarm. Boxes under the model's ``score_thresh`` were not found: for the whole curve let
    it be about 0.001 with calibrated scores. Crowd marks are not read: such a box counts as one
    object.

    Parameters
    ----------
    detections : iterable of Detections
        One for each image of the data set, in any order.
    dataset : CocoDataset

    Returns
    -------
    dict
        ``average_precision``, its values at single thresholds ``ap50`` and ``ap75``,
        ``ap_small``, ``ap_medium`` and ``ap_large`` of objects below 32 x 32, up to 96 x 96, and
        larger (box area in pixels), ``recall_100`` (highest recall of 100 boxes an image,
        averaged over thresholds and classes), and ``per_class``: of each class name
        ``average_precision``, ``ap50`` and ``n_objects``. All are in [0, 1]; NaN where there are
        no objects of that size or class, 0 where nothing was found.

    Raises
    ------
    ValueError
        If the data set has no object, or the detections are not those of its images.
    ImportError
        Without pycocotools.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from focaltab.datasets import make_defects
    >>> from focaltab.detection import CocoDataset, Detections, evaluate_detections
    >>> made = make_defects(4, size=64, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     made.write_coco(f"{folder}/defects")
    ...     data = CocoDataset(f"{folder}/defects")
    >>> ones = [np.ones(len(boxes), np.float32) for boxes in made.boxes]
    >>> found = map(Detections, range(4), made.boxes, made.labels, ones)
    >>> evaluate_detections(found, data)["average_precision"]
    1.0
    """
    require("pycocotools", "evaluate_detections", extra="detection")
    ordered = in_order(detections, dataset)
    n_objects = np.zeros(len(dataset.class_names), np.intp)
    for record in dataset.records:
        np.add.at(n_objects, list(record.labels), 1)
    if not n_objects.any():
        raise ValueError(
            f"{dataset.source} has no object in its {len(dataset)} images: average precision "
            f"needs one at least."
        )
    precision, recall = _curves(dataset, ordered)
    return {
        "average_precision": _mean(precision[..., _SIZES["all"]]),
        "ap50": _mean(precision[_IOU_50, ..., _SIZES["all"]]),
        "ap75": _mean(precision[_IOU_75, ..., _SIZES["all"]]),
        **{
            f"ap_{size}": _mean(precision[..., _SIZES[size]])
            for size in ("small", "medium", "large")
        },
        "recall_100": _mean(recall[..., _SIZES["all"]]),
        "per_class": {
            name: {
                "average_precision": _mean(precision[:, :, label, _SIZES["all"]]),
                "ap50": _mean(precision[_IOU_50, :, label, _SIZES["all"]]),
                "n_objects": int(n_objects[label]),
            }
            for label, name in enumerate(dataset.class_names)
        },
    }


def _curves(
    dataset: CocoDataset, detections: list[Detections]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision (threshold, recall, class, size) and recall (threshold, class, size)."""
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):  # it tells of each step
        evaluation = COCOeval(_truth(dataset), _found(dataset, detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    result = evaluation.eval
    return result["precision"][..., _AT_MOST_100], result["recall"][..., _AT_MOST_100]


def _truth(dataset: CocoDataset) -> Any:
    notes = []
    for image, record in enumerate(dataset.records):
        for box, label in zip(record.boxes, record.labels, strict=True):
            notes.append({"image_id": image, "category_id": label, **_place(box)})
    return _coco(dataset, notes)


def _found(dataset: CocoDataset, detections: list[Detections]) -> Any:
    notes = []
    for image, one in enumerate(detections):
        # Boxes of one score would otherwise be matched in the order in which they came.
        order = np.lexsort((*one.boxes.T, -one.scores))
        for box, label, score in zip(
            one.boxes[order].tolist(),
            one.labels[order].tolist(),
            one.scores[order].tolist(),
            strict=True,
        ):
            place = _place(tuple(box))
            notes.append({"image_id": image, "category_id": label, "score": score, **place})
    return _coco(dataset, notes)


def _place(box: tuple[float, ...]) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    return {"bbox": [x0, y0, width, height], "area": width * height, "iscrowd": 0}


def _coco(dataset: CocoDataset, notes: list[dict[str, Any]]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(len(dataset))],
        "categories": [{"id": label} for label in range(len(dataset.class_names))],
        # From 1: to COCOeval an id of 0 means that nothing was matched.
        "annotations": [{"id": number, **note} for number, note in enumerate(notes, start=1)],
    }
    coco.createIndex()
    return coco


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what could be computed; COCOeval writes -1 where it could not."""
    known = values[values > -1.0]
    return float(known.mean()) if known.size else float("nan")
