"""`FocalMLPClassifier` as ONNX."""

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pytest.importorskip("torch")

import numpy as np
import pandas as pd

from focaltab import FocalMLPClassifier

CASES = {
    "plain": {},
    "focal link": {"link": "focal", "focal_gamma": 2.0},
    "pair": {"link": "focal", "focal_gamma": (2.0, 0.5), "focal_alpha": 0.7},
    "periodic": {"numeric_embedding": "periodic"},
    "no embedding": {"numeric_embedding": None},
    "members": {"n_members": 4, "link": "focal"},
    "balanced batches": {"sampler": "balanced"},
    "smoothing": {"label_smoothing": 0.1, "n_members": 2, "dropout": 0.2},
    "sampling": {"sampling": "hard_negative"},
    "one batch": {"batch_size": 100_000, "activation": "gelu"},
}


def make(**parameters):
    return FocalMLPClassifier((16, 8), **{"max_iter": 2, "random_state": 0, **parameters})


SEVERAL = ("plain", "focal link", "members", "smoothing")


@pytest.mark.parametrize(
    ("case", "n_classes"), [(case, 2) for case in CASES] + [(case, 3) for case in SEVERAL]
)
def test_networks(case, n_classes, frames, agrees):
    X, score, new = frames
    y = np.array(["low", "mid", "top"])[np.digitize(score, [3.0] if n_classes == 2 else [0.0, 3.0])]
    options = {"pos_label": "low"} if n_classes == 2 and case in ("plain", "members") else {}
    agrees(make(**CASES[case], **options).fit(X[:1500], y[:1500]), new)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", "gelu", "silu"])
def test_activations_on_arrays(activation, arrays, agrees):
    X, y, new = arrays
    new = new.copy()
    new[::10, 0] *= 1e200  # clipped smoothly
    agrees(make(activation=activation).fit(X[:1500], y[2][:1500]), new)


def test_strange_categories_are_unknown(frames, agrees):
    X, score, new = frames
    new = new.assign(merchant=pd.Categorical(["nowhere", "m3"] * (len(new) // 2)))
    agrees(make().fit(X[:1500], score[:1500] > 3.0), new)


def test_constants_alone(agrees):
    X = pd.DataFrame({"a": np.ones(300), "b": 2.0})
    y = (np.arange(300) % 5 == 0).astype(int)
    agrees(make().fit(X, y), X)


def test_text_columns(frames, agrees):
    X, score, new = frames
    as_text = {name: X[name].astype(object) for name in ("country", "merchant")}
    new_text = {name: new[name].astype(object) for name in ("country", "merchant")}
    agrees(make().fit(X.assign(**as_text)[:1500], score[:1500] > 3.0), new.assign(**new_text))
