"""Boxes, class names and scores on an image."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from focaltab.detection._coco import as_rgb
from focaltab.detection._detect import Detections

# Small images are enlarged until text of this size covers little of them.
_SHORTEST_SIDE = 512
_FONT_SIZE = 14
_LINE_WIDTH = 2
_DASH = 6
# Steps of the golden ratio on the colour wheel: neighbours in number are far apart in hue.
_HUE_STEP = (math.sqrt(5.0) - 1.0) / 2.0

Colour = tuple[int, int, int]


def draw_detections(
    image: Tensor | Image.Image,
    detections: Detections,
    class_names: Sequence[str],
    *,
    threshold: float = 0.5,
    truth: Mapping[str, Any] | None = None,
) -> Image.Image:
    """Draw the boxes found in an image, with class names and scores.

    Each class has a colour of its own. An image whose shorter side has fewer than 512 pixels is
    enlarged by a whole number first, so that thin boxes and text can be seen.

    Parameters
    ----------
    image : PIL image, or Tensor of shape (3, height, width) or (1, height, width)
        Bytes, or floats in [0, 1].
    detections : Detections
    class_names : sequence of str
    threshold : float, default=0.5
        Lowest score that is drawn.
    truth : mapping, default=None
        Boxes to draw dashed, without score: the target that `CocoDataset` gives beside an image
        (``"boxes"`` of shape (n, 4) as ``x0, y0, x1, y1``, and ``"labels"``).

    Returns
    -------
    PIL.Image.Image
        A new image, RGB.

    Raises
    ------
    ValueError
        If a class number has no name, or for an image of 32-bit values.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from focaltab.detection import Detections, draw_detections
    >>> box = np.array([[10, 10, 40, 30]], np.float32)
    >>> found = Detections(0, box, np.array([1]), np.array([0.8], np.float32))
    >>> draw_detections(torch.zeros(3, 64, 96), found, ["scratch", "pit"]).size
    (768, 512)
    """
    picture = to_pil_image(image) if isinstance(image, Tensor) else image
    factor = max(1, math.ceil(_SHORTEST_SIDE / min(picture.size)))
    size = (picture.width * factor, picture.height * factor)
    # Pixels stay squares: smoothing would hide what the detector saw.
    picture = as_rgb(picture).resize(size, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(picture)
    texts: list[tuple[NDArray[Any], str, Colour, bool]] = []
    if truth is not None:
        boxes, labels = np.asarray(truth["boxes"]), np.asarray(truth["labels"])
        for box, label in zip(boxes.reshape(-1, 4) * factor, labels.tolist(), strict=True):
            _dashed(pen, box, _colour(label))
            texts.append((box, _name(class_names, label), _colour(label), True))
    drawn = np.flatnonzero(detections.scores >= threshold)
    for k in drawn[np.argsort(detections.scores[drawn], kind="stable")]:  # the best on top
        label, box = int(detections.labels[k]), detections.boxes[k] * factor
        pen.rectangle(box.tolist(), outline=_colour(label), width=_LINE_WIDTH)
        text = f"{_name(class_names, label)} {detections.scores[k]:.2f}"
        texts.append((box, text, _colour(label), False))
    for box, text, colour, below in texts:  # no line may run through a name
        _text(pen, picture.size, box, text, colour, below=below)
    return picture


def _name(class_names: Sequence[str], label: int) -> str:
    if not 0 <= label < len(class_names):
        raise ValueError(f"Class number {label} has no name among {list(class_names)}.")
    return class_names[label]


def _colour(label: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb((0.12 + label * _HUE_STEP) % 1.0, 0.8, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _text(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: NDArray[Any],
    text: str,
    colour: Colour,
    *,
    below: bool = False,
) -> None:
    """Text on a ground of the class's colour, above the box (or below it), inside the image."""
    font = ImageFont.load_default(_FONT_SIZE)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(float(box[0]), 0.0), size[0] - width)
    y = float(box[3]) if below else float(box[1]) - height
    y = min(max(y, 0.0), size[1] - height)
    pen.rectangle([x, y, x + width, y + height], fill=colour)
    # Weights of brightness as the eye has it (ITU-R BT.601).
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 128
    ink = (0, 0, 0) if bright else (255, 255, 255)
    pen.text((x + 2 - left, y + 2 - top), text, fill=ink, font=font)


def _dashed(pen: ImageDraw.ImageDraw, box: NDArray[Any], colour: Colour) -> None:
    x0, y0, x1, y1 = box.tolist()
    for x in np.arange(x0, x1, 2 * _DASH):
        for y in (y0, y1):
            pen.line([x, y, min(x + _DASH, x1), y], fill=colour, width=_LINE_WIDTH)
    for y in np.arange(y0, y1, 2 * _DASH):
        for x in (x0, x1):
            pen.line([x, y, x, min(y + _DASH, y1)], fill=colour, width=_LINE_WIDTH)
