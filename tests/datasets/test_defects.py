"""Simulated surfaces: repeatable, boxed, and readable as COCO."""

import json

import pytest

pytest.importorskip("PIL")

import numpy as np
from PIL import Image

from focaltab.datasets import DEFECT_KINDS, make_defects


def test_images_repeat_and_differ():
    first, again, other = (make_defects(5, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    for a, b in zip(first.boxes, again.boxes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_defects_are_few_small_inside_and_visible():
    data = make_defects(200, size=96, random_state=0)
    counts = np.array([len(boxes) for boxes in data.boxes])
    assert set(counts) == {0, 1, 2, 3}
    labels = np.concatenate(data.labels)
    assert set(labels) == set(range(len(DEFECT_KINDS)))
    contrast = {0: [], 1: [], 2: []}
    for image, boxes, kinds in zip(data.images, data.boxes, data.labels, strict=True):
        for (x0, y0, x1, y1), kind in zip(boxes.astype(int), kinds, strict=True):
            assert 0 <= x0 < x1 <= 96 and 0 <= y0 < y1 <= 96
            assert max(x1 - x0, y1 - y0) <= 32
            inside = image[y0:y1, x0:x1].astype(float)
            contrast[kind].append(np.median(inside) - np.median(image))
    # Pits and stains darken the surface.
    assert np.mean(contrast[1]) < -10 and np.mean(contrast[2]) < -10
    boxed = sum(((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])).sum() for b in data.boxes)
    assert boxed < 0.05 * data.images.size


def test_the_coco_folder_holds_what_was_made(tmp_path):
    data = make_defects(12, size=64, random_state=3)
    data.write_coco(tmp_path / "coco")
    stored = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    assert [c["name"] for c in stored["categories"]] == list(DEFECT_KINDS)
    assert len(stored["images"]) == 12
    assert len(stored["annotations"]) == sum(map(len, data.boxes))
    for entry in stored["images"]:
        image = np.asarray(Image.open(tmp_path / "coco" / "images" / entry["file_name"]))
        np.testing.assert_array_equal(image, data.images[entry["id"]])
    for note in stored["annotations"]:
        x, y, width, height = note["bbox"]
        box = [x, y, x + width, y + height]
        assert box in data.boxes[note["image_id"]].tolist()
    with pytest.raises(FileExistsError, match="exists already"):
        data.write_coco(tmp_path / "coco")


@pytest.mark.parametrize("arguments", [{"n_images": 0}, {"n_images": 2, "size": 16}], ids=str)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be at least"):
        make_defects(**arguments)
