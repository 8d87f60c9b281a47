"""Training: what it reaches, that it repeats, and that a kill does no harm."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools")

import numpy as np
import torch
from PIL import Image

from focaltab.datasets import make_defects
from focaltab.detection import (
    CocoDataset,
    DetectorTrainer,
    detect,
    evaluate_detections,
    focal_retinanet,
    load_detector,
    save_detector,
    training_transforms,
)
from focaltab.losses import FocalLoss

ANCHORS = (8, 16, 32, 64, 128)


@pytest.fixture(scope="module")
def defects(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "defects"
    make_defects(12, size=64, random_state=0).write_coco(path)
    return CocoDataset(path)


def tiny(seed=0, **options):
    sizes = {"min_size": 64, "max_size": 64, "anchor_sizes": ANCHORS, "channels": 64}
    return focal_retinanet(3, random_state=seed, **{**sizes, **options})


def trained(dataset, model=None, validation=None, fit=None, **options):
    model = tiny() if model is None else model
    options = {"max_epochs": 2, "batch_size": 4, **options}
    trainer = DetectorTrainer(model, **options)
    return trainer.fit(dataset, validation, **(fit or {}))


def assert_same_weights(a, b):
    for (name, one), (_, other) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)


def squares(path, n_images, seed):
    """Images of one bright square each, which few steps are enough to learn."""
    rng = np.random.default_rng(seed)
    (path / "images").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "square"}]}
    for k in range(n_images):
        side = int(rng.integers(20, 29))
        x, y = rng.integers(0, 64 - side, 2).tolist()
        pixels = rng.normal(60.0, 8.0, (64, 64))
        pixels[y : y + side, x : x + side] += 120.0
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")
        image.save(path / "images" / f"{k}.png")
        content["images"].append({"id": k, "file_name": f"{k}.png", "width": 64, "height": 64})
        content["annotations"].append(
            {"id": k, "image_id": k, "category_id": 1, "bbox": [x, y, side, side]}
            | {"area": side**2, "iscrowd": 0}
        )
    (path / "annotations.json").write_text(json.dumps(content))
    return CocoDataset(path)


def test_a_detector_learns_to_find_squares(tmp_path):
    train, new = squares(tmp_path / "train", 16, 0), squares(tmp_path / "new", 16, 1)
    model = focal_retinanet(
        1, min_size=64, max_size=64, anchor_sizes=ANCHORS, channels=64, random_state=0
    )
    options = {"max_epochs": 12, "learning_rate": 2e-3, "augmentation": "none"}
    trainer = trained(train, model, new, {"validate_every": 12}, **options)
    # Boxes of a detector that has learned nothing score below 0.01.
    assert trainer.history_[-1]["ap50"] >= 0.2
    assert trainer.history_[-1]["classification"] < 0.3 * trainer.history_[0]["classification"]
    model.score_thresh = 0.001
    again = evaluate_detections(detect(model, new), new)
    assert again["ap50"] == pytest.approx(trainer.history_[-1]["ap50"])


@pytest.mark.slow
def test_a_detector_learns_to_find_defects(tmp_path):
    for name, n_images, seed in (("train", 160, 0), ("new", 60, 1)):
        make_defects(n_images, size=64, random_state=seed).write_coco(tmp_path / name)
    new = CocoDataset(tmp_path / "new")
    # Twice the images' size, so that defects cover some cells of the pyramid.
    model = tiny(min_size=128, max_size=128, anchor_sizes=(16, 32, 64, 128, 256))
    trainer = DetectorTrainer(model, max_epochs=24, batch_size=4, learning_rate=1e-3)
    trainer.fit(CocoDataset(tmp_path / "train"), new, validate_every=24)
    assert trainer.history_[-1]["ap50"] >= 0.5
    assert trainer.history_[-1]["classification"] < 0.5 * trainer.history_[0]["classification"]
    model.score_thresh = 0.001
    again = evaluate_detections(detect(model, new), new)
    assert again["ap50"] == pytest.approx(trainer.history_[-1]["ap50"])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}, {"optimizer": "sgd"}], ids=str)
def test_the_same_seed_repeats_a_run(defects, options):
    options = {**options, "augmentation": "strong"}
    torch.manual_seed(1)
    first = trained(defects, **options)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = trained(defects, **options)
    assert torch.equal(before, torch.get_rng_state())
    assert_same_weights(first.model, second.model)
    other = trained(defects, **options, random_state=1)
    assert first.history_[0]["classification"] != other.history_[0]["classification"]


@pytest.mark.parametrize(
    "options", [pytest.param({}, marks=pytest.mark.slow), {"ema_decay": 0.9}], ids=str
)
def test_a_resumed_run_ends_as_an_unbroken_one(defects, tmp_path, options):
    whole = trained(defects, fit={"checkpoint": tmp_path / "whole.pt"}, **options)

    class Stop(Exception):
        pass

    def stop_in_second_epoch(image, target, calls=[0]):  # noqa: B006
        calls[0] += 1
        if calls[0] > len(defects) + 5:
            raise Stop
        return training_transforms("light")(image, target)

    # The checkpoint tells one callable from another only by there being one.
    path = tmp_path / "broken.pt"
    with pytest.raises(Stop):
        trained(defects, fit={"checkpoint": path}, augmentation=stop_in_second_epoch, **options)
    with pytest.raises(ValueError, match="augmentation was"):
        trained(defects, fit={"checkpoint": path, "resume": True}, **options)
    resumed = trained(
        defects,
        tiny(seed=5),
        fit={"checkpoint": path, "resume": True},
        augmentation=training_transforms("light"),
        **options,
    )
    assert_same_weights(whole.model, resumed.model)
    assert [h["classification"] for h in whole.history_] == [
        h["classification"] for h in resumed.history_
    ]


@pytest.mark.slow
def test_a_killed_command_resumes_to_the_same_detector(tmp_path):
    make_defects(16, size=64, random_state=0).write_coco(tmp_path / "data")

    def command(out, *more):
        return [
            *(sys.executable, "-m", "focaltab", "detect", "train", "--data"),
            *(str(tmp_path / "data"), "--out", str(tmp_path / out), "--epochs", "3"),
            *("--batch-size", "4", "--validate-every", "9", "--channels", "64", *more),
        ]

    subprocess.run(command("whole"), check=True, capture_output=True)
    process = subprocess.Popen(command("killed"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    deadline = time.monotonic() + 600
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.exists() and not (tmp_path / "killed" / "detector.json").exists()
    refused = subprocess.run(command("killed"), capture_output=True, text=True)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    changed = subprocess.run(
        command("killed", "--resume", "--learning-rate", "0.1"), capture_output=True, text=True
    )
    assert changed.returncode == 2 and "learning_rate was 0.0003" in changed.stderr
    subprocess.run(command("killed", "--resume"), check=True, capture_output=True)
    whole, killed = (load_detector(tmp_path / name) for name in ("whole", "killed"))
    assert_same_weights(whole.model, killed.model)
    assert (tmp_path / "whole/metrics.json").read_text() == (
        tmp_path / "killed/metrics.json"
    ).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("objects", ["in most images", "in one image"])
def test_two_processes_train_as_one_with_twice_the_batch(tmp_path, objects):
    make_defects(8, size=64, random_state=0).write_coco(tmp_path / "data")
    if objects == "in one image":
        # Fewer positive anchors than processes in some steps, and none in others.
        path = tmp_path / "data" / "annotations.json"
        content = json.loads(path.read_text())
        content["annotations"] = content["annotations"][:1]
        path.write_text(json.dumps(content))
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, torch\n"
        "from focaltab.detection import CocoDataset, DetectorTrainer, focal_retinanet\n"
        "model = focal_retinanet(3, min_size=64, max_size=64, random_state=0, norm='frozen',\n"
        f"                        channels=64, anchor_sizes={ANCHORS})\n"
        "trainer = DetectorTrainer(model, max_epochs=1, batch_size=int(sys.argv[3]),\n"
        "                          optimizer='sgd', learning_rate=1e-3, augmentation='none',\n"
        "                          weight_decay=0.0, device='cpu')\n"
        "trainer.fit(CocoDataset(sys.argv[1]), checkpoint=sys.argv[2])\n"
    )
    data = str(tmp_path / "data")
    alone = [sys.executable, str(script), data, str(tmp_path / "one.pt"), "4"]
    together = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *(str(script), data, str(tmp_path / "two.pt"), "2"),
    ]
    for command in (alone, together):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    start = tiny(norm="frozen").state_dict()
    n_moved = 0
    for name, value in one["model"].items():
        moved = (value - start[name]).norm()
        if "classification_head" in name and "bias" in name:
            n_moved += int(moved > 0)
            assert (value - two["model"][name]).norm() <= 1e-3 * moved, name
    assert n_moved > 4
    assert json.loads(two["run"])["n_processes"] == 2


def test_what_is_saved_predicts_the_same(defects, tmp_path):
    trainer = trained(defects, tiny(loss=FocalLoss((1.0, 2.0), None, link="logit")))
    save_detector(trainer.model, defects, tmp_path / "detector")
    loaded = load_detector(tmp_path / "detector")
    assert loaded.class_names == ("scratch", "pit", "stain")
    trainer.model.score_thresh = loaded.model.score_thresh = 0.0
    for one, other in zip(
        detect(trainer.model, defects), detect(loaded.model, defects), strict=True
    ):
        assert (one.scores == other.scores).all() and (one.boxes == other.boxes).all()
    with pytest.raises(FileExistsError):
        save_detector(trainer.model, defects, tmp_path / "detector")
    trainer.model.head.classification_head.calibrated = False
    trainer.model.detections_per_img = 7
    save_detector(trainer.model, defects, tmp_path / "changed")
    changed = load_detector(tmp_path / "changed").model
    assert not changed.head.classification_head.calibrated
    assert (changed.detections_per_img, changed.score_thresh) == (7, 0.0)
    (tmp_path / "detector" / "weights.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"weights\.pt cannot be read"):
        load_detector(tmp_path / "detector")


@pytest.mark.slow
def test_mixed_precision_learns_on_a_cpu(tmp_path):
    make_defects(8, size=96, random_state=0).write_coco(tmp_path / "x")
    data = CocoDataset(tmp_path / "x")
    losses = []
    for mixed in (False, True):
        model = focal_retinanet(
            3, min_size=96, max_size=96, anchor_sizes=ANCHORS, random_state=0, norm="group"
        )
        trainer = trained(data, model, mixed_precision=mixed, max_epochs=1)
        assert next(model.parameters()).dtype == torch.float32
        losses.append(trainer.history_[0]["classification"])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    with pytest.raises(ValueError, match="more than 64 pixels"):
        trained(data, mixed_precision=True)


@pytest.mark.slow
def test_images_of_many_sizes_and_without_boxes(tmp_path):
    make_defects(6, size=64, random_state=0).write_coco(tmp_path / "x")
    path = tmp_path / "x" / "annotations.json"
    content = json.loads(path.read_text())
    bare = content["images"][0]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != bare["id"]]
    Image.new("RGB", (50, 80)).save(tmp_path / "x" / "images" / bare["file_name"])
    bare["width"], bare["height"] = 50, 80
    path.write_text(json.dumps(content))
    trainer = trained(
        CocoDataset(tmp_path / "x"), batch_size=2, augmentation="strong", num_workers=1
    )
    assert all(h["classification"] > 0.0 for h in trainer.history_)


@pytest.mark.slow
def test_the_number_of_reading_processes_changes_nothing(defects):
    losses = [
        trained(defects, num_workers=n, max_epochs=1).history_[0]["classification"] for n in (0, 2)
    ]
    # Images are augmented by one thread in a process of their own, by several in this one.
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_an_image_that_is_gone_is_told_by_reading_processes_too(tmp_path):
    make_defects(4, size=64, random_state=0).write_coco(tmp_path / "x")
    data = CocoDataset(tmp_path / "x")
    data.records[2].path.write_bytes(b"no image")
    for n in (0, 1):
        with pytest.raises(ValueError, match=r"000002\.png .image id 2. cannot be read") as told:
            trained(data, num_workers=n)
        assert len(str(told.value).splitlines()) == 1


@pytest.mark.slow
def test_settings_of_numpy_can_be_resumed(defects, tmp_path):
    options = {"learning_rate": np.float64(1e-4), "random_state": np.int64(3)}
    fit = {"checkpoint": tmp_path / "run.pt"}
    trained(defects, fit=fit, **options)
    again = trained(defects, fit={**fit, "resume": True}, **options)
    assert len(again.history_) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_trains_on_a_gpu(defects):
    trainer = trained(defects, tiny(norm="group"), defects)
    assert next(trainer.model.parameters()).device.type == "cuda"
    assert trainer.history_[-1]["classification"] > 0.0


@pytest.mark.slow
def test_weights_of_other_classes(tmp_path):
    model = tiny()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="a detector of 3 classes, but num_classes=2"):
        focal_retinanet(2, weights=tmp_path / "weights.pt", norm="batch", channels=64)
    other = focal_retinanet(
        2, weights=tmp_path / "weights.pt", norm="batch", channels=64, new_classes=True
    )
    for name, value in other.state_dict().items():
        if "cls_logits" not in name:
            assert torch.equal(value, model.state_dict()[name]), name
    with pytest.raises(ValueError, match="of another detector"):
        focal_retinanet(3, backbone="resnet50", weights=tmp_path / "weights.pt")


@pytest.mark.slow
def test_torchvisions_own_weights_load():
    from torchvision.models.detection import retinanet_resnet50_fpn

    theirs = retinanet_resnet50_fpn(weights=None, weights_backbone=None)
    ours = focal_retinanet(91, backbone="resnet50", weights=theirs.state_dict(), calibrated=False)
    theirs.eval(), ours.eval()
    theirs.score_thresh = ours.score_thresh = 0.0
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = theirs([image])[0], ours([image])[0]
    torch.testing.assert_close(a["scores"], b["scores"])
    torch.testing.assert_close(a["boxes"], b["boxes"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"optimizer": "adam"}, "optimizer"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"warm_up": 1.0}, "warm_up"),
        ({"max_grad_norm": 0.0}, "max_grad_norm"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"augmentation": "much"}, "augmentation"),
        ({"num_workers": -1}, "num_workers"),
        ({"random_state": None}, "random_state"),
        ({"random_state": -1}, "random_state"),
    ],
    ids=str,
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        DetectorTrainer(torch.nn.Linear(1, 1), **options)


def test_bad_data(defects, tmp_path):
    with pytest.raises(ValueError, match="knows 2 classes"):
        DetectorTrainer(focal_retinanet(2, min_size=64, max_size=64)).fit(defects)
    bare = CocoDataset.of_images(
        defects.records[0].path.parent, defects.class_names, defects.category_ids
    )
    with pytest.raises(ValueError, match="holds no boxes"):
        trained(bare)
    with pytest.raises(ValueError, match="to validate on"):
        trained(defects, validation=bare)
    with pytest.raises(ValueError, match="device='nonsense' cannot be used here"):
        trained(defects, device="nonsense")
    (tmp_path / "there.pt").write_bytes(b"x")
    with pytest.raises(FileExistsError):
        trained(defects, fit={"checkpoint": tmp_path / "there.pt"})
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        trained(defects, fit={"checkpoint": tmp_path / "there.pt", "resume": True})


def test_a_rate_too_high_is_told(defects):
    with pytest.raises(ValueError, match=r"In epoch \d+ .* learning_rate=1e\+20 is too high"):
        trained(defects, learning_rate=1e20, optimizer="sgd", max_epochs=3)
