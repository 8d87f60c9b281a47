"""What the NumPy kernel must keep at the edges of float types, and across threads and forks."""

import os
import subprocess
import sys

import numpy as np
import pytest

import focaltab.losses
from focaltab.losses import FocalLoss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [[1e-6, 1e-6], [1e-12, 1.0], [1.0, 1e-12], [1e6, 1e6]], ids=str)
@pytest.mark.parametrize("gamma", [0.0, 2.0, (0.5, 10.0)], ids=str)
def test_hessians_are_normal_numbers_under_any_class_weights(gamma, alpha, dtype):
    f = np.array([-np.inf, -800.0, -88.0, -40.0, 0.0, 40.0, 88.0, 800.0, np.inf], dtype=dtype)
    loss = FocalLoss(gamma, alpha, link="logit")
    for y in (0, 1):
        gradient, hessian = loss.gradient_hessian(np.full(f.size, y), f)
        assert (hessian >= np.finfo(dtype).tiny).all() and np.isfinite(hessian).all()
        assert (gradient * (1 - 2 * y) >= np.finfo(dtype).tiny).all()
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logistic_weights_far_out_are_their_limits(dtype):
    """``w`` tends to ``a1 / (1 + g0)`` on the left and to ``a0 / (1 + g1)`` on the right."""
    far = np.array([-np.inf, -1e30, -1e5, -300.0, 300.0, 1e5, 1e30, np.inf], dtype=dtype)
    weight = FocalLoss((3.0, 1.0), [0.3, 2.0]).logistic_weight(far)
    np.testing.assert_allclose(weight, np.repeat([2.0 / 2.0, 0.3 / 4.0], 4), rtol=2e-5)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-5), (np.float64, 1e-8)])
@pytest.mark.parametrize("gamma", [2.0, 4.0, 7.0, 10.0, (2.0, 4.0)], ids=str)
def test_gradients_of_rows_far_on_the_wrong_side(gamma, dtype, rtol):
    """They are ``G dz/df``, from the focal margin and the slope of its log-odds."""
    torch = pytest.importorskip("torch")
    focal, canonical = FocalLoss(gamma, 0.25), FocalLoss(gamma, 0.25, link="logit")
    z = torch.linspace(-30.0, 30.0, 3001, dtype=torch.float64, requires_grad=True)
    f = focaltab.losses.TorchFocalLoss(focal).log_odds(z)
    (slope,) = torch.autograd.grad(f.sum(), z)
    z, f, slope = z.detach().numpy(), f.detach().numpy(), slope.numpy()
    for y, wrong in ((0, f > 0), (1, f < 0)):
        labels = np.full(wrong.sum(), y)
        expected = focal.gradient(labels, z[wrong]) / slope[wrong]
        actual = canonical.gradient(labels, f[wrong].astype(dtype))
        np.testing.assert_allclose(actual, expected, rtol=rtol)
        weight = canonical.logistic_weight(f[wrong].astype(dtype))
        far = np.abs(f[wrong]) > 40.0
        np.testing.assert_allclose(weight[far], np.abs(expected[far]), rtol=rtol)


def test_what_is_no_number_stays_one():
    for dtype in (np.float32, np.float64):
        z = np.array([np.nan, np.nan, 1.0], dtype)
        with np.errstate(invalid="ignore"):
            gradient, hessian = FocalLoss(link="logit").gradient_hessian([0, 1, 0], z)
        assert np.isnan(gradient).tolist() == np.isnan(hessian).tolist() == [True, True, False]


@pytest.mark.parametrize("labels", [bool, np.int64, np.float64])
def test_every_kind_of_labels_and_margins_in_many_blocks(labels):
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, 150_001), rng.normal(size=150_001).astype(np.float32)
    loss = FocalLoss(2.0, 0.25, link="logit")
    expected = loss.gradient_hessian(y.astype(np.float32), z)
    actual = loss.gradient_hessian(np.repeat(y.astype(labels), 2)[::2], np.repeat(z, 2)[::2])
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_has_threads_of_its_own():
    code = """
import os, warnings
import numpy as np
from focaltab.losses import FocalLoss
warnings.simplefilter("ignore", DeprecationWarning)  # of forks of a process with threads
n_rows = 600_000  # enough for two threads
z, y = np.linspace(-9, 9, n_rows, dtype=np.float32), np.arange(n_rows) % 2
loss = FocalLoss(link="logit")
before, _ = loss.gradient_hessian(y, z, n_threads=2)
child = os.fork()
if child == 0:
    after, _ = loss.gradient_hessian(y, z, n_threads=2)
    os._exit(0 if np.array_equal(before, after) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
