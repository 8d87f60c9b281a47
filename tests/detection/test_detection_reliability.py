"""Stated probabilities of anchors and boxes against what was there."""

import copy

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools")

import numpy as np
import torch
from torchvision.models.detection import RetinaNet
from torchvision.transforms.v2.functional import to_dtype

from focaltab.calibration import calibration_table
from focaltab.datasets import make_defects
from focaltab.detection import (
    CocoDataset,
    Detections,
    anchor_outcomes,
    box_outcomes,
    detect,
    evaluate_detections,
    focal_retinanet,
)
from focaltab.losses import FocalLoss
from focaltab.plots import ReliabilityDisplay


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "coco"
    make_defects(24, size=64, random_state=1).write_coco(path)
    return CocoDataset(path)


def images_and_targets(data):
    pairs = [data[k] for k in range(len(data))]
    images = [to_dtype(image, torch.float32, scale=True) for image, _ in pairs]
    targets = [
        {"boxes": t["boxes"].as_subclass(torch.Tensor), "labels": t["labels"]} for _, t in pairs
    ]
    return images, targets


def untrained(loss=None, **kwargs):
    torch.manual_seed(0)
    sizes = (8, 16, 32, 64, 128)
    # Statistics of the batch would make training see other margins than evaluation does.
    kwargs = {"min_size": 64, "max_size": 64, "anchor_sizes": sizes, "norm": "frozen", **kwargs}
    return focal_retinanet(3, loss, **kwargs)


@pytest.fixture(scope="module")
def detector():
    """A detector whose scores differ from place to place, as of one that has been trained."""
    model = untrained(prior_probability=0.003)
    torch.nn.init.normal_(model.head.classification_head.cls_logits.weight, std=0.05)
    return model


@pytest.fixture(scope="module")
def trained(data):
    model = untrained(prior_probability=0.003)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-4)
    images, targets = images_and_targets(data)
    for step in range(15):
        part = slice(8 * (step % 3), 8 * (step % 3) + 8)
        optimizer.zero_grad()
        sum(model(images[part], targets[part]).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


@pytest.mark.parametrize("loss", [FocalLoss(2.0, 0.25), FocalLoss((1.0, 3.0), link="logit")])
def test_rows_are_those_of_the_training_loss(data, loss):
    model = untrained(loss)
    torch.nn.init.normal_(model.head.classification_head.cls_logits.weight, std=0.05)
    seen = anchor_outcomes(model, data, batch_size=7)
    images, targets = images_and_targets(data)
    with torch.no_grad():
        expected = model(images, targets)["classification"]
    total = loss.loss(seen.is_object, seen.margin.astype(float), seen.sample_weight).sum()
    assert total / seen.is_object.sum() == pytest.approx(float(expected), rel=1e-4)
    assert set(seen.sample_weight) == {1.0}
    labels = np.concatenate([t["labels"] for t in targets])
    assert set(seen.label[seen.is_object]) == set(labels)


@pytest.mark.slow
def test_the_inverse_link_calibrates_a_trained_detector(trained, data):
    seen = anchor_outcomes(trained, data)
    share = np.average(seen.is_object, weights=seen.sample_weight)
    stated = np.average(seen.probability(), weights=seen.sample_weight)
    assert 0.4 * share < stated < 2.5 * share
    # The sigmoid of the margin is more than ten times too sure.
    assert np.average(seen.probability(calibrated=False), weights=seen.sample_weight) > 10 * share


def test_tables_and_plots_take_the_outcomes(detector, data):
    seen = anchor_outcomes(detector, data, max_background=2000, random_state=0)
    arguments = seen.is_object, seen.probability()
    table = calibration_table(*arguments, sample_weight=seen.sample_weight, n_bins=4)
    assert table["rows"].sum() == pytest.approx(seen.sample_weight.sum())
    display = ReliabilityDisplay.from_predictions(*arguments, sample_weight=seen.sample_weight)
    assert len(display.table) > 1


def test_a_sample_of_the_background_stands_for_all(detector, data):
    every = anchor_outcomes(detector, data)
    part = anchor_outcomes(detector, data, max_background=3000, random_state=0)
    assert (~part.is_object).sum() == 3000 and (~every.is_object).sum() > 20_000
    np.testing.assert_allclose(
        np.sort(part.margin[part.is_object]), np.sort(every.margin[every.is_object]), rtol=1e-4
    )
    assert part.sample_weight.sum() == pytest.approx(len(every.margin))
    assert (part.sample_weight[part.is_object] == 1.0).all()
    background = every.margin[~every.is_object]
    error = background.std() / np.sqrt(3000)
    assert abs(part.margin[~part.is_object].mean() - background.mean()) < 4 * error
    # Every part of the data set is drawn from, and every class.
    assert np.bincount(part.label[~part.is_object]) == pytest.approx([1000] * 3, abs=120)


def test_the_same_rows_are_drawn_at_any_batch_size(detector, data):
    rows = [
        anchor_outcomes(detector, data, max_background=500, random_state=3, batch_size=size)
        for size in (1, 24)
    ]
    np.testing.assert_allclose(rows[0].margin, rows[1].margin, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(rows[0].label, rows[1].label)
    other = anchor_outcomes(detector, data, max_background=500, random_state=4)
    assert not np.array_equal(rows[0].margin, other.margin)


def test_the_model_is_left_as_it_was_and_others_are_refused(detector, data):
    detector = copy.deepcopy(detector)
    head = detector.head.classification_head
    detector.train()
    head.calibrated = False
    plain = anchor_outcomes(detector, data)
    head.calibrated = True
    np.testing.assert_array_equal(plain.margin, anchor_outcomes(detector, data).margin)
    assert all(module.training for module in detector.modules())
    with pytest.raises(ValueError, match="FocalClassificationHead"):
        anchor_outcomes(RetinaNet(detector.backbone, 3), data)
    with pytest.raises(ValueError, match="max_background"):
        anchor_outcomes(detector, data, max_background=0)
    with pytest.raises(ValueError, match="knows 2 classes"):
        anchor_outcomes(focal_retinanet(2), data)


def detections_of(data, image, boxes, labels, scores):
    """Nothing in all images but one."""
    found = []
    for k, record in enumerate(data.records):
        rows = (boxes, labels, scores) if k == image else ([], [], [])
        found.append(
            Detections(
                record.image_id,
                np.array(rows[0], np.float32).reshape(-1, 4),
                np.array(rows[1], np.int64),
                np.array(rows[2], np.float32),
            )
        )
    return found


def test_an_object_is_hit_once_by_the_best_box_of_its_class(data):
    image = next(k for k, record in enumerate(data.records) if len(record.boxes) == 1)
    (box,), (label,) = data.records[image].boxes, data.records[image].labels
    other = (label + 1) % 3
    found = detections_of(
        data,
        image,
        [box, box, box, (0.0, 0.0, 2.0, 2.0)],
        [label, label, other, label],
        [0.6, 0.7, 0.9, 0.8],
    )
    is_hit, score, labels = box_outcomes(found, data)
    assert is_hit.tolist() == [False, True, False, False]
    assert score.tolist() == pytest.approx([0.6, 0.7, 0.9, 0.8])
    assert labels.tolist() == [label, label, other, label]


def test_overlap_decides_and_each_box_takes_its_nearest_object(data):
    record = data.records[0].__class__(0, data.records[0].path, 64, 64, BOXES, (0, 0))
    twin = CocoDataset(data.source.parent)
    twin.records = [record]
    # The first overlaps both objects well enough, by 0.67 and 0.54; only the first leaves the
    # second box its own.
    found = detections_of(twin, 0, [(4, 0, 24, 20), (10, 0, 30, 20)], [0, 0], [0.9, 0.8])
    assert box_outcomes(found, twin).is_hit.tolist() == [True, True]
    assert box_outcomes(found, twin, iou_threshold=0.7).is_hit.tolist() == [False, True]
    for bad in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="iou_threshold"):
            box_outcomes(found, twin, bad)


BOXES = ((0.0, 0.0, 20.0, 20.0), (10.0, 0.0, 30.0, 20.0))


def test_hits_are_those_of_coco(data):
    rng = np.random.default_rng(0)
    detections = []
    for record in data.records:
        near = np.repeat(np.array(record.boxes).reshape(-1, 4), 3, axis=0)
        moved = near + np.tile(rng.normal(0.0, 1.5, (len(near), 2)), 2)
        boxes = np.vstack([moved, [[20.0, 20.0, 30.0, 30.0]]])
        labels = np.append(np.repeat(np.array(record.labels, int), 3), rng.integers(3))
        scores = rng.random(len(boxes)).astype(np.float32)
        detections.append(Detections(record.image_id, boxes.astype(np.float32), labels, scores))
    is_hit, score, label = box_outcomes(detections, data)
    classes = evaluate_detections(detections, data)["per_class"]
    for k, name in enumerate(data.class_names):
        hit = is_hit[label == k][np.argsort(-score[label == k])]
        recall = np.cumsum(hit) / classes[name]["n_objects"]
        precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
        # The best precision at each of 101 recalls or above.
        levels = np.linspace(0.0, 1.0, 101)
        best = [precision[recall >= level - 1e-9].max(initial=0.0) for level in levels]
        assert 0.1 < np.mean(best) < 0.9
        assert classes[name]["ap50"] == pytest.approx(np.mean(best))


def test_boxes_of_a_detector_have_outcomes(detector, data):
    detector.score_thresh = 0.0
    try:
        found = detect(detector, data)
    finally:
        detector.score_thresh = 0.05
    outcomes = box_outcomes(found, data)
    n_objects = sum(len(record.boxes) for record in data.records)
    assert len(outcomes.is_hit) == sum(map(len, found))
    assert 0 < outcomes.is_hit.sum() <= n_objects
    table = calibration_table(outcomes.is_hit, outcomes.score, n_bins=3)
    assert table["rows"].sum() == len(outcomes.is_hit)
    background = anchor_outcomes(detector, only_background(data))
    assert not background.is_object.any() and len(box_outcomes(*nothing(data)).is_hit) == 0


def only_background(data):
    part = CocoDataset(data.source.parent)
    part.records = [record for record in part.records if not record.boxes]
    assert part.records
    return part


def nothing(data):
    return detections_of(data, -1, [], [], []), data
