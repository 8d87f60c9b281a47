"""YOLO's text labels as a COCO folder."""

import pytest

pytest.importorskip("torchvision")

import numpy as np
from PIL import Image

from focaltab.datasets import make_defects
from focaltab.detection import CocoDataset, yolo_to_coco

NAMES = ["scratch", "pit", "stain"]


@pytest.fixture
def made():
    """Of which some hold none."""
    return make_defects(12, size=64, random_state=1)


@pytest.fixture
def folders(tmp_path, made):
    """Images and labels; what holds no defect has no label file."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for k in range(len(made)):
        Image.fromarray(made.images[k]).save(images / f"part {k:02d}.png")
        lines = [
            f"{label} {(x0 + x1) / 128:.6f} {(y0 + y1) / 128:.6f} "
            f"{(x1 - x0) / 64:.6f} {(y1 - y0) / 64:.6f}"
            for label, (x0, y0, x1, y1) in zip(made.labels[k], made.boxes[k], strict=True)
        ]
        if lines:
            (labels / f"part {k:02d}.txt").write_text("\n".join(lines) + "\n\n")
    return images, labels


def a_label(labels):
    return sorted(labels.iterdir())[0]


def test_boxes_and_images_are_kept(folders, made, tmp_path):
    returned = yolo_to_coco(*folders, NAMES, tmp_path / "coco")
    data = CocoDataset(tmp_path / "coco")
    assert data.records == returned.records and data.class_names == NAMES
    assert len(data) == 12 and any(not record.boxes for record in data.records)
    for k in range(12):
        image, target = data[k]
        np.testing.assert_array_equal(image[0], made.images[k])
        np.testing.assert_allclose(target["boxes"], made.boxes[k], atol=1e-3)
        np.testing.assert_array_equal(target["labels"], made.labels[k])
    copied = tmp_path / "coco" / "images" / "part 00.png"
    assert copied.read_bytes() == (folders[0] / "part 00.png").read_bytes()


def test_names_are_read_from_a_text_file(folders, tmp_path):
    names = folders[1] / "classes.txt"  # where labelling tools put it
    names.write_text("scratch\npit\nstain\n\n")
    data = yolo_to_coco(*folders, names, tmp_path / "coco")
    assert data.class_names == NAMES


def test_width_and_height_are_not_exchanged(tmp_path):
    Image.new("L", (200, 100)).save(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("0 0.25 0.5 0.1 0.4")
    data = yolo_to_coco(tmp_path, tmp_path, ["pit"], tmp_path / "coco")
    assert data.records[0].boxes[0] == pytest.approx((40.0, 30.0, 60.0, 70.0))


def test_turned_photographs_are_saved_upright(tmp_path):
    upright = np.zeros((60, 100, 3), np.uint8)
    upright[:, :50] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise when shown
    turned = Image.fromarray(np.rot90(upright))
    turned.save(tmp_path / "a.png", exif=exif)
    (tmp_path / "a.txt").write_text("0 0.25 0.5 0.5 1.0")
    data = yolo_to_coco(tmp_path, tmp_path, ["bright"], tmp_path / "coco")
    image, target = data[0]
    assert image.shape == (3, 60, 100)
    assert target["boxes"].tolist() == [[0.0, 0.0, 50.0, 60.0]]
    assert (image[:, :, :50] == 200).all() and (image[:, :, 50:] == 0).all()


def test_edges_are_cut(tmp_path):
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.1 0.5 0.201 0.2")
    data = yolo_to_coco(tmp_path, tmp_path, ["pit"], tmp_path / "coco")
    assert data.records[0].boxes[0] == pytest.approx((0.0, 40.0, 20.05, 60.0))


@pytest.mark.parametrize(
    "line, message",
    [
        ("0 0.5 0.5 0.1", "must hold five fields .* but holds 4"),
        ("0 0.5 0.5 0.1 0.1 0.9", "but holds 6"),
        ("3 0.5 0.5 0.1 0.1", "the class must be a whole number from 0 to 2, got '3'"),
        ("-1 0.5 0.5 0.1 0.1", "the class .* got '-1'"),
        ("pit 0.5 0.5 0.1 0.1", "the class .* got 'pit'"),
        ("0 nan 0.5 0.1 0.1", "no number"),
        ("0 x 0.5 0.1 0.1", "are no numbers"),
        ("0 0.5 0.5 0.0 0.1", "width 0 and height 0.1 is empty"),
        ("0 0.5 0.5 0.1 -0.1", "is empty"),
        ("0 0.98 0.5 0.1 0.1", "beyond the image"),
        ("0 30 30 10 10", "beyond the image"),
        ("0 1.005 0.5 0.001 0.1", "outside the image"),
    ],
)
def test_bad_lines_are_named(folders, tmp_path, line, message):
    path = a_label(folders[1])
    path.write_text(f"1 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(ValueError, match=f"{path.name}, line 2.*{message}"):
        yolo_to_coco(*folders, NAMES, tmp_path / "coco")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images", "labels"]


def test_bad_files_are_named(folders, tmp_path):
    images, labels = folders
    out = tmp_path / "coco"
    stray = labels / "nowhere.txt"
    stray.write_text("0 0.5 0.5 0.1 0.1")
    with pytest.raises(ValueError, match=r"nowhere.txt has no image"):
        yolo_to_coco(images, labels, NAMES, out)
    stray.unlink()
    Image.new("L", (64, 64)).save(images / "part 00.jpg")
    with pytest.raises(ValueError, match=r"part 00.png and part 00.jpg would share"):
        yolo_to_coco(images, labels, NAMES, out)
    whole = (images / "part 00.jpg").read_bytes()
    (images / "part 00.jpg").rename(images / "cut.jpg")
    (images / "cut.jpg").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"cut.jpg cannot be read as an image"):
        yolo_to_coco(images, labels, NAMES, out)
    with pytest.raises(ValueError, match="holds no images"):
        yolo_to_coco(labels, labels, NAMES, out)
    with pytest.raises(ValueError, match="no folder of labels"):
        yolo_to_coco(images, tmp_path / "none", NAMES, out)
    for path in labels.iterdir():
        path.unlink()
    (images / "cut.jpg").unlink()
    (labels / "classes.txt").write_text("scratch\n")
    with pytest.raises(ValueError, match=r"labels holds no labels \(.txt\) of any of the images"):
        yolo_to_coco(images, labels, NAMES, out)
    assert not out.exists()


def test_images_too_large_or_of_unknown_range_are_named(folders, tmp_path, monkeypatch):
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folders[0] / "deep.tif")
    with pytest.raises(ValueError, match=r"images/deep.tif.*8 or 16 bits"):
        yolo_to_coco(*folders, NAMES, tmp_path / "coco")
    (folders[0] / "deep.tif").unlink()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"images/part 00.png cannot be read as an image: .*4096"):
        yolo_to_coco(*folders, NAMES, tmp_path / "coco")


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "every class"),
        (["a", ""], "every class"),
        (["a", "b", "a"], "twice"),
        ("x.yaml", "YAML"),
    ],
)
def test_bad_names_are_refused(folders, tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        yolo_to_coco(*folders, names, tmp_path / "coco")


def test_nothing_is_overwritten(folders, tmp_path):
    (tmp_path / "coco").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        yolo_to_coco(*folders, NAMES, tmp_path / "coco")
    assert list((tmp_path / "coco").iterdir()) == []
