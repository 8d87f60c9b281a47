"""The binary loss against autograd, exact arithmetic and its own definitions."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from focaltab.losses import ClassBalanced, FocalLoss

GAMMAS = [0.0, 0.5, 1.0, 2.0, 3.7, 10.0, (2.0, 4.0)]
ALPHAS = [None, 0.25, "balanced", ClassBalanced(0.999), [0.3, 2.0]]

gammas = st.floats(0.0, 10.0)
alphas = st.floats(0.01, 0.99)
margins = st.lists(st.floats(-500.0, 500.0), min_size=1, max_size=30)


def torch_loss(y, z, gamma, weights):
    torch = pytest.importorskip("torch")
    positive, negative = gamma if isinstance(gamma, tuple) else (gamma, gamma)
    sign = torch.tensor(2.0 * y - 1.0)
    per_row_gamma = torch.tensor(np.where(y == 1, positive, negative))
    per_row_weight = torch.tensor(np.where(y == 1, weights[1], weights[0]))
    log_p = torch.nn.functional.logsigmoid(sign * z)
    log_q = torch.nn.functional.logsigmoid(-sign * z)
    return -per_row_weight * torch.exp(per_row_gamma * log_q) * log_p


@pytest.mark.parametrize("alpha", ALPHAS, ids=str)
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_gradient_and_hessian_equal_autograd(gamma, alpha):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = (rng.random(3000) < 0.1).astype(int)
    z = rng.normal(0.0, 8.0, 3000)
    weight = rng.random(3000)
    loss = FocalLoss(gamma, alpha)
    resolved = loss.resolve_alpha(y, weight)
    zt = torch.tensor(z, requires_grad=True)
    values = torch_loss(y, zt, gamma, resolved.class_weights) * torch.tensor(weight)
    (first,) = torch.autograd.grad(values.sum(), zt, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), zt)
    gradient, hessian = loss.gradient_hessian(y, z, weight)
    np.testing.assert_allclose(loss.loss(y, z, weight), values.detach(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gradient, first.detach(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(hessian, second, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("z", [-500.0, -100.0, -40.0, -3.0, 0.0, 3.0, 40.0, 100.0, 500.0])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("y", [0, 1])
def test_saturated_margins_are_right_to_many_digits(y, gamma, z):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(600):

        def value(margin):
            t = (2 * y - 1) * margin
            q = 1 / (1 + mpmath.exp(t))
            return -(q**gamma) * mpmath.log(1 / (1 + mpmath.exp(-t)))

        t = mpmath.mpf((2 * y - 1) * z)
        p, q = 1 / (1 + mpmath.exp(-t)), 1 / (1 + mpmath.exp(t))
        log_p, g = mpmath.log(p), mpmath.mpf(gamma)
        exact_gradient = (2 * y - 1) * q**g * (g * p * log_p - q)
        exact_hessian = p * q**g * ((1 + 2 * g) * q + g * log_p * (q - g * p))
        slope = mpmath.diff(value, mpmath.mpf(z), h=mpmath.mpf(10) ** -100)
        assert mpmath.almosteq(slope, exact_gradient, rel_eps=mpmath.mpf(10) ** -20)
        expected = [float(value(mpmath.mpf(z))), float(exact_gradient), float(exact_hessian)]
    loss = FocalLoss(gamma)
    gradient, hessian = loss.gradient_hessian([y], [z])
    actual = [loss.loss([y], [z])[0], gradient[0], hessian[0]]
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-300)


@given(gammas, alphas, margins, st.sampled_from(["focal", "logit"]), st.booleans())
def test_values_are_finite_with_the_right_sign(gamma, alpha, z, link, single):
    z = np.array(z, dtype=np.float32 if single else np.float64)
    loss = FocalLoss(gamma, alpha, link=link)
    for y in (0, 1):
        labels = np.full(z.size, y)
        gradient, hessian = loss.gradient_hessian(labels, z)
        same, expected = loss.gradient_expected_hessian(labels, z)
        values = loss.loss(labels, z)
        for array in (gradient, hessian, expected, values):
            assert np.isfinite(array).all()
            assert array.dtype == z.dtype
        assert (gradient <= 0).all() if y else (gradient >= 0).all()
        assert (values >= 0).all()
        assert (expected > 0).all()
        np.testing.assert_array_equal(gradient, same)


@given(gammas, alphas, st.lists(st.floats(1e-12, 1 - 1e-9), min_size=1, max_size=30))
def test_links_invert_each_other(gamma, alpha, probability):
    for link in ("focal", "logit"):
        loss = FocalLoss(gamma, alpha, link=link)
        np.testing.assert_allclose(
            loss.inverse_link(loss.link(probability)), probability, rtol=1e-9
        )


@pytest.mark.parametrize("kind", [np.array, list])
def test_a_loss_does_not_follow_what_it_was_made_from(kind):
    gamma, alpha = [1.0, 3.0], kind([1.0, 5.0])
    loss = FocalLoss(gamma, alpha)
    gamma[0], alpha[0] = 9.0, 100.0
    y, raw = [0, 1], np.array([0.5, -0.5])
    again = pickle.loads(pickle.dumps(loss))
    assert again.class_weights == loss.class_weights == (1.0, 5.0)
    assert (loss.gamma, list(loss.alpha)) == ([1.0, 3.0], [1.0, 5.0])
    np.testing.assert_array_equal(again.loss(y, raw), loss.loss(y, raw))
    assert repr(again) == repr(loss)


@given(st.tuples(gammas, gammas), alphas)
def test_every_pair_of_gammas_has_a_link(gamma, alpha):
    # Up to 15 the log-odds stay where a float64 probability still tells neighbours apart.
    loss = FocalLoss(gamma, alpha)
    z = loss.link(expit(np.linspace(-15.0, 15.0, 3001)))
    assert (np.diff(z) > 0).all()


@given(gammas, alphas, st.floats(1e-6, 1 - 1e-6))
def test_posterior_makes_the_focal_risk_stationary(gamma, alpha, eta):
    for link in ("focal", "logit"):
        loss = FocalLoss(gamma, alpha, link=link)
        z = np.repeat(loss.link([eta]), 2)
        gradient = loss.gradient([0, 1], z)
        balance = (1 - eta) * gradient[0] + eta * gradient[1]
        assert abs(balance) <= 1e-8 * eta * abs(gradient[1])


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-5), (np.float64, 1e-9)])
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_canonical_gradient_is_the_derivative_of_the_loss(gamma, dtype, rtol):
    """``dL/df = L'(z) dz/df``, and at one ``f`` the class-0 loss has slope ``G0 / f'(z)``."""
    canonical, focal = FocalLoss(gamma, 0.25, link="logit"), FocalLoss(gamma, 0.25)
    f = np.linspace(-30.0, 30.0, 2001).astype(dtype)
    z = focal.link(expit(f.astype(np.float64)))
    # f'(z) = d log G0 - d log G1, with dG = L'' for class 0 and -L'' for class 1.
    (g0, h0), (g1, h1) = (focal.gradient_hessian(np.full(z.size, y), z) for y in (0, 1))
    slope = h0 / g0 - h1 / g1
    for y, focal_gradient in ((0, g0), (1, g1)):
        actual = canonical.gradient(np.full(f.size, y), f)
        # link() loses digits of f near probability 1; 1e-2 of a table step at worst.
        assert np.abs(actual / (focal_gradient / slope) - 1)[f < 15].max() < max(rtol, 1e-8)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-5), (np.float64, 1e-9)])
@pytest.mark.parametrize("gamma", GAMMAS, ids=str)
def test_canonical_gradient_has_the_form_that_makes_the_sigmoid_calibrated(gamma, dtype, rtol):
    loss = FocalLoss(gamma, 0.25, link="logit")
    f = np.linspace(-400, 400, 9001).astype(dtype)
    f = f[np.abs(f) < 80]
    g0, h0 = loss.gradient_hessian(np.zeros(f.size), f)
    g1, h1 = loss.gradient_hessian(np.ones(f.size), f)
    wide = f.astype(np.float64)
    np.testing.assert_allclose(g0 / -g1.astype(float), np.exp(wide), rtol=rtol)
    np.testing.assert_allclose(h0, h1, rtol=8 * np.finfo(dtype).eps)
    weight = g0 / expit(wide)
    np.testing.assert_allclose(h0, weight * expit(wide) * expit(-wide), rtol=rtol)


@pytest.mark.parametrize("dtype, far", [(np.float32, 80.0), (np.float64, 600.0)])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_expected_hessian_keeps_falling_far_out(gamma, dtype, far):
    """There it is ``(1 + g)**2 exp(-(1 + g) |z|)`` to the last digit of the type."""
    z = np.linspace(26.0, far / (1.0 + gamma), 7).astype(dtype)
    expected = (1.0 + gamma) ** 2 * np.exp(-(1.0 + gamma) * z.astype(np.float64))
    for side in (z, -z):
        _, hessian = FocalLoss(gamma).gradient_expected_hessian(np.zeros(z.size), side)
        np.testing.assert_allclose(hessian, expected, rtol=2e-5 if dtype == np.float32 else 1e-8)


@given(gammas, alphas, margins, st.sampled_from([np.float32, np.float64]))
def test_logistic_loss_under_the_weights_is_the_canonical_loss(gamma, alpha, f, dtype):
    loss = FocalLoss(gamma, alpha, link="logit")
    f = np.array(f, dtype=dtype)
    weight = loss.logistic_weight(f)
    assert weight.dtype == dtype and (weight > 0).all()
    inner = np.abs(f) < 80
    for y in (0, 1):
        gradient, hessian = loss.gradient_hessian(np.full(f.size, y), f)
        wide = f[inner].astype(np.float64)
        slope = expit(wide) if y == 0 else -expit(-wide)
        rtol = 1e-5 if dtype == np.float32 else 1e-9
        np.testing.assert_allclose(gradient[inner], weight[inner] * slope, rtol=rtol)
        np.testing.assert_allclose(
            hessian[inner], weight[inner] * expit(wide) * expit(-wide), rtol=rtol
        )


def test_logistic_weights_exist_for_two_classes_only():
    out = np.empty(3, np.float32)
    assert FocalLoss(0.0).logistic_weight(np.zeros(3, np.float32), out) is out
    np.testing.assert_array_equal(out, 1.0)
    with pytest.raises(ValueError, match="two classes only"):
        FocalLoss(n_classes=3).logistic_weight(np.zeros((2, 3)))


def test_weights_and_every_kind_of_input():
    rng = np.random.default_rng(0)
    y, z, weight = rng.integers(0, 2, 200), rng.normal(size=200), rng.random(200)
    loss = FocalLoss(2.0, 0.25)
    gradient, hessian = loss.gradient_hessian(y, z)
    weighted = loss.gradient_hessian(y, z, weight)
    np.testing.assert_allclose(weighted[0], gradient * weight)
    np.testing.assert_allclose(weighted[1], hessian * weight)
    read_only = z.copy()
    read_only.flags.writeable = False
    strided = np.repeat(z, 2)[::2]
    for margin in (read_only, strided, z[:, None], list(z)):
        for labels in (y.astype(bool), y.astype(np.int8), y.astype(np.float32), list(y)):
            np.testing.assert_array_equal(loss.gradient_hessian(labels, margin)[0], gradient)
    out = np.empty_like(z), np.empty_like(z)
    returned = loss.gradient_hessian(y, z, None, *out)
    assert returned[0] is out[0] and returned[1] is out[1]
    single = loss.gradient_hessian(y, z.astype(np.float32))
    np.testing.assert_allclose(single[0], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_threads_and_blocks_do_not_change_results(link):
    rng = np.random.default_rng(0)
    n_rows = 1_100_001  # enough for two threads
    y, z = rng.integers(0, 2, n_rows), rng.normal(size=n_rows).astype(np.float32)
    loss = FocalLoss(1.5, 0.3, link=link)
    one = loss.gradient_expected_hessian(y, z, n_threads=1)
    two = loss.gradient_expected_hessian(y, z, n_threads=2)
    small = loss.gradient_expected_hessian(y[-7:], z[-7:])
    for a, b, c in zip(one, two, small, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)  # blocks of another length
        np.testing.assert_allclose(a[-7:], c, rtol=1e-6)


@pytest.mark.parametrize("link", ["focal", "logit"])
@pytest.mark.parametrize("alpha", ALPHAS, ids=str)
def test_intercept_minimises_the_loss(alpha, link):
    rng = np.random.default_rng(0)
    y, weight = (rng.random(4000) < 0.03).astype(int), rng.random(4000)
    loss = FocalLoss(2.0, alpha, link=link)
    z = loss.fit_intercept_only(y, weight)
    share = np.average(y, weights=weight)
    resolved = loss.resolve_alpha(y, weight)
    assert z == pytest.approx(resolved.intercept(share))
    assert resolved.predict_proba(np.array([z]))[0, 1] == pytest.approx(share)
    gradient = loss.gradient(y, np.full(4000, z), weight)
    assert abs(gradient.sum()) < 1e-7 * np.abs(gradient).sum()
    if link == "logit":
        assert z == pytest.approx(logit(share))


def test_intercept_of_one_class_is_finite():
    assert np.isfinite(FocalLoss(2.0).fit_intercept_only([0, 0, 0]))
    assert np.isfinite(FocalLoss(2.0).fit_intercept_only([1, 1, 1]))


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_normalized_has_logistic_curvature_at_the_prevalence(link):
    loss = FocalLoss(3.0, 0.05, link=link).normalized(0.01)
    z = [loss.intercept(0.01)]
    assert loss.gradient_expected_hessian([0], z)[1][0] == pytest.approx(0.01 * 0.99, rel=1e-6)


def test_class_weights_follow_their_definitions():
    y = np.repeat([0, 1], [900, 100])
    assert FocalLoss(alpha="balanced").resolve_alpha(y).class_weights == pytest.approx(
        (1000 / 1800, 1000 / 200)
    )
    effective = np.array([(1 - 0.99**900) / 0.01, (1 - 0.99**100) / 0.01])
    weights = np.array(FocalLoss(alpha=ClassBalanced(0.99)).resolve_alpha(y).class_weights)
    np.testing.assert_allclose(weights, (1 / effective) * 2 / (1 / effective).sum())
    assert FocalLoss(alpha="balanced").intercept(0.1) == pytest.approx(
        FocalLoss(alpha=0.9).intercept(0.1)
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"gamma": -1.0}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"gamma": "two"}, "gamma"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": "balance"}, "balanced"),
        ({"alpha": [1.0, -1.0]}, "class 1"),
        ({"alpha": [1.0, 1.0, 1.0]}, "2 weights"),
        ({"link": "probit"}, "link"),
        ({"n_classes": 1}, "n_classes"),
        ({"n_classes": 3, "alpha": 0.25}, "one weight each"),
        ({"n_classes": 3, "gamma": (1.0, 2.0)}, "two classes"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        FocalLoss(**arguments)


@pytest.mark.parametrize(
    "y, z, weight, message",
    [
        ([0, 2], [0.0, 0.0], None, "got 2 in row 1"),
        (["no", "yes"], [0.0, 0.0], None, "class numbers"),
        ([0, 1, 1], [0.0, 0.0], None, "3 rows"),
        ([0, 1], [0.0, 0.0], [1.0], "one weight for each of 2"),
        ([0, 1], [0.0, 0.0], [1.0, -1.0], "row 1"),
        ([0, 1], [0.0, 0.0], [0.0, 0.0], "zero in every row"),
        ([0, 1], [[0.0, 0.0]], None, "shape"),
    ],
)
def test_bad_rows(y, z, weight, message):
    with pytest.raises(ValueError, match=message):
        FocalLoss().gradient_hessian(y, z, weight)


def test_alpha_that_needs_data_says_so():
    with pytest.raises(ValueError, match="resolve_alpha"):
        FocalLoss(alpha="balanced").inverse_link([0.0])
    with pytest.raises(ValueError, match="class 1 has none"):
        FocalLoss(alpha="balanced").resolve_alpha([0, 0])
    with pytest.raises(ValueError, match="strictly between"):
        FocalLoss().link([0.0])
