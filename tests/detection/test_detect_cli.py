"""The commands for images."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools")

import numpy as np
from command_line import invoke
from PIL import Image

from focaltab.detection import CocoDataset, evaluate_detections, load_detector, read_coco_results

SMALL = ("--epochs", 1, "--batch-size", 4, "--channels", 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("detect")
    done = invoke("simulate", "defects", "--out", path / "data", "--images", 10, "--size", 64)
    assert done.exit_code == 0, done.stderr
    train = ("detect", "train", "--data", path / "data", "--out", path / "model", *SMALL)
    done = invoke(*train)
    assert done.exit_code == 0, done.stderr
    return path


@pytest.mark.slow
def test_train_in_a_process_of_its_own(folder):
    train = ("detect", "train", "--data", folder / "data", "--out", folder / "own", *SMALL)
    command = [sys.executable, "-m", "focaltab", *map(str, train)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (folder / "own" / "weights.pt").is_file()


def test_train_leaves_a_detector_and_its_figures(folder):
    names = {path.name for path in (folder / "model").iterdir()}
    assert names == {
        *("checkpoint.pt", "weights.pt", "detector.json", "metrics.json", "history.json")
    }
    metrics = json.loads((folder / "model" / "metrics.json").read_text())
    assert 0.0 <= metrics["average_precision"] <= metrics["ap50"] <= 1.0
    assert set(metrics["per_class"]) == {"scratch", "pit", "stain"}
    history = json.loads((folder / "model" / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [1]
    # The defects are smaller than two cells of the pyramid, hence the images enlarged.
    assert 64 < load_detector(folder / "model").model.transform.min_size[0] <= 128


def test_eval_writes_figures_once(folder):
    command = ("detect", "eval", folder / "model", "--data", folder / "data", "--out")
    done = invoke(*command, folder / "figures.json")
    assert done.exit_code == 0, done.stderr
    assert "AP50" in done.stdout and "scratch" in done.stdout
    figures = json.loads((folder / "figures.json").read_text())
    n_objects = sum(one["n_objects"] for one in figures["per_class"].values())
    data = CocoDataset(folder / "data")
    assert n_objects == sum(len(record.boxes) for record in data.records)
    # No defect is large: COCO's figure is none, and JSON knows no NaN.
    assert figures["ap_large"] is None
    again = invoke(*command, folder / "figures.json")
    assert again.exit_code == 2 and "exists already" in again.stderr


def test_predict_draws_and_writes_results(folder):
    out = folder / "found"
    done = invoke(
        *("detect", "predict", folder / "model", "--data", folder / "data", "--out", out),
        *("--threshold", 0.0),
    )
    assert done.exit_code == 0, done.stderr
    data = CocoDataset(folder / "data")
    found = read_coco_results(out / "results.json", data)
    assert sum(map(len, found)) > 0
    assert 0.0 <= evaluate_detections(found, data)["ap50"] <= 1.0
    drawn = sorted(path.name for path in (out / "drawn").iterdir())
    assert drawn == [f"{k:06d}.png" for k in range(10)]
    with Image.open(out / "drawn" / drawn[0]) as image:
        assert np.asarray(image.convert("RGB")).std(axis=2).max() > 0  # colour on a grey surface
    assert (
        invoke(
            *("detect", "predict", folder / "model", "--data", folder / "data", "--out", out)
        ).exit_code
        == 2
    )


def test_predict_takes_images_without_annotations(folder):
    out = folder / "bare"
    images = folder / "data" / "images"
    done = invoke("detect", "predict", folder / "model", "--data", images, "--out", out)
    assert done.exit_code == 0, done.stderr
    names = json.loads((out / "images.json").read_text())
    assert names[0] == {"id": 1, "file_name": "000000.png"} and len(names) == 10


def test_predict_keeps_apart_images_of_one_name(folder):
    data = folder / "shared"
    content = {"images": [], "annotations": []}
    source = json.loads((folder / "data" / "annotations.json").read_text())
    content["categories"] = source["categories"]
    names = ["train/1.png", "val/1.png", "val/1_5.png", "b.png"]
    for image_id, name in enumerate(names, start=5):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64), 20 * image_id).save(data / name)
        entry = {"id": image_id, "file_name": name, "width": 64, "height": 64}
        content["images"].append(entry)
    (data / "annotations.json").write_text(json.dumps(content))
    out = folder / "apart"
    predict = ("detect", "predict", folder / "model", "--data", data, "--out", out)
    done = invoke(*predict, "--threshold", 1.0)
    assert done.exit_code == 0, done.stderr
    assert "of scores above 1 in" in done.stdout
    written = json.loads((out / "images.json").read_text())
    assert [one["file_name"] for one in written] == names
    drawn = sorted(path.stem for path in (out / "drawn").iterdir())
    assert drawn == ["1_5", "1_5_5", "1_6", "b"]
    for stem, image_id in (("1_5_5", 5), ("1_6", 6), ("1_5", 7), ("b", 8)):
        with Image.open(out / "drawn" / f"{stem}.png") as image:
            assert (np.asarray(image) == 20 * image_id).all()


def test_predict_says_which_scores_are_kept():
    help_text = invoke("detect", "predict", "--help").stdout
    assert "above" in help_text and "at least" not in help_text


def test_yolo_labels_are_converted(folder):
    (folder / "labels").mkdir()
    (folder / "labels" / "000000.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (folder / "classes.txt").write_text("scratch\npit\n")
    done = invoke(
        *("detect", "from-yolo", "--images", folder / "data" / "images"),
        *("--labels", folder / "labels", "--classes", folder / "classes.txt"),
        *("--out", folder / "converted"),
    )
    assert done.exit_code == 0, done.stderr
    records = CocoDataset(folder / "converted").records
    assert records[0].boxes == ((24.0, 16.0, 40.0, 48.0),) and records[0].labels == (1,)
    assert sum(len(record.boxes) for record in records) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("train", "--data", "nowhere", "--out", "x"), "cannot be read as COCO annotations"),
        (("train", "--data", "{data}", "--out", "{model}"), "--resume goes on with its run"),
        (("train", "--data", "{data}", "--out", "{model}", "--resume"), "is finished"),
        (("train", "--data", "{data}", "--out", "{new}", "--resume"), "no {new}"),
        (("train", "--data", "{data}", "--out", "{new}", "--gamma", "-1"), "gamma"),
        (("train", "--data", "{data}", "--out", "{new}", "--alpha", "much"), "--alpha"),
        (("train", "--data", "{data}", "--out", "{new}", "--backbone", "vgg"), "resnet18"),
        (("train", "--data", "{data}", "--out", "{new}", "--validation-share", "0"), "share"),
        (("train", "--data", "{data}", "--out", "{new}", "--weights", "no.pt"), "no file"),
        (
            ("train", "--data", "{data}", "--out", "{new}", "--image-size", "31"),
            "image_size must be at least 32 pixels",
        ),
        (
            (
                *("from-yolo", "--images", "{images}", "--labels", "{empty}"),
                *("--classes", "{names}", "--out", "{new}"),
            ),
            "no labels",
        ),
        (("eval", "{data}", "--data", "{data}"), "is no folder of a detector"),
        (("predict", "{model}", "--data", "{empty}", "--out", "{new}"), "no images"),
        (
            ("predict", "{model}", "--data", "{data}", "--out", "{new}", "--threshold", "2"),
            "--threshold",
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_the_user_can_mend_is_one_line(folder, arguments, message):
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "names").write_text("scratch\npit\n")
    places = {name: folder / name for name in ("data", "model", "new", "empty", "names")}
    places["images"] = folder / "data" / "images"
    given = [argument.format(**places) for argument in arguments]
    done = invoke("detect", *given)
    assert done.exit_code == 2, done.output
    assert message.format(**places) in done.stderr.replace("\n", "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "new").exists()
