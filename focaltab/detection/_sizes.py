"""Sizes of images and anchors that suit a data set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from focaltab.detection._coco import CocoDataset

# torchvision's detectors scale the shorter side to 800 and the longer to 1333 at most.
_LARGEST = 800
_ASPECT = 1333 / 800
# The pyramid's first level has a cell every 8 pixels: smaller objects fall between its anchors.
_CELL = 8
_PAPERS_ANCHOR = 32
_MOST_SCALE = 2.0
_SMALLEST = 32


def image_sizes(dataset: CocoDataset, image_size: int | None = None) -> dict[str, Any]:
    """``min_size`` and ``max_size`` of the model's input.

    Parameters
    ----------
    dataset : CocoDataset
    image_size : int, default=None
        Shorter side in pixels. None takes the median of the data's, at most 800; up to twice that
        where one object in ten is smaller than two cells of the pyramid's first level.

    Raises
    ------
    ValueError
        For an `image_size` below 32.
    """
    if image_size is not None and image_size < _SMALLEST:
        raise ValueError(f"image_size must be at least {_SMALLEST} pixels, got {image_size}.")
    if image_size is None:
        shorter = float(np.median([min(one.width, one.height) for one in dataset.records]))
        scale = min(max(2 * _CELL / _small_side(dataset), 1.0), _MOST_SCALE)
        image_size = round(min(_LARGEST, shorter * scale))
    return {"min_size": image_size, "max_size": math.ceil(image_size * _ASPECT)}


def anchor_sizes(dataset: CocoDataset, min_size: int) -> tuple[int, ...]:
    """Anchors of five levels, each twice the last, beginning with the data's small boxes.

    The first is the nearest power of two to the side that one box in ten stays below, but not
    under 8 pixels nor over the paper's 32.
    """
    shorter = float(np.median([min(one.width, one.height) for one in dataset.records]))
    small = _small_side(dataset) * min_size / shorter
    first = min(max(2 ** round(math.log2(small)), _CELL), _PAPERS_ANCHOR)
    return tuple(first * 2**level for level in range(5))


def _small_side(dataset: CocoDataset) -> float:
    """Side in pixels, of a square of the box's area, that one box in ten stays below."""
    sides = [
        math.sqrt((x1 - x0) * (y1 - y0))
        for record in dataset.records
        for x0, y0, x1, y1 in record.boxes
    ]
    return float(np.quantile(sides, 0.1)) if sides else float(_PAPERS_ANCHOR)
