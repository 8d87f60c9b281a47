"""What training changes in an image and its boxes, with torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torchvision.transforms import v2
from torchvision.tv_tensors import wrap

Strength = Literal["none", "light", "strong"]
Transforms = Callable[[Any, Any], tuple[Any, Any]]
# A zoomed-out image is surrounded by grey.
_GREY = 128
_MOST_ZOOM = 2.0
_OF_EACH_BOX = ("boxes", "labels", "masks")


def training_transforms(strength: Strength = "light") -> Transforms:
    """Make random changes for training, ending in images in [0, 1].

    Parameters
    ----------
    strength : {"none", "light", "strong"}, default="light"
        "light" mirrors the image in both directions and changes brightness and contrast. "strong"
        mirrors, distorts colours, zooms out and crops around objects, as single-shot detectors
        are trained (Liu et al., "SSD", ECCV 2016).

    Returns
    -------
    callable
        Of an image (bytes, or floats in [0, 1]) and its target, with torch's global random state.
        Boxes outside a crop are taken out.

    Raises
    ------
    ValueError
        For another strength.

    Examples
    --------
    >>> import torch
    >>> from torchvision.tv_tensors import BoundingBoxes
    >>> from focaltab.detection import training_transforms
    >>> boxes = BoundingBoxes([[0.0, 0.0, 8.0, 4.0]], format="XYXY", canvas_size=(32, 32))
    >>> image, target = training_transforms()(
    ...     torch.zeros(3, 32, 32, dtype=torch.uint8), {"boxes": boxes, "labels": torch.tensor([2])}
    ... )
    >>> image.dtype, target["boxes"].shape
    (torch.float32, torch.Size([1, 4]))
    """
    if strength not in ("none", "light", "strong"):
        raise ValueError(f"augmentation must be 'none', 'light' or 'strong', got {strength!r}.")
    steps: list[Any] = []
    if strength == "strong":
        steps += [
            v2.ToDtype(torch.uint8, scale=True),  # the fill's scale, whatever came before
            v2.RandomPhotometricDistort(),
            v2.RandomZoomOut(fill=_GREY, side_range=(1.0, _MOST_ZOOM)),
            v2.RandomIoUCrop(),
        ]
    if strength != "none":
        steps += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    if strength == "light":
        steps.append(v2.ColorJitter(brightness=0.2, contrast=0.2))
    steps += [
        v2.ToDtype(torch.float32, scale=True),
        v2.ClampBoundingBoxes(),
        _without_empty,
    ]
    transforms: Transforms = v2.Compose(steps)
    return transforms


def _without_empty(image: Any, target: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Take out boxes of no area: `RandomIoUCrop` makes those of zeros whose centre it cuts off.

    `SanitizeBoundingBoxes` would take thin ones, below a pixel, along with them.
    """
    x0, y0, x1, y1 = target["boxes"].as_subclass(torch.Tensor).unbind(-1)
    kept = (x1 > x0) & (y1 > y0)
    return image, {
        key: wrap(value[kept], like=value) if key in _OF_EACH_BOX else value
        for key, value in target.items()
    }
