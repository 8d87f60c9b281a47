"""Sizes of images and anchors that suit a data set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from focaltab.detection._coco import CocoDataset

# torchvision's detectors scale the shorter side to 800 and the longer to 1333 at most.
_LARGEST = 800
_ASPECT = 1333 / 800
# The pyramid's first level has a cell every 8 pixels.
_SMALLEST_ANCHOR, _PAPERS_ANCHOR = 8, 32


def image_sizes(dataset: CocoDataset, image_size: int | None = None) -> dict[str, Any]:
    """``min_size`` and ``max_size`` of the model's input.

    Parameters
    ----------
    dataset : CocoDataset
    image_size : int, default=None
        Shorter side in pixels; None takes the median of the data's, at most 800.
    """
    if image_size is None:
        shorter = [min(record.width, record.height) for record in dataset.records]
        image_size = min(_LARGEST, int(np.median(shorter)))
    return {"min_size": image_size, "max_size": math.ceil(image_size * _ASPECT)}


def anchor_sizes(dataset: CocoDataset, min_size: int) -> tuple[int, ...]:
    """Anchors of five levels, each twice the last, for the data's smaller boxes.

    The smallest is the largest power of two below the sides of nine boxes in ten, but not under 8
    pixels nor over the paper's 32.
    """
    sides = [
        math.sqrt((x1 - x0) * (y1 - y0)) * min_size / min(record.width, record.height)
        for record in dataset.records
        for x0, y0, x1, y1 in record.boxes
    ]
    small = float(np.quantile(sides, 0.1)) if sides else _PAPERS_ANCHOR
    first = 2 ** math.floor(math.log2(max(small, 1.0)))
    first = min(max(first, _SMALLEST_ANCHOR), _PAPERS_ANCHOR)
    return tuple(first * 2**level for level in range(5))
