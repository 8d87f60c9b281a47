"""Simulated images of a textured surface with rare small defects, and a COCO writer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from focaltab._new_file import part_of

DEFECT_KINDS = ("scratch", "pit", "stain")
_MOST_DEFECTS = 3
# Contrast of a defect against the surface's noise, which is what makes some hard to see.
_CONTRAST = (0.15, 0.5)


@dataclass(frozen=True)
class DefectImages:
    """Grey images and the boxes of the defects in each.

    Parameters
    ----------
    images : ndarray of shape (n_images, size, size), uint8
    boxes : list of ndarray of shape (n_defects, 4), float32
        ``x0, y0, x1, y1`` in pixels.
    labels : list of ndarray of shape (n_defects,), int64
        Numbers of `DEFECT_KINDS`.
    """

    images: NDArray[np.uint8]
    boxes: list[NDArray[np.float32]]
    labels: list[NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.images)

    def write_coco(self, path: str | Path) -> None:
        """Write PNG images and ``annotations.json`` in COCO's format into a new folder.

        Parameters
        ----------
        path : path

        Raises
        ------
        FileExistsError
            If the folder exists.
        """
        from PIL import Image

        path = Path(path)
        if path.exists():
            raise FileExistsError(f"{path} exists already: choose another folder or remove it.")
        with part_of(path) as part:
            (part / "images").mkdir(parents=True)
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for k, image in enumerate(self.images):
                name = f"{k:06d}.png"
                Image.fromarray(image).save(part / "images" / name)
                height, width = image.shape
                images.append({"id": k, "file_name": name, "width": width, "height": height})
                for box, label in zip(self.boxes[k].tolist(), self.labels[k].tolist(), strict=True):
                    x0, y0, x1, y1 = box
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": k,
                            "category_id": label + 1,
                            "bbox": [x0, y0, x1 - x0, y1 - y0],
                            "area": (x1 - x0) * (y1 - y0),
                            "iscrowd": 0,
                        }
                    )
            categories = [{"id": k + 1, "name": name} for k, name in enumerate(DEFECT_KINDS)]
            content = {"images": images, "annotations": annotations, "categories": categories}
            (part / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
            part.replace(path)


def make_defects(
    n_images: int, *, size: int = 128, random_state: int | None = None
) -> DefectImages:
    """Simulate images of a textured surface, each with 0 to 3 small defects.

    A surface is smoothed noise under uneven light. Scratches are thin lines, pits are dark discs
    with a bright rim, stains are faint blots; their contrast varies, so that some are hard to
    tell from the texture.

    Parameters
    ----------
    n_images : int
    size : int, default=128
        Height and width in pixels, at least 32.
    random_state : int or None, default=None
        The same number gives the same images.

    Returns
    -------
    DefectImages

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from focaltab.datasets import make_defects
    >>> data = make_defects(4, random_state=0)
    >>> data.images.shape
    (4, 128, 128)
    """
    if n_images < 1:
        raise ValueError(f"n_images must be at least 1, got {n_images!r}.")
    if size < 32:
        raise ValueError(f"size must be at least 32 pixels, got {size!r}.")
    rng = np.random.default_rng(random_state)
    images = np.empty((n_images, size, size), np.uint8)
    boxes, labels = [], []
    for k in range(n_images):
        surface = _surface(rng, size)
        kinds = rng.integers(len(DEFECT_KINDS), size=rng.integers(_MOST_DEFECTS + 1))
        found = [_draw(surface, rng, int(kind)) for kind in kinds]
        images[k] = np.clip(surface * 255.0, 0.0, 255.0).astype(np.uint8)
        boxes.append(np.array(found, dtype=np.float32).reshape(-1, 4))
        labels.append(kinds.astype(np.int64))
    return DefectImages(images, boxes, labels)


def _surface(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Brushed texture under light that falls off to one side."""
    noise = ndimage.gaussian_filter(rng.normal(size=(size, size)), (0.6, 2.5), mode="wrap")
    slope = rng.normal(0.0, 0.15, 2)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    return np.asarray(0.5 + 0.05 * noise / noise.std() + slope[0] * x + slope[1] * y)


def _draw(surface: NDArray[np.float64], rng: np.random.Generator, kind: int) -> list[float]:
    """Add one defect to the surface in place; its box."""
    size = surface.shape[0]
    strength = rng.uniform(*_CONTRAST)
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    radius = rng.uniform(3.0, 8.0)
    centre = rng.uniform(radius + 3.0, size - radius - 3.0, 2)
    dx, dy = x - centre[0], y - centre[1]
    if DEFECT_KINDS[kind] == "scratch":
        angle = rng.uniform(0.0, np.pi)
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        shape = np.exp(-(across**2) / 0.8) * (np.abs(along) < radius)
        surface += strength * shape
    elif DEFECT_KINDS[kind] == "pit":
        distance = np.hypot(dx, dy)
        shape = np.exp(-((distance / (0.6 * radius)) ** 4))
        surface -= strength * shape
        surface += 0.5 * strength * np.exp(-((distance - 0.75 * radius) ** 2) / 2.0)
    else:
        stretch = rng.uniform(0.6, 1.4)
        shape = np.exp(-((dx / (radius * stretch)) ** 2) - (dy / radius) ** 2)
        surface -= 0.6 * strength * shape
    rows, columns = np.nonzero(shape > 0.2)
    return [
        float(columns.min()),
        float(rows.min()),
        float(columns.max() + 1),
        float(rows.max() + 1),
    ]
