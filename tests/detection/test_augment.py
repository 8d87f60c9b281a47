"""What augmentation does to grey levels and to thin boxes."""

import pickle

import pytest

pytest.importorskip("torchvision")

import torch
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Image, Mask

from focaltab.detection import training_transforms

STRENGTHS = ["none", "light", "strong"]


def sample(boxes, dtype=torch.uint8):
    image = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    target = {
        "image_id": 1,
        "boxes": BoundingBoxes(
            torch.tensor(boxes).reshape(-1, 4), format="XYXY", canvas_size=(64, 64)
        ),
        "labels": torch.arange(len(boxes)),
    }
    return v2.ToDtype(dtype, scale=True)(Image(image), target)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_stay_between_black_and_white(strength, dtype):
    torch.manual_seed(0)
    transforms = training_transforms(strength)
    larger = 0
    for _ in range(20):
        image, _ = transforms(*sample([[8.0, 8.0, 56.0, 56.0]], dtype))
        assert image.dtype == torch.float32 and image.min() >= 0.0 and image.max() <= 1.0
        larger += image.shape[-1] > 64
    assert (larger > 0) == (strength == "strong")  # a zoom out was among them, hence the fill


@pytest.mark.parametrize("strength", STRENGTHS)
def test_thin_boxes_are_kept(strength):
    torch.manual_seed(0)
    transforms = training_transforms(strength)
    for _ in range(20):  # the only box is never outside a crop
        _, target = transforms(*sample([[20.0, 20.0, 44.0, 20.25]]))
        assert target["boxes"].shape == (1, 4) and target["labels"].tolist() == [0]


def test_boxes_outside_a_crop_are_taken_out_with_all_that_is_theirs():
    torch.manual_seed(0)
    transforms = pickle.loads(pickle.dumps(training_transforms("strong")))
    counts = set()
    for _ in range(50):
        image, target = sample([[2.0, 2.0, 12.0, 12.0], [50.0, 50.0, 60.0, 60.0]])
        target["masks"] = Mask(torch.zeros(2, 64, 64, dtype=torch.uint8))
        _, target = transforms(image, target)
        boxes = target["boxes"]
        assert isinstance(boxes, BoundingBoxes) and target["image_id"] == 1
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert len(boxes) == len(target["labels"]) == len(target["masks"])
        counts.add(len(boxes))
    assert counts == {1, 2}


@pytest.mark.parametrize("strength", STRENGTHS)
def test_images_of_background(strength):
    _, target = training_transforms(strength)(*sample(torch.zeros(0, 4).tolist()))
    assert len(target["boxes"]) == 0


def test_another_strength_is_refused():
    with pytest.raises(ValueError, match="'none', 'light' or 'strong', got 'much'"):
        training_transforms("much")
