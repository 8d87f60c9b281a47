"""The detector's head against torchvision's own."""

import pytest
import torch
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
        2, min_size=64, max_size=64, anchor_sizes=(8, 16, 32, 64, 128), weights=model.state_dict()
    )
    with torch.no_grad():
        boxes = [m.eval()(images)[0]["boxes"] for m in (model, again)]
    torch.testing.assert_close(*boxes)


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
