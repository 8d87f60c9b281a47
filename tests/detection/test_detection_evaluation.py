"""Average precision against cases computed by hand."""

import json

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools")

import numpy as np
from PIL import Image

from focaltab.detection import CocoDataset, Detections, evaluate_detections


def write(folder, objects, n_images, class_names=("pit", "stain")):
    """`objects`: (image, label, (x0, y0, x1, y1))."""
    (folder / "images").mkdir(parents=True)
    images, notes = [], []
    for k in range(n_images):
        Image.new("L", (200, 200)).save(folder / "images" / f"{k}.png")
        images.append({"id": 7 * k, "file_name": f"{k}.png", "width": 200, "height": 200})
    for image, label, (x0, y0, x1, y1) in objects:
        bbox = [x0, y0, x1 - x0, y1 - y0]
        note = {"id": len(notes), "image_id": 7 * image, "category_id": label + 5, "bbox": bbox}
        notes.append(note)
    categories = [{"id": k + 5, "name": name} for k, name in enumerate(class_names)]
    content = {"images": images, "annotations": notes, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return CocoDataset(folder)


def found(image, *rows):
    """`rows`: (label, score, box)."""
    return Detections(
        7 * image,
        np.array([box for _, _, box in rows], np.float32).reshape(-1, 4),
        np.array([label for label, _, _ in rows], np.int64),
        np.array([score for _, score, _ in rows], np.float32),
    )


BOX = (10.0, 10.0, 50.0, 50.0)
ELSEWHERE = (100.0, 100.0, 140.0, 140.0)


def test_a_false_alarm_between_two_hits(tmp_path):
    data = write(tmp_path / "x", [(0, 0, BOX), (1, 0, BOX)], 2)
    detections = [found(0, (0, 0.9, BOX)), found(1, (0, 0.8, ELSEWHERE), (0, 0.7, BOX))]
    result = evaluate_detections(detections, data)
    # Precision is 1 at the 51 recalls up to 0.5 and 2/3 at the 50 above.
    expected = (51 + 50 * 2 / 3) / 101
    for key in ("average_precision", "ap50", "ap75", "ap_medium"):
        assert result[key] == pytest.approx(expected)
    assert np.isnan(result["ap_small"]) and np.isnan(result["ap_large"])
    assert result["recall_100"] == 1.0
    pit, stain = result["per_class"]["pit"], result["per_class"]["stain"]
    assert pit == {
        "average_precision": pytest.approx(expected),
        "ap50": pytest.approx(expected),
        "n_objects": 2,
    }
    assert np.isnan(stain["average_precision"]) and stain["n_objects"] == 0


def test_a_loose_box_counts_at_low_thresholds_only(tmp_path):
    data = write(tmp_path / "x", [(0, 0, BOX)], 1)
    # Shifted by 9 of 40 pixels: intersection over union 31 / 49 = 0.633.
    result = evaluate_detections([found(0, (0, 0.9, (19.0, 10.0, 59.0, 50.0)))], data)
    assert result["ap50"] == pytest.approx(1.0) and result["ap75"] == 0.0
    assert result["average_precision"] == pytest.approx(0.3)
    assert result["recall_100"] == pytest.approx(0.3)


def test_a_detection_on_background_is_a_false_alarm(tmp_path):
    data = write(tmp_path / "x", [(0, 0, BOX)], 2)
    alarm = evaluate_detections([found(0, (0, 0.8, BOX)), found(1, (0, 0.9, BOX))], data)
    assert alarm["average_precision"] == pytest.approx(0.5)
    late = evaluate_detections([found(0, (0, 0.8, BOX)), found(1, (0, 0.7, BOX))], data)
    assert late["average_precision"] == pytest.approx(1.0)


def test_sizes_and_classes_are_averaged_apart(tmp_path):
    small, large = (0.0, 0.0, 20.0, 20.0), (50.0, 50.0, 180.0, 180.0)
    data = write(tmp_path / "x", [(0, 0, small), (0, 1, large)], 1)
    result = evaluate_detections([found(0, (0, 0.5, small), (0, 0.9, large))], data)
    assert result["per_class"]["pit"]["ap50"] == pytest.approx(0.5)  # the other class's first
    assert result["per_class"]["stain"]["ap50"] == 0.0
    assert result["average_precision"] == pytest.approx(0.25)
    assert result["ap_small"] == pytest.approx(1.0) and result["ap_large"] == 0.0
    assert np.isnan(result["ap_medium"])


def test_nothing_found_is_zero(tmp_path):
    data = write(tmp_path / "x", [(0, 0, BOX)], 2)
    result = evaluate_detections([found(0), found(1)], data)
    assert result["average_precision"] == result["ap50"] == result["recall_100"] == 0.0
    assert result["per_class"]["pit"]["average_precision"] == 0.0


def test_order_does_not_matter_and_nothing_is_changed_or_printed(tmp_path, capsys):
    rng = np.random.default_rng(0)
    objects = [
        (k, int(rng.integers(2)), (x, x, x + 30.0, x + 25.0)) for k in range(6) for x in (5.0, 90.0)
    ]
    data = write(tmp_path / "x", objects, 6)
    detections = []
    for k in range(6):
        rows = []
        for image, label, box in objects:
            if image == k:
                for _ in range(4):
                    shifted = tuple(np.array(box) + rng.normal(0.0, 4.0))
                    # Scores that are often equal.
                    rows.append((label, float(rng.integers(1, 4)) / 4.0, shifted))
        detections.append(found(k, *rows))
    before = [(d.boxes.copy(), d.labels.copy(), d.scores.copy()) for d in detections]
    records = list(data.records)
    result = evaluate_detections(detections, data)
    assert 0.0 < result["average_precision"] < 1.0
    shuffled = []
    for one in rng.permutation(np.arange(6)):
        d = detections[one]
        order = rng.permutation(len(d))
        shuffled.append(Detections(d.image_id, d.boxes[order], d.labels[order], d.scores[order]))
    np.testing.assert_equal(evaluate_detections(shuffled, data), result)
    for d, (boxes, labels, scores) in zip(detections, before, strict=True):
        np.testing.assert_array_equal(d.boxes, boxes)
        np.testing.assert_array_equal(d.labels, labels)
        np.testing.assert_array_equal(d.scores, scores)
    assert data.records == records
    assert capsys.readouterr().out == ""


def test_other_input_is_refused(tmp_path):
    data = write(tmp_path / "x", [(0, 0, BOX)], 2)
    nan = found(0, (0, float("nan"), BOX))
    inverted = found(0, (0, 0.5, (50.0, 10.0, 10.0, 50.0)))
    cases = [
        ([inverted, found(1)], "image id 0 hold an inverted box"),
        ([found(0)], "no detections of image id 7"),
        ([found(0), found(0), found(1)], "image id 0 stand twice"),
        ([found(0), found(1), found(9)], "image id 63: .* has no image"),
        ([nan, found(1)], "image id 0 hold a value that is no number"),
        ([found(0, (2, 0.5, BOX)), found(1)], "image id 0: class numbers must be 0 to 1"),
        ([Detections(0, np.zeros((1, 4)), np.zeros(2, int), np.zeros(2)), found(1)], "shapes"),
    ]
    for detections, message in cases:
        with pytest.raises(ValueError, match=message):
            evaluate_detections(detections, data)
    empty = write(tmp_path / "empty", [], 1)
    with pytest.raises(ValueError, match="no object in its 1 images"):
        evaluate_detections([found(0)], empty)
