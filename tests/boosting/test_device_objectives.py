"""Objectives on torch tensors and other DLPack arrays, against the NumPy kernel."""

import gc
import pickle
import subprocess
import sys
import types
import weakref
from importlib.util import find_spec

import pytest

pytest.importorskip("torch")

import lightgbm as lgb
import numpy as np
import torch
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from focaltab import FocalLoss, lightgbm_objective, xgboost_objective

LINKS = ["focal", "logit"]
GAMMAS = [0.0, 0.5, 1.0, 2.0, 3.7, 10.0, (2.0, 4.0)]


def make(loss, dtype):
    """An objective that keeps the margins' dtype: LightGBM's does so in float64 for gamma 0."""
    objective = lightgbm_objective(loss)
    objective.single_precision = dtype == np.float32
    return objective


def assert_same(actual, expected, dtype):
    # In float32 either side may take the neighbouring node of a table.
    rtol, tiny = (6e-5, 1e-30) if dtype == np.float32 else (1e-7, 1e-290)
    for tensor, array in zip(actual, expected, strict=True):
        assert tensor.numpy().dtype == array.dtype == dtype
        np.testing.assert_allclose(tensor.numpy(), array, rtol=rtol, atol=tiny)


class Lent:
    """An array of a library that is neither NumPy nor torch; `device` is what it says of itself."""

    def __init__(self, tensor, device=(1, 0)):
        self.tensor, self.device = tensor, device

    def __dlpack__(self, **options):
        return self.tensor.__dlpack__()

    def __dlpack_device__(self):
        return self.device

    def __array_namespace__(self):
        return types.SimpleNamespace(from_dlpack=lambda t: Lent(torch.from_dlpack(t), self.device))


# Pinned host memory, which torch can read without a device.
PINNED = (3, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [None, 0.25, "balanced", [0.3, 2.0]], ids=str)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_tensors_equal_the_numpy_kernel(gamma, link, alpha, dtype):
    rng = np.random.default_rng(0)
    z = rng.normal(0.0, 8.0, 4000).astype(dtype)
    y, weight = (rng.random(4000) < 0.1).astype(np.int64), rng.random(4000)
    objective = make(FocalLoss(gamma, alpha, link=link), dtype)
    margins = torch.tensor(z, requires_grad=True)
    for labels in (torch.tensor(y), torch.tensor(y == 1), y.astype(np.float32)):
        assert_same(objective(labels, margins), objective(y, z), dtype)
    found = objective(torch.tensor(y), margins[:, None], torch.tensor(weight))
    assert_same(found, objective(y, z, weight), dtype)
    np.testing.assert_array_equal(margins.detach(), z)


@given(
    st.floats(0.0, 10.0),
    st.floats(0.01, 0.99),
    st.lists(st.floats(-500.0, 500.0), min_size=1, max_size=30),
    st.sampled_from(LINKS),
    st.sampled_from([np.float32, np.float64]),
)
def test_any_margin_equals_the_numpy_kernel(gamma, alpha, z, link, dtype):
    z = np.array(z, dtype=dtype)
    objective = make(FocalLoss(gamma, alpha, link=link), dtype)
    for y in (np.zeros(z.size), np.ones(z.size)):
        gradient, hessian = objective(torch.tensor(y), torch.tensor(z))
        assert_same((gradient, hessian), objective(y, z), dtype)
        assert (hessian > 0).all() and torch.isfinite(gradient).all()


def test_xgboost_is_given_single_precision_and_lightgbm_what_it_asks_for():
    y, z = torch.tensor([0, 1]), torch.tensor([-1.0, 2.0], dtype=torch.float64)
    assert xgboost_objective(FocalLoss())(y, z)[0].dtype == torch.float32
    assert lightgbm_objective(FocalLoss(0.0))(y, z)[0].dtype == torch.float64
    assert lightgbm_objective(FocalLoss(0.0))(y, z.half())[0].dtype == torch.float32


def test_other_arrays_come_back_as_their_own_kind_without_a_copy():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, 50), rng.normal(size=50).astype(np.float32)
    objective = xgboost_objective(FocalLoss(link="logit"))
    found = objective(Lent(torch.tensor(y)), Lent(torch.tensor(z)))
    assert [type(array) for array in found] == [Lent, Lent]
    assert_same([array.tensor for array in found], objective(y, z), np.float32)


class Counted(xgb.DMatrix):
    fetched = 0

    def get_label(self):
        self.fetched += 1
        return super().get_label()


def test_a_data_set_is_fetched_once_and_not_kept_alive():
    rng = np.random.default_rng(0)
    X, y, weight = rng.normal(size=(60, 2)), rng.integers(0, 2, 60), rng.random(60)
    first, second = Counted(X, y, weight=weight), Counted(X, 1 - y)
    z = rng.normal(size=60).astype(np.float32)
    objective = xgboost_objective(FocalLoss(2.0, "balanced", link="logit"))
    expected = [objective(z, data) for data in (first, second)]
    first.fetched = second.fetched = 0
    for _ in range(3):
        for data, arrays in zip((first, second), expected, strict=True):
            assert_same(objective(torch.tensor(z), data), arrays, np.float32)
    assert first.fetched == second.fetched == 1
    assert isinstance(objective(z, first)[0], np.ndarray)
    copy = pickle.loads(pickle.dumps(objective))
    assert_same(copy(torch.tensor(z), second), expected[1], np.float32)
    gone = weakref.ref(first)
    del first, data
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("link", LINKS)
def test_margins_on_the_host_go_to_labels_on_a_device(link):
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, 50), rng.normal(size=50).astype(np.float32)
    weight = rng.random(50).astype(np.float32)
    objective = xgboost_objective(FocalLoss(link=link))
    expected = objective(y, z, weight)
    calls = []

    class Data:
        def get_label(self):
            calls.append("label")
            return Lent(torch.tensor(y), PINNED)

        def get_weight(self):
            return Lent(torch.tensor(weight), PINNED)

    data = Data()
    for _ in range(2):
        found = objective(z, data)
        assert [type(array) for array in found] == [Lent, Lent]
        assert_same([array.tensor for array in found], expected, np.float32)
    assert calls == ["label"]


def test_several_classes_are_computed_on_the_host_or_refused():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 3, 30), rng.normal(size=(30, 3)).astype(np.float32)
    objective = xgboost_objective(FocalLoss(n_classes=3))
    found = objective(Lent(torch.tensor(y), PINNED), z)
    np.testing.assert_array_equal(found, objective(y, z))
    with pytest.raises(ValueError, match=r"n_classes=3.*two classes only; hand it NumPy margins"):
        objective(torch.tensor(y), torch.tensor(z))


def test_rows_that_do_not_fit():
    objective, z = xgboost_objective(FocalLoss()), torch.zeros(2)
    for strange in (2, -1, 0.5, np.nan):
        with pytest.raises(ValueError, match=r"among them; set n_classes") as caught:
            objective(torch.tensor([1, strange]), z)
        assert f"but {strange}" in str(caught.value)
    with pytest.raises(ValueError, match="2 margins but 3 labels"):
        objective(torch.zeros(3), z)
    with pytest.raises(ValueError, match="1 weights but 2 labels"):
        objective(torch.zeros(2), z, torch.ones(1))


def test_labels_are_checked_again_where_they_are_others():
    objective, z = lightgbm_objective(FocalLoss()), np.zeros(2)
    data = lgb.Dataset(np.zeros((2, 1)), np.array([0, 1])).construct()
    for _ in range(2):
        objective(z, data)
    data.set_label(np.array([0, 2]))
    for again in (objective, pickle.loads(pickle.dumps(objective))):
        with pytest.raises(ValueError, match=r"2\.0 is among them"):
            again(z, data)


def test_numpy_arrays_need_no_torch():
    code = (
        "import sys, numpy as np; from focaltab.boosting import xgboost_objective;"
        "from focaltab.losses import FocalLoss;"
        "xgboost_objective(FocalLoss())(np.array([0, 1]), np.zeros(2));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.gpu
@pytest.mark.skipif(
    not (torch.cuda.is_available() and find_spec("cupy") and xgb.build_info()["USE_CUDA"]),
    reason="needs a CUDA device, CuPy and XGBoost's CUDA build",
)
@pytest.mark.parametrize("link", LINKS)
def test_xgboost_trains_on_a_gpu(link):
    import cupy

    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(3000, 4)).astype(np.float32), rng.random(3000) + 0.5
    y = (X[:, 0] + rng.normal(size=3000) > 2).astype(np.float32)
    objective = xgboost_objective(FocalLoss(2.0, 0.25, link=link))
    params = {"objective": "binary:logistic", "base_score": 0.05, "max_depth": 3}
    on_host = xgb.train(params, xgb.DMatrix(X, y, weight=weight), 5, obj=objective)
    kinds = []

    def watched(margins, data):
        found = objective(margins, data)
        kinds.append({type(array) for array in found})
        return found

    data = xgb.QuantileDMatrix(cupy.asarray(X), cupy.asarray(y), weight=cupy.asarray(weight))
    on_gpu = xgb.train({**params, "device": "cuda"}, data, 5, obj=watched)
    assert kinds == [{type(data.get_label())}] * 5
    np.testing.assert_allclose(
        on_gpu.inplace_predict(X, predict_type="margin"),
        on_host.inplace_predict(X, predict_type="margin"),
        atol=1e-2,
    )
    z = np.linspace(-9, 9, 3000, dtype=np.float32)
    for margins in (cupy.asarray(z), torch.tensor(z, device="cuda")):
        found = objective(margins, xgb.DMatrix(X, y, weight=weight))
        expected = objective(z, xgb.DMatrix(X, y, weight=weight))
        for a, b in zip(found, expected, strict=True):
            assert type(a) is type(margins)
            np.testing.assert_allclose(torch.as_tensor(a).cpu(), b, rtol=6e-5)
