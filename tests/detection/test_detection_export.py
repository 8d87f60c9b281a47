"""The detector outside of eager torch: as an ONNX file, and compiled."""

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("onnxruntime")

import numpy as np
import onnx
import torch
from onnxruntime import InferenceSession

import focaltab._optional
from focaltab.detection import export_onnx, focal_retinanet
from focaltab.losses import FocalLoss

HEIGHT, WIDTH = 96, 72


def make_model():
    torch.manual_seed(0)
    model = focal_retinanet(
        3,
        FocalLoss(2.0, 0.25),
        norm="frozen",
        min_size=64,
        max_size=80,
        anchor_sizes=(8, 16, 32, 64, 128),
        score_thresh=0.052,
        detections_per_img=4,
    )
    # Scores of all heights, boxes of all shapes.
    torch.nn.init.normal_(model.head.classification_head.cls_logits.weight, std=0.1)
    torch.nn.init.normal_(model.head.regression_head.bbox_reg.weight, std=0.05)
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model.train()
    export_onnx(model, path, image_size=(HEIGHT, WIDTH))
    assert model.training
    return path


@pytest.mark.slow
def test_onnxruntime_finds_the_same(model, exported):
    session = InferenceSession(exported, providers=["CPUExecutionProvider"])
    counts = []
    for seed in range(5):
        noise = np.random.default_rng(seed).random((3, HEIGHT, WIDTH))
        image = (noise * (1.0 - seed / 4.0)).astype(np.float32)  # the last is black
        boxes, scores, labels = session.run(["boxes", "scores", "labels"], {"image": image})
        with torch.no_grad():
            (expected,) = model.eval()([torch.from_numpy(image)])
        np.testing.assert_allclose(boxes, expected["boxes"], atol=1e-3)
        np.testing.assert_allclose(scores, expected["scores"], atol=1e-5)
        np.testing.assert_array_equal(labels, expected["labels"])
        assert labels.dtype == np.int64 and boxes.dtype == scores.dtype == np.float32
        counts.append(len(scores))
    # As many as are let through, and none at all.
    assert max(counts) == 4 and min(counts) == 0


@pytest.mark.slow
def test_the_file_is_one_and_says_what_it_takes(exported):
    assert [path.name for path in exported.parent.iterdir()] == ["model.onnx"]
    graph = onnx.load(exported).graph
    onnx.checker.check_model(exported)
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    assert graph.input[0].name == "image" and shape == [3, HEIGHT, WIDTH]
    assert [output.name for output in graph.output] == ["boxes", "scores", "labels"]


def test_the_link_survives_large_margins(tmp_path):
    from focaltab.losses import TorchFocalLoss

    class LogOdds(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.criterion = TorchFocalLoss(FocalLoss((2.0, 3.5), 0.25))

        def forward(self, raw):
            return self.criterion.log_odds(raw)

    raw = torch.linspace(-500.0, 500.0, 4001)
    path = tmp_path / "link.onnx"
    torch.onnx.export(LogOdds().eval(), (raw,), path, dynamo=True, verbose=False)
    (f,) = InferenceSession(path).run(None, {"raw": raw.numpy()})
    np.testing.assert_allclose(f, LogOdds()(raw), rtol=1e-5, atol=1e-5)


def test_nothing_is_overwritten_and_bad_sizes_are_refused(model, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        export_onnx(model, path, image_size=64)
    assert path.read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="no folder"):
        export_onnx(model, tmp_path / "none" / "model.onnx", image_size=64)
    for bad in (0, (64, -1)):
        with pytest.raises(ValueError, match="image_size"):
            export_onnx(model, tmp_path / "new.onnx", image_size=bad)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_a_missing_package_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr(focaltab._optional, "find_spec", lambda package: None)
    with pytest.raises(ImportError, match=r'needs onnx: pip install "focaltab\[onnx\]"'):
        export_onnx(model, tmp_path / "new.onnx", image_size=64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torchvision's own operators
def test_a_compiled_model_finds_the_same():
    # The default backend works as well, but compiles for most of a minute.
    model = make_model().eval()
    compiled = torch.compile(model, backend="aot_eager")
    image = torch.zeros(3, HEIGHT, WIDTH)
    with torch.no_grad():
        (found,), (expected,) = compiled([image]), model([image])
    assert len(expected["scores"]) == 4
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values)
