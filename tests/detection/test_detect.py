"""What a detector finds in a data set, as arrays, as a results file and as a picture."""

import contextlib
import json

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools")

import numpy as np
import torch
from PIL import Image
from pycocotools.coco import COCO
from torchvision.transforms import v2

from focaltab.datasets import make_defects
from focaltab.detection import (
    CocoDataset,
    Detections,
    detect,
    draw_detections,
    focal_retinanet,
    read_coco_results,
    write_coco_results,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of 96 pixels and one that is wider, with category ids 10, 20 and 30."""
    path = tmp_path_factory.mktemp("data") / "coco"
    made = make_defects(5, size=96, random_state=1)
    made.write_coco(path)
    wide = np.hstack([made.images[4], made.images[4][:, :64]])
    Image.fromarray(wide).save(path / "images" / "000004.png")
    content = json.loads((path / "annotations.json").read_text())
    content["images"][4]["width"] = 160
    for one in content["categories"]:
        one["id"] *= 10
    for one in content["annotations"]:
        one["category_id"] *= 10
    (path / "annotations.json").write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = focal_retinanet(
        3,
        norm="frozen",
        min_size=64,
        max_size=96,
        anchor_sizes=(8, 16, 32, 64, 128),
        score_thresh=0.0,
        detections_per_img=20,
    )
    torch.nn.init.normal_(model.head.classification_head.cls_logits.weight, std=0.1)
    return model


@pytest.fixture(scope="module")
def found(model, folder):
    return detect(model, CocoDataset(folder), batch_size=1)


def test_boxes_are_the_models_in_pixels_of_each_image(model, folder, found):
    data = CocoDataset(folder)
    assert [one.image_id for one in found] == [0, 1, 2, 3, 4]
    model.eval()
    for k, one in enumerate(found):
        with torch.no_grad():
            (expected,) = model([data[k][0].float() / 255.0])
        assert one.boxes.dtype == one.scores.dtype == np.float32 and one.labels.dtype == np.int64
        np.testing.assert_allclose(one.boxes, expected["boxes"], rtol=1e-5)
        np.testing.assert_array_equal(one.labels, expected["labels"])
        np.testing.assert_allclose(one.scores, expected["scores"], rtol=1e-5)
    assert len(found[0]) == 20
    # The network saw 64 pixels of 96.
    assert 64.0 < found[0].boxes.max() <= 96.0 < found[4].boxes[:, 2].max() <= 160.0


def test_the_model_is_left_as_it_was(model, folder):
    model.train()
    model.backbone.eval()
    modes = [module.training for module in model.modules()]
    detect(model, CocoDataset(folder))
    assert [module.training for module in model.modules()] == modes
    (folder / "broken").mkdir(exist_ok=True)
    data = CocoDataset(folder)
    data.records = [data.records[0].__class__(9, folder / "broken", 96, 96, (), ())]
    with pytest.raises(ValueError, match="image id 9"):
        detect(model, data)
    assert [module.training for module in model.modules()] == modes
    # And can be trained on.
    boxes = {"boxes": torch.tensor([[4.0, 4.0, 20.0, 24.0]]), "labels": torch.tensor([1])}
    sum(model.train()([torch.rand(3, 96, 96)], [boxes]).values()).backward()
    model.zero_grad()


def test_transforms_of_training_are_not_applied(model, folder, found):
    flipped = CocoDataset(folder, transforms=v2.RandomHorizontalFlip(p=1.0))
    for one, expected in zip(detect(model, flipped, batch_size=1), found, strict=True):
        np.testing.assert_allclose(one.boxes, expected.boxes)


def test_a_bar_is_shown_when_asked(model, folder, capsys):
    detect(model, CocoDataset(folder))
    assert capsys.readouterr().err == ""
    detect(model, CocoDataset(folder), progress=True)
    assert "5/5" in capsys.readouterr().err


def test_other_numbers_are_refused(model, folder):
    with pytest.raises(ValueError, match=r"knows 2 classes, but .* has 3"):
        detect(focal_retinanet(2), CocoDataset(folder))
    with pytest.raises(ValueError, match="batch_size"):
        detect(model, CocoDataset(folder), batch_size=0)


def test_results_are_read_as_written(folder, found, tmp_path):
    data = CocoDataset(folder)
    found = [*found[:2], Detections(2, np.zeros((0, 4), "f4"), np.zeros(0, int), np.zeros(0, "f4"))]
    found += detect_nothing(data)[3:]
    path = tmp_path / "results.json"
    write_coco_results(reversed(found), data, path)
    for one, expected in zip(read_coco_results(path, data), found, strict=True):
        assert one.image_id == expected.image_id
        np.testing.assert_array_equal(one.boxes, expected.boxes)
        np.testing.assert_array_equal(one.labels, expected.labels)
        np.testing.assert_array_equal(one.scores, expected.scores)
    first = json.loads(path.read_text())[0]
    x0, y0, x1, y1 = found[0].boxes[0].tolist()
    assert first["category_id"] == (found[0].labels[0] + 1) * 10
    assert first["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0])
    with contextlib.redirect_stdout(None):
        assert len(COCO(data.source).loadRes(str(path)).anns) == 40


def detect_nothing(data):
    empty = np.zeros((0, 4), "f4"), np.zeros(0, int), np.zeros(0, "f4")
    return [Detections(record.image_id, *empty) for record in data.records]


def test_nothing_is_overwritten_and_nothing_is_left_half(folder, tmp_path):
    data = CocoDataset(folder)
    path = tmp_path / "results.json"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"results.json exists already"):
        write_coco_results(detect_nothing(data), data, path)
    assert path.read_text() == "mine"
    path.unlink()
    with pytest.raises(ValueError, match="no detections of image id 4"):
        write_coco_results(detect_nothing(data)[:4], data, path)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        write_coco_results(detect_nothing(data), data, tmp_path / "none" / "results.json")
    assert list(tmp_path.iterdir()) == []


def entry(**values):
    good = {"image_id": 1, "category_id": 20, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}
    return {**good, **values}


@pytest.mark.parametrize(
    "bad, message",
    [
        (entry(image_id=77), "entry 1, image id 77: the data set has no image"),
        (entry(image_id=[1]), r"entry 1, image id \[1\]: the data set has no image"),
        (entry(category_id=2), r"entry 1, image id 1: category_id 2 is not among \[10, 20, 30\]"),
        (entry(score=float("nan")), "entry 1, image id 1: score must be a number"),
        (entry(score=1.5), "entry 1, image id 1: score must be a number in"),
        (entry(bbox=[1, 2, float("inf"), 4]), "entry 1, image id 1: bbox must be four numbers"),
        (entry(bbox=[1, 2, "3", 4]), "entry 1, image id 1: bbox must be four numbers"),
        (entry(bbox=[1, 2, 3]), "entry 1, image id 1: bbox must be four numbers"),
        (entry(bbox=[1, 2, -3, 4]), "entry 1, image id 1: .* is inverted"),
        ({"image_id": 1, "category_id": 20, "score": 0.5}, "entry 1, image id 1: bbox .* None"),
        (5, "entry 1 is no object"),
    ],
)
def test_bad_results_are_named(folder, tmp_path, bad, message):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([entry(), bad]))
    with pytest.raises(ValueError, match=f"results.json: {message}"):
        read_coco_results(path, CocoDataset(folder))


@pytest.mark.parametrize("text, message", [("{}", "no list of boxes"), ("[", "cannot be read")])
def test_other_files_are_no_results(folder, tmp_path, text, message):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_coco_results(path, CocoDataset(folder))
    with pytest.raises(ValueError, match="cannot be read"):
        read_coco_results(tmp_path / "none.json", CocoDataset(folder))


def two_boxes(scores=(0.9, 0.3)):
    boxes = np.array([[20, 30, 60, 50], [70, 60, 110, 100]], np.float32)
    return Detections(0, boxes, np.array([0, 1]), np.array(scores, np.float32))


def test_boxes_and_names_are_drawn():
    image = torch.full((3, 128, 128), 0.4)
    plain = np.full((512, 512, 3), 102)
    drawn = np.asarray(draw_detections(image, two_boxes(), ["scratch", "pit"]))
    assert drawn.shape == (512, 512, 3)
    changed = (drawn != plain).any(axis=2)
    assert changed[4 * 30, 4 * 20 : 4 * 60].all() and changed[4 * 30 : 4 * 50, 4 * 60].all()
    assert not changed[4 * 60 :, :].any()  # below the threshold
    # A name above the box: more than a line, in dark ink on its ground.
    label = drawn[4 * 30 - 16 : 4 * 30, 4 * 20 : 4 * 20 + 40]
    assert (label == 0).all(axis=2).sum() > 20
    every = np.asarray(draw_detections(image, two_boxes(), ["scratch", "pit"], threshold=0.0))
    assert tuple(every[4 * 60, 440]) != tuple(every[4 * 50, 4 * 50])
    assert torch.equal(image, torch.full((3, 128, 128), 0.4))


def test_boxes_at_the_edge_keep_their_names_inside():
    box = np.array([[60.0, 0.0, 64.0, 5.0]], np.float32)
    found = Detections(0, box, np.array([0]), np.array([1.0], np.float32))
    drawn = np.asarray(draw_detections(Image.new("L", (64, 64)), found, ["a very long name"]))
    assert (drawn[:20] != 0).any(axis=2).sum() > 20 * 80


def test_truth_is_dashed_and_without_score():
    truth = {"boxes": torch.tensor([[10.0, 80.0, 50.0, 120.0]]), "labels": torch.tensor([1])}
    nothing = two_boxes((0.0, 0.0))
    image = torch.zeros(3, 128, 128)
    drawn = np.asarray(draw_detections(image, nothing, ["scratch", "pit"], truth=truth))
    edge = (drawn[4 * 80, 4 * 10 : 4 * 50] != 0).any(axis=1)
    assert 0.3 < edge.mean() < 0.9
    with pytest.raises(ValueError, match="Class number 1 has no name"):
        draw_detections(image, nothing, ["scratch"], truth=truth)


def test_large_images_keep_their_size():
    assert draw_detections(Image.new("RGB", (700, 600)), two_boxes(), ["a", "b"]).size == (700, 600)
