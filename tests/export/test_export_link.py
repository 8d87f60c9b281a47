"""The focal link as nodes of a graph, against the loss core."""

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

import numpy as np
from export_rows import session_of
from hypothesis import given
from hypothesis import strategies as st

from focaltab.export import _link
from focaltab.export._graph import Graph
from focaltab.losses import FocalLoss

MARGINS = np.concatenate([np.linspace(-80, 80, 641), np.linspace(-1e-3, 1e-3, 11), [-20.0, 20.0]])
# onnxruntime leaves out a factor that is 1 to float32, such as that of a gamma below 6e-8.
gammas = st.just(0.0) | st.floats(1e-6, 10.0)


def run(build, margins, width, dtype):
    graph = Graph(18)
    graph.input("z", dtype, width)
    built = build(graph, "z")
    model = graph.model({"p": (built, dtype, ["n_rows", width])}, {})
    (found,) = session_of(model).run(None, {"z": margins.astype(dtype)})
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(gamma0=gammas, gamma1=gammas, alpha=st.floats(0.01, 0.99))
def test_two_classes(dtype, gamma0, gamma1, alpha):
    loss = FocalLoss(gamma=(gamma1, gamma0), alpha=alpha)

    def build(graph, z):
        f = _link.focal_log_odds(graph, z, loss._gammas, loss.class_weights, dtype)
        return _link.sigmoid(graph, f, dtype)

    margins = MARGINS.astype(dtype)[:, None]
    found = run(build, margins, 1, dtype)
    expected = loss.predict_proba(margins[:, 0].astype(np.float64))[:, 1]
    tolerance = {"atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-9, "atol": 0.0}
    np.testing.assert_allclose(found[:, 0], expected, **({"rtol": 0.0} | tolerance))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    gamma=gammas,
    alpha=st.lists(st.floats(0.05, 20.0), min_size=3, max_size=5),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.5, 5.0, 40.0]),
)
def test_several_classes(dtype, gamma, alpha, seed, scale):
    loss = FocalLoss(gamma=gamma, alpha=alpha, n_classes=len(alpha))

    def build(graph, z):
        return _link.focal_posterior(graph, z, loss._gammas[0], loss.class_weights, dtype)

    rng = np.random.default_rng(seed)
    margins = np.clip(rng.normal(0.0, scale, (200, len(alpha))), -80, 80).astype(dtype)
    margins[0] = 0.0
    margins[1, 0] = 80.0
    found = run(build, margins, len(alpha), dtype)
    expected = loss.predict_proba(margins.astype(np.float64))
    atol = 1e-4 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(found, expected, atol=atol, rtol=0.0)
