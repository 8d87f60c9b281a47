"""The torch module against the NumPy core, autograd and torchvision."""

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from focaltab.losses import ClassBalanced, FocalLoss, TorchFocalLoss

GAMMAS = [0.0, 0.5, 1.0, 2.0, 3.7, 10.0, (2.0, 4.0)]
LINKS = ["focal", "logit"]


def value_and_gradient(loss, raw, y, weight=None, reduction="none"):
    raw = torch.tensor(raw, requires_grad=True)
    weight = None if weight is None else torch.tensor(weight)
    value = TorchFocalLoss(loss, reduction)(raw, torch.tensor(y), weight)
    value.sum().backward()
    return value.detach().numpy(), raw.grad.numpy()


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 4e-5), (np.float64, 1e-7)])
@pytest.mark.parametrize("alpha", [None, 0.25, [0.3, 2.0]], ids=str)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_equals_the_numpy_core(gamma, link, alpha, dtype, rtol):
    rng = np.random.default_rng(0)
    raw = rng.normal(0.0, 6.0, 4000).astype(dtype)
    y, weight = rng.integers(0, 2, 4000), rng.random(4000).astype(dtype)
    loss = FocalLoss(gamma, alpha, link=link)
    value, gradient = value_and_gradient(loss, raw, y, weight)
    assert value.dtype == gradient.dtype == dtype
    tiny = 1e-30 if dtype == np.float32 else 1e-300
    expected = loss.loss(y, raw.astype(float), weight)
    np.testing.assert_allclose(value, expected, rtol=20 * rtol, atol=tiny)
    expected = loss.gradient(y, raw.astype(float), weight)
    np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=tiny)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("link", LINKS)
def test_the_loss_is_the_same_where_no_gradient_is_wanted(link, n_classes, reduction):
    rng = np.random.default_rng(0)
    raw = torch.tensor(rng.normal(0.0, 4.0, 300 if n_classes == 2 else (300, 3)))
    y, weight = torch.tensor(rng.integers(0, n_classes, 300)), torch.tensor(rng.random(300))
    criterion = TorchFocalLoss(FocalLoss(2.0, link=link, n_classes=n_classes), reduction)
    trained = criterion(raw.clone().requires_grad_(), y, weight)
    assert trained.requires_grad
    assert torch.equal(criterion(raw, y, weight), trained.detach())
    with torch.no_grad():
        assert torch.equal(criterion(raw.clone().requires_grad_(), y, weight), trained)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5])
def test_gradients_pass_gradcheck(gamma, link):
    rng = np.random.default_rng(0)
    raw = torch.tensor(rng.normal(0.0, 3.0, (4, 5)), requires_grad=True)
    y = torch.tensor(rng.integers(0, 2, (4, 5)))
    criterion = TorchFocalLoss(FocalLoss(gamma, 0.3, link=link))
    assert torch.autograd.gradcheck(lambda r: criterion(r, y), (raw,))
    raw = torch.tensor(rng.normal(size=(6, 3)), requires_grad=True)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    weight = torch.tensor(rng.random(6))
    criterion = TorchFocalLoss(FocalLoss(gamma, [0.5, 1.0, 3.0], link=link, n_classes=3))
    assert torch.autograd.gradcheck(lambda r: criterion(r, y, weight), (raw,))


@given(
    st.floats(0.0, 10.0),
    st.floats(0.01, 0.99),
    st.lists(st.floats(-500.0, 500.0), min_size=1, max_size=20),
    st.sampled_from(LINKS),
    st.booleans(),
)
def test_values_stay_finite_with_the_right_sign(gamma, alpha, raw, link, single):
    raw = np.array(raw, dtype=np.float32 if single else np.float64)
    for y in (0, 1):
        value, gradient = value_and_gradient(
            FocalLoss(gamma, alpha, link=link), raw, np.full(raw.size, y)
        )
        assert np.isfinite(value).all() and (value >= 0).all()
        assert np.isfinite(gradient).all()
        assert (gradient <= 0).all() if y else (gradient >= 0).all()


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("gamma", [0.0, 2.0, 3.7])
def test_several_classes_equal_the_numpy_core(gamma, link):
    rng = np.random.default_rng(0)
    raw = np.vstack([rng.normal(0.0, 4.0, (500, 4)), [[500.0, -500.0, 0.0, 500.0]]])
    y, weight = rng.integers(0, 4, 501), rng.random(501)
    loss = FocalLoss(gamma, [0.1, 1.0, 2.0, 0.5], link=link, n_classes=4)
    value, gradient = value_and_gradient(loss, raw, y, weight)
    np.testing.assert_allclose(value, loss.loss(y, raw, weight), rtol=1e-9, atol=1e-200)
    np.testing.assert_allclose(gradient, loss.gradient(y, raw, weight), rtol=1e-9, atol=1e-200)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_equals_torchvision(reduction, dtype):
    sigmoid_focal_loss = pytest.importorskip("torchvision").ops.sigmoid_focal_loss
    rng = np.random.default_rng(0)
    # More than a block of elements, in two dimensions.
    raw = torch.tensor(rng.normal(-2.0, 3.0, (50_000, 3))).to(dtype)
    y = torch.tensor(rng.random((50_000, 3)) < 0.01).float()
    ours, theirs = (raw.clone().requires_grad_() for _ in range(2))
    value = TorchFocalLoss(FocalLoss(2.0, 0.25), reduction)(ours, y)
    # Its own arithmetic in bfloat16 is coarser than ours: it is given float32.
    expected = sigmoid_focal_loss(theirs.float(), y, alpha=0.25, gamma=2.0, reduction=reduction)
    value.sum().backward()
    expected.sum().backward()
    # torchvision forms 1 - p by subtraction, which costs it digits of small values.
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    rtol = 1e-6 if dtype == torch.float32 else 2**-8
    torch.testing.assert_close(ours.grad, theirs.grad.to(dtype), rtol=rtol, atol=1e-6)
    assert ours.grad.dtype == dtype


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_reductions_and_gradients_scale(reduction):
    raw = torch.linspace(-4.0, 4.0, 12).reshape(3, 4).requires_grad_()
    y = torch.arange(12).reshape(3, 4) % 2
    criterion = TorchFocalLoss(FocalLoss(1.5, 0.4, link="logit"), reduction)
    every = TorchFocalLoss(FocalLoss(1.5, 0.4, link="logit"), "none")
    (3.0 * criterion(raw, y)).backward()
    scaled = raw.grad.clone()
    raw.grad = None
    (3.0 * getattr(every(raw, y), reduction)()).backward()
    torch.testing.assert_close(scaled, raw.grad)


def test_labels_and_weights_broadcast():
    raw = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    y, weight = torch.tensor([0, 1, 0, 1, 1]), torch.rand(5)
    criterion = TorchFocalLoss(FocalLoss(2.0), "none")
    by_column = torch.stack([criterion(raw[:, k], y, weight) for k in range(3)], dim=1)
    torch.testing.assert_close(criterion(raw, y[:, None], weight[:, None]), by_column)
    transposed = criterion(raw.T, y, weight)
    torch.testing.assert_close(transposed, by_column.T)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 3, 4)])
def test_every_shape_has_a_loss(shape):
    raw = torch.zeros(shape, requires_grad=True)
    y, weight = torch.ones(shape[-1:] or ()), torch.ones(shape)
    value = TorchFocalLoss(FocalLoss(2.0), "sum")(raw, y, weight)
    value.backward()
    assert raw.grad.shape == shape
    # Every element is log(2) / 4 at the margin 0.
    assert float(value.detach()) == pytest.approx(raw.numel() * np.log(2.0) / 4.0)


def test_half_precision_keeps_small_gradients():
    raw = torch.full((100_000,), -2.0, dtype=torch.float16, requires_grad=True)
    value = TorchFocalLoss(FocalLoss(2.0))(raw, torch.zeros(100_000))
    (value * 65536.0).backward()
    expected = 65536.0 / 100_000 * FocalLoss(2.0).gradient([0], [-2.0])[0]
    torch.testing.assert_close(
        raw.grad[:3].double(),
        torch.full((3,), float(expected), dtype=torch.float64),
        rtol=1e-3,
        atol=0,
    )


@pytest.mark.parametrize("link", LINKS)
def test_labels_that_are_no_class_numbers(link):
    for y in (2.0, -1.0):
        with pytest.raises(ValueError, match="class numbers 0 to 1"):
            TorchFocalLoss(FocalLoss(link=link))(torch.zeros(2), torch.tensor([0.0, y]))
    for y in (3, -1):
        with pytest.raises(ValueError, match="class numbers 0 to 2"):
            TorchFocalLoss(FocalLoss(link=link, n_classes=3))(
                torch.zeros(2, 3), torch.tensor([0, y])
            )
    empty = TorchFocalLoss(FocalLoss(link=link, n_classes=3), "sum")(
        torch.zeros(0, 3), torch.zeros(0)
    )
    assert float(empty) == 0.0
    with pytest.raises(ValueError, match="takes no gradient"):
        weight = torch.ones(2, requires_grad=True)
        TorchFocalLoss(FocalLoss(link=link))(torch.zeros(2), torch.zeros(2), weight)


def test_what_cannot_be_computed_says_so():
    with pytest.raises(ValueError, match="broadcast"):
        TorchFocalLoss(FocalLoss())(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"n_samples, 3"):
        TorchFocalLoss(FocalLoss(n_classes=3))(torch.zeros(4, 2), torch.zeros(4))
    with pytest.raises(ValueError, match="reduction"):
        TorchFocalLoss(FocalLoss(), "median")
    with pytest.raises(ValueError, match="resolve_alpha"):
        TorchFocalLoss(FocalLoss(alpha=ClassBalanced(0.9)))
    value, gradient = value_and_gradient(FocalLoss(link="logit"), np.array([np.nan]), np.array([1]))
    assert np.isnan(value).all() and np.isnan(gradient).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("link", LINKS)
def test_a_gpu_gives_the_same(link):
    rng = np.random.default_rng(0)
    raw, y = rng.normal(size=(300, 4)).astype(np.float32), rng.integers(0, 2, (300, 4))
    loss = FocalLoss(2.0, 0.25, link=link)
    value, gradient = value_and_gradient(loss, raw, y)
    on_gpu = torch.tensor(raw, device="cuda", requires_grad=True)
    result = TorchFocalLoss(loss, "none")(on_gpu, torch.tensor(y, device="cuda"))
    result.sum().backward()
    np.testing.assert_allclose(result.detach().cpu(), value, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(on_gpu.grad.cpu(), gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("alpha", [None, 0.25, [0.3, 2.0]], ids=str)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_log_odds_are_those_of_the_inverse_link(gamma, link, alpha, dtype, rtol):
    loss = FocalLoss(gamma, alpha, link=link)
    raw = np.linspace(-60.0, 60.0, 8001).reshape(-1, 1).astype(dtype)
    f = TorchFocalLoss(loss).log_odds(torch.tensor(raw))
    assert f.numpy().dtype == dtype and f.shape == raw.shape
    # Probabilities near 1 have lost their digits; with the classes exchanged they are near 0.
    exchanged = FocalLoss(
        gamma[::-1] if isinstance(gamma, tuple) else gamma, loss.class_weights[::-1], link=link
    )
    wide = raw.astype(float)
    low, high = logit(loss.inverse_link(wide)), -logit(exchanged.inverse_link(-wide))
    expected = np.where(f.numpy() < 0.0, low, high)
    np.testing.assert_allclose(f.numpy(), expected, rtol=rtol, atol=rtol * 10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_log_odds_increase_up_to_large_margins(gamma, dtype):
    g_pos, g_neg = gamma if isinstance(gamma, tuple) else (gamma, gamma)
    raw = torch.linspace(-500.0, 500.0, 2001, dtype=dtype, requires_grad=True)
    f = TorchFocalLoss(FocalLoss(gamma, 0.25)).log_odds(raw)
    (slope,) = torch.autograd.grad(f.sum(), raw)
    assert (f.diff() > 0.0).all() and (slope > 0.0).all()
    # The asymptotes.
    low = -500.0 * (1.0 + g_neg) + np.log1p(g_neg) + np.log(3.0)
    high = 500.0 * (1.0 + g_pos) - np.log1p(g_pos) + np.log(3.0)
    assert f[[0, -1]].tolist() == pytest.approx([low, high], rel=1e-6)
    assert slope[[0, -1]].tolist() == pytest.approx([1.0 + g_neg, 1.0 + g_pos], rel=1e-5)


def test_log_odds_can_be_differentiated_and_are_for_two_classes():
    raw = torch.linspace(-45.0, 45.0, 61, dtype=torch.float64, requires_grad=True)
    criterion = TorchFocalLoss(FocalLoss((1.5, 3.0), 0.25))
    assert torch.autograd.gradcheck(criterion.log_odds, (raw,))
    assert criterion.log_odds(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32
    with pytest.raises(ValueError, match="two classes"):
        TorchFocalLoss(FocalLoss(n_classes=3)).log_odds(raw)
