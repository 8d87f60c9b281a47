"""COCO folders: what is read, and what is refused with its ids."""

import json

import pytest

pytest.importorskip("torchvision")

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from focaltab.datasets import make_defects
from focaltab.detection import CocoDataset, Detections, draw_detections


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


def category(value):
    return lambda content: content["categories"].__setitem__(1, value)


@pytest.mark.parametrize(
    "edit, message",
    [
        (note(bbox=[1, 1, 0, 5]), "annotation id 1, image id .*empty or inverted"),
        (note(bbox=[5, 5, -3, 2]), "annotation id 1, .*empty or inverted"),
        (note(bbox=[60, 1, 10, 5]), "annotation id 1, .*beyond the image of 64 x 64"),
        (note(bbox=[float("nan"), 1, 2, 2]), "annotation id 1, .*no number"),
        (note(bbox=[1, 2, 3]), "annotation id 1, .*must be"),
        (note(bbox=[64.5, 0, 0.4, 5]), "annotation id 1, .*empty or inverted inside the image"),
        (note(bbox=[-0.9, 0, 0.5, 5]), "annotation id 1, .*empty or inverted inside the image"),
        (note(bbox=[64, 0, 0.5, 5]), "annotation id 1, .*empty or inverted inside the image"),
        (note(bbox=[50, 0, 1e-9, 5]), "annotation id 1, .*empty or inverted inside the image"),
        (note(bbox=[None, 1, 2, 2]), "annotation id 1, .*no number"),
        (note(bbox=["1", 1, 2, 2]), "annotation id 1, .*no number"),
        (note(bbox=[True, 1, 2, 2]), "annotation id 1, .*no number"),
        (note(bbox=[10**400, 1, 2, 2]), "annotation id 1, .*no number"),
        (note(category_id=[1]), r"annotation id 1, .*category_id \[1\] is not among"),
        (note(category_id=True), "annotation id 1, .*category_id True is not among"),
        (note(image_id=[1]), r"annotation id 1, image id \[1\]: there is no image"),
        (note(image_id=True), "annotation id 1, image id True: there is no image"),
        (lambda content: content["annotations"].insert(1, None), "annotation number 1 is no obj"),
        (
            lambda content: content["images"].insert(1, None),
            "image number 1 is no object, got None",
        ),
        (lambda content: content["images"].insert(1, [3]), r"image number 1 is no object, got \[3"),
        (lambda content: content["images"].clear(), "names no images"),
        (image(id=[2]), r"image id \[2\] must be"),
        (image(id=None), "image id None must be"),
        (image(width="64"), "image id 2: its size is '64' x 64 .* whole numbers"),
        (image(height=64.5), "image id 2: its size is 64 x 64.5 .* whole numbers"),
        (image(height=None), "image id 2: its size is 64 x None .* whole numbers"),
        (image(file_name=7), "image id 2: file_name must be text, got 7"),
        (category(None), "category number 1 is no object with id and name, got None"),
        (category({"name": "pit"}), r"category id None \(name 'pit'\): the id must be"),
        (category({"id": [2], "name": "pit"}), r"category id \[2\] .*the id must be"),
        (category({"id": 2}), "category id 2 .*there must be a name"),
        (category({"id": 1, "name": "pit"}), "category id 1 .*the id stands twice"),
        (category({"id": 2, "name": "scratch"}), "category id 2 .*the name stands twice"),
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
    with pytest.raises(ValueError, match=rf"annotations\.json.*{message}"):
        CocoDataset(folder)


@pytest.mark.parametrize("name, mode", [("a.png", "I;16"), ("a.tif", "I;16B")])
def test_sixteen_bits_are_scaled(tmp_path, name, mode):
    values = np.array([[0, 257, 1000], [32768, 65534, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    if mode == "I;16B":
        Image.frombytes(mode, (3, 2), values.astype(">u2").tobytes()).save(tmp_path / name)
        (tmp_path / "a.png").unlink()
    pixels, _ = CocoDataset.of_images(tmp_path, ["pit"], [1])[0]
    assert pixels.tolist() == 3 * [[[0, 1, 4], [128, 255, 255]]]
    none = Detections(1, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0))
    with Image.open(tmp_path / name) as file:
        drawn = np.asarray(draw_detections(file, none, ["pit"]))
    assert sorted(set(drawn.ravel().tolist())) == [0, 1, 4, 128, 255]


@pytest.mark.parametrize("dtype, mode", [(np.int32, "I"), (np.float32, "F")])
def test_images_of_unknown_range_are_refused(folder, dtype, mode):
    Image.fromarray(np.zeros((64, 64), dtype)).save(folder / "images" / "x.tif")
    message = rf"x\.tif.*mode {mode}\).*8 or 16 bits"
    with pytest.raises(ValueError, match=message):
        CocoDataset.of_images(folder / "images", ["pit"], [1])
    change(folder, image(file_name="x.tif"))
    with pytest.raises(ValueError, match=message):
        CocoDataset(folder)


def test_image_files_are_looked_at_before_any_is_trained_on(folder):
    path = folder / "images" / "000003.png"
    Image.new("L", (64, 32)).save(path)
    with pytest.raises(ValueError, match=r"000003.png \(image id 3\) is 64 x 32 pixels"):
        CocoDataset(folder)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"000003.png \(image id 3\) cannot be read"):
        CocoDataset(folder)


def test_images_too_large_for_pillow_are_named(folder, monkeypatch):
    data = CocoDataset(folder)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for read in (
        lambda: data[0],
        lambda: CocoDataset(folder),
        lambda: CocoDataset.of_images(folder / "images", ["pit"], [1]),
    ):
        with pytest.raises(ValueError, match=r"000000.png.* cannot be read as an image: .*4096"):
            read()


def test_only_images_are_taken_from_a_folder(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.PNG")
    for name in ("paper.pdf", "data.h5", "notes.txt"):
        (tmp_path / name).write_bytes(b"no image")
    data = CocoDataset.of_images(tmp_path, ["pit"], [1])
    assert [record.path.name for record in data.records] == ["a.PNG"]


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
