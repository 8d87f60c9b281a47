"""COCO folders: what is read, and what is refused with its ids."""

import json

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from focaltab.datasets import make_defects
from focaltab.detection import CocoDataset


@pytest.fixture
def folder(tmp_path):
    make_defects(12, size=64, random_state=1).write_coco(tmp_path / "coco")
    return tmp_path / "coco"


def change(folder, edit):
    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_reads_what_was_written(folder):
    made = make_defects(12, size=64, random_state=1)
    data = CocoDataset(folder)
    assert data.class_names == ["scratch", "pit", "stain"]
    assert any(len(boxes) == 0 for boxes in made.boxes)
    for k in range(12):
        image, target = data[k]
        np.testing.assert_array_equal(image[0].numpy(), made.images[k])
        np.testing.assert_allclose(target["boxes"].numpy(), made.boxes[k])
        np.testing.assert_array_equal(target["labels"].numpy(), made.labels[k])


def test_transforms_move_boxes_along(folder):
    data = CocoDataset(folder, transforms=v2.RandomHorizontalFlip(p=1.0))
    plain = CocoDataset(folder)
    k = next(k for k in range(12) if plain.records[k].boxes)
    (image, target), (original, before) = data[k], plain[k]
    assert torch.equal(image, original.flip(-1))
    expected = before["boxes"].clone()
    expected[:, [0, 2]] = 64 - before["boxes"][:, [2, 0]]
    torch.testing.assert_close(target["boxes"].as_subclass(torch.Tensor), expected)


def test_ids_need_not_start_at_one_and_edges_are_cut(folder):
    def edit(content):
        for category in content["categories"]:
            category["id"] *= 10
        for note in content["annotations"]:
            note["category_id"] *= 10
        content["annotations"][0]["bbox"] = [-0.5, 0.0, 65.0, 64.5]

    change(folder, edit)
    first = json.loads((folder / "annotations.json").read_text())["annotations"][0]
    record = {r.image_id: r for r in CocoDataset(folder).records}[first["image_id"]]
    assert record.boxes[0] == (0.0, 0.0, 64.0, 64.0)
    assert record.labels[0] == first["category_id"] // 10 - 1


def note(**values):
    return lambda content: content["annotations"][0].update(values)


def image(**values):
    return lambda content: content["images"][2].update(values)


@pytest.mark.parametrize(
    "edit, message",
    [
        (note(bbox=[1, 1, 0, 5]), "annotation id 1, image id .*empty or inverted"),
        (note(bbox=[5, 5, -3, 2]), "annotation id 1, .*empty or inverted"),
        (note(bbox=[60, 1, 10, 5]), "annotation id 1, .*beyond the image of 64 x 64"),
        (note(bbox=[float("nan"), 1, 2, 2]), "annotation id 1, .*no number"),
        (note(bbox=[1, 2, 3]), "annotation id 1, .*must be"),
        (note(category_id=9), r"annotation id 1, .*category_id 9 is not among \[1, 2, 3\]"),
        (note(image_id=77), "annotation id 1, image id 77: there is no image"),
        (image(width=0), "image id 2: its size is 0 x 64"),
        (image(file_name="gone.png"), "image id 2: there is no file gone.png"),
        (image(id=1), "image id 1 stands twice"),
        (lambda content: content.pop("images"), "no list 'images'"),
        (lambda content: content["categories"].clear(), "names no categories"),
    ],
)
def test_bad_annotations_are_named(folder, edit, message):
    change(folder, edit)
    with pytest.raises(ValueError, match=message):
        CocoDataset(folder)


def test_bad_files_are_named(folder, tmp_path):
    data = CocoDataset(folder)
    data.records[1].path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"000001.png \(image id 1\) cannot be read"):
        data[1]
    change(folder, lambda content: content["images"][0].update(width=128))
    with pytest.raises(ValueError, match="is 64 x 64 pixels, but the annotations say 128 x 64"):
        CocoDataset(folder)[0]
    (folder / "annotations.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read as COCO annotations"):
        CocoDataset(folder)
    with pytest.raises(ValueError, match="cannot be read as COCO annotations"):
        CocoDataset(tmp_path / "nowhere")
