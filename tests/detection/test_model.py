"""The detector's head against torchvision's own."""

import pytest

pytest.importorskip("torchvision")

import numpy as np
import torch
from scipy.special import logit
from torchvision.models.detection.retinanet import RetinaNetClassificationHead

from focaltab.detection import FocalClassificationHead, focal_retinanet
from focaltab.losses import FocalLoss


def outputs_and_targets(n_images=1):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_images, 600, 4, generator=generator) - 3.0
    matched = [torch.randint(-2, 3, (600,), generator=generator) for _ in range(n_images)]
    targets = [{"labels": torch.tensor([0, 3, 1])} for _ in range(n_images)]
    return {"cls_logits": logits.requires_grad_()}, targets, matched


def test_one_image_has_torchvisions_loss():
    head = FocalClassificationHead(8, 2, 4, FocalLoss(2.0, 0.25))
    theirs = RetinaNetClassificationHead(8, 2, 4)
    values, gradients = [], []
    for one in (head, theirs):
        outputs, targets, matched = outputs_and_targets()
        value = one.compute_loss(targets, outputs, matched)
        value.backward()
        values.append(value)
        gradients.append(outputs["cls_logits"].grad)
    torch.testing.assert_close(*values, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


def test_a_batch_is_divided_by_its_positive_anchors():
    head = FocalClassificationHead(8, 2, 4, FocalLoss(1.5, 0.25, link="logit"))
    outputs, targets, matched = outputs_and_targets(2)
    matched[0][matched[0] >= 0] = -1
    matched[0][:5] = 0
    whole = head.compute_loss(targets, outputs, matched)
    sums, counts = [], []
    for k in range(2):
        n_positive = int((matched[k] >= 0).sum())
        one = {"cls_logits": outputs["cls_logits"][k : k + 1]}
        sums.append(head.compute_loss(targets[k : k + 1], one, matched[k : k + 1]) * n_positive)
        counts.append(n_positive)
    torch.testing.assert_close(whole, sum(sums) / sum(counts))
    background = [torch.full((600,), -1), torch.full((600,), -1)]
    assert torch.isfinite(head.compute_loss(targets, outputs, background))


@pytest.mark.parametrize("link", ["focal", "logit"])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_head_starts_from_its_prior(gamma, link):
    loss = FocalLoss(gamma, 0.25, link=link)
    model = focal_retinanet(2, loss, prior_probability=0.003, min_size=64, max_size=64)
    head = model.head.classification_head
    with torch.no_grad():
        raw = head([torch.zeros(1, 256, 4, 4)])
    probability = loss.inverse_link(raw.numpy().ravel())
    assert probability == pytest.approx(0.003, rel=1e-3)


def test_trains_and_detects_at_small_sizes():
    torch.manual_seed(0)
    model = focal_retinanet(2, min_size=64, max_size=64, anchor_sizes=(8, 16, 32, 64, 128))
    images = [torch.rand(3, 64, 64), torch.rand(3, 64, 64)]
    targets = [
        {"boxes": torch.tensor([[4.0, 4.0, 20.0, 24.0]]), "labels": torch.tensor([1])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    losses = model(images, targets)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    again = focal_retinanet(
        2,
        min_size=64,
        max_size=64,
        anchor_sizes=(8, 16, 32, 64, 128),
        norm="batch",
        weights=model.state_dict(),
    )
    with torch.no_grad():
        boxes = [m.eval()(images)[0]["boxes"] for m in (model, again)]
    torch.testing.assert_close(*boxes)


def small_model(loss, **kwargs):
    torch.manual_seed(0)
    sizes = (8, 16, 32, 64, 128)
    kwargs = {"min_size": 64, "max_size": 64, "anchor_sizes": sizes, "norm": "frozen", **kwargs}
    model = focal_retinanet(2, loss, **kwargs)
    # Scores of all heights.
    torch.nn.init.normal_(model.head.classification_head.cls_logits.weight, std=0.1)
    return model


def test_scores_are_calibrated_and_boxes_stay():
    loss = FocalLoss(2.0, 0.25)
    model = small_model(loss, score_thresh=0.0, detections_per_img=50).eval()
    images = [torch.rand(3, 64, 64)]
    with torch.no_grad():
        (calibrated,) = model(images)
        model.head.classification_head.calibrated = False
        (plain,) = model(images)
    torch.testing.assert_close(calibrated["boxes"], plain["boxes"])
    assert torch.equal(calibrated["labels"], plain["labels"])
    expected = loss.inverse_link(logit(plain["scores"].numpy().astype(float)))
    np.testing.assert_allclose(calibrated["scores"].numpy(), expected, rtol=1e-4)
    assert not np.allclose(calibrated["scores"], plain["scores"], rtol=0.2)


def test_the_threshold_is_a_probability():
    loss = FocalLoss(2.0, 0.25)
    images = [torch.rand(3, 64, 64)]
    every = small_model(loss, score_thresh=0.0).eval()
    with torch.no_grad():
        (all_found,) = every(images)
        ranked = all_found["scores"].double().sort().values
        threshold = float(ranked[len(ranked) // 2 - 1 :][:2].mean())  # between two scores
        (found,) = small_model(loss, score_thresh=threshold).eval()(images)
    kept = all_found["scores"] > threshold
    assert 0 < kept.sum() < len(kept)
    assert torch.equal(found["scores"], all_found["scores"][kept])
    assert not small_model(loss, calibrated=False).head.classification_head.calibrated


def test_the_documented_threshold_is_that_of_the_papers_loss():
    probability = FocalLoss(2.0, 0.25).inverse_link(logit(np.array([0.05])))
    assert probability == pytest.approx(0.001, rel=0.05)


def test_training_sees_the_margin():
    features = [torch.rand(1, 256, 4, 4)]
    model = small_model(FocalLoss(2.0, 0.25))
    head = model.head.classification_head
    margins = head(features)
    assert torch.equal(margins, head.margins(features))
    head.eval()
    assert torch.equal(margins, head.margins(features))
    torch.testing.assert_close(head(features), head.criterion.log_odds(margins))
    losses = []
    for calibrated in (True, False):
        model = small_model(FocalLoss(2.0, 0.25), calibrated=calibrated)
        target = {"boxes": torch.tensor([[4.0, 4.0, 20.0, 24.0]]), "labels": torch.tensor([1])}
        losses.append(model([torch.full((3, 64, 64), 0.5)], [target])["classification"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": 2, "anchor_sizes": (8, 16)}, "anchor_sizes"),
        ({"num_classes": 2, "loss": FocalLoss(n_classes=3)}, "two classes"),
        (
            {"num_classes": 2, "loss": FocalLoss(alpha="balanced"), "prior_probability": 0.0},
            "strict",
        ),
        ({"num_classes": 2, "loss": FocalLoss(alpha="balanced")}, "resolve_alpha"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        focal_retinanet(**arguments)
