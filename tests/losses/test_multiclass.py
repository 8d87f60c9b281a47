"""The softmax focal loss against autograd and its own definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focaltab.losses import FocalLoss

GAMMAS = [0.0, 0.01, 0.5, 1.0, 2.0, 10.0]
ALPHAS = [None, "balanced", [0.1, 1.0, 3.0, 0.5]]
N_CLASSES = 4


def sample(n_rows=400):
    rng = np.random.default_rng(0)
    return rng.integers(0, N_CLASSES, n_rows), rng.normal(0.0, 4.0, (n_rows, N_CLASSES)), rng


def probabilities(rng, n_rows=300):
    eta = np.clip(rng.dirichlet([0.3] * N_CLASSES, n_rows), 1e-9, None)
    return eta / eta.sum(axis=1, keepdims=True)


def expected_gradient(loss, raw, eta):
    parts = [eta[:, [k]] * loss.gradient(np.full(raw.shape[0], k), raw) for k in range(N_CLASSES)]
    return sum(parts)


@pytest.mark.parametrize("alpha", ALPHAS, ids=str)
@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_gradient_equals_autograd(gamma, alpha):
    torch = pytest.importorskip("torch")
    y, z, rng = sample()
    weight = rng.random(y.size)
    loss = FocalLoss(gamma, alpha, n_classes=N_CLASSES)
    class_weights = torch.tensor(loss.resolve_alpha(y, weight).class_weights, dtype=torch.float64)
    zt = torch.tensor(z, requires_grad=True)
    log_p = torch.log_softmax(zt, dim=1)
    own = torch.nn.functional.one_hot(torch.tensor(y), N_CLASSES).bool()
    log_q = torch.logsumexp(log_p.masked_fill(own, -torch.inf), dim=1)
    values = -class_weights[y] * torch.exp(gamma * log_q) * log_p[own] * torch.tensor(weight)
    (first,) = torch.autograd.grad(values.sum(), zt)
    np.testing.assert_allclose(loss.loss(y, z, weight), values.detach(), rtol=1e-11)
    np.testing.assert_allclose(loss.gradient(y, z, weight), first, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_rows_of_other_sizes_change_nothing(link):
    z = np.array([[0.0, 1.0, 2.0, -1.0], [3000.0, 2999.0, 2998.0, 0.0], [-3e3, -3e3, -2e3, -3e3]])
    y = np.array([1, 1, 2])
    loss = FocalLoss(2.0, n_classes=N_CLASSES, link=link)
    alone = [loss.loss(y[[k]], z[[k]])[0] for k in range(3)]
    np.testing.assert_allclose(loss.loss(y, z), alone, rtol=1e-12)
    assert np.isfinite(alone).all() and alone[0] > 0


@pytest.mark.parametrize("link", ["focal", "logit"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_gradient_and_expected_hessian_equal_differences(gamma, link):
    y, _, rng = sample(300)
    eta = probabilities(rng)
    loss = FocalLoss(gamma, [0.1, 1.0, 3.0, 0.5], link=link, n_classes=N_CLASSES)
    raw = loss.link(eta)
    gradient, hessian = loss.gradient_hessian(y, raw)
    assert (hessian > 0).all()
    step = 1e-5
    for k in range(N_CLASSES):
        up, down = raw.copy(), raw.copy()
        up[:, k] += step
        down[:, k] -= step
        slope = (loss.loss(y, up) - loss.loss(y, down)) / (2 * step)
        np.testing.assert_allclose(gradient[:, k], slope, atol=5e-9)
        curvature = expected_gradient(loss, up, eta) - expected_gradient(loss, down, eta)
        np.testing.assert_allclose(hessian[:, k], curvature[:, k] / (2 * step), atol=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.25, 0.5, 1.0, 2.0, 3.7, 10.0, 30.0])
def test_canonical_form_equals_its_equations(gamma):
    """``(D_y / H_y) (pi_k - [k = y])`` and ``D_k (1 - pi_k) / S``, with ``D`` by mpmath."""
    mpmath = pytest.importorskip("mpmath")
    alpha = [0.1, 1.0, 3.0, 0.5]
    eta = probabilities(np.random.default_rng(2), 40)
    y = np.arange(40) % N_CLASSES
    # Probabilities of the focal softmax that has this posterior, solved to machine precision.
    z = FocalLoss(gamma, alpha, n_classes=N_CLASSES).link(eta)
    loss = FocalLoss(gamma, alpha, link="logit", n_classes=N_CLASSES)
    gradient, hessian = loss.gradient_hessian(y, np.log(eta))
    with mpmath.workdps(40):

        def log_h(log_odds, weight):
            p, q = (1 / (1 + mpmath.exp(sign * log_odds)) for sign in (-1, 1))
            return mpmath.log(
                p / (weight * (q**gamma - gamma * q ** (gamma - 1) * p * mpmath.log(p)))
            )

        for row in range(40):
            margins = [mpmath.mpf(float(v)) for v in z[row]]
            odds = [
                margin - mpmath.log(sum(mpmath.exp(v) for j, v in enumerate(margins) if j != k))
                for k, margin in enumerate(margins)
            ]
            h, d = [], []
            for s, weight in zip(odds, alpha, strict=True):
                h.append(mpmath.exp(log_h(s, weight)))
                slope = mpmath.diff(lambda t, w=weight: log_h(t, w), s)
                d.append(1 / ((1 + mpmath.exp(-s)) * (1 + mpmath.exp(s)) * slope))
            for k in range(N_CLASSES):
                share = d[k] / sum(d)
                expected = d[y[row]] / h[y[row]] * (share - (k == y[row]))
                assert gradient[row, k] == pytest.approx(float(expected), rel=1e-7)
                expected = d[k] / sum(h) * (sum(d) - d[k]) / sum(d)
                assert hessian[row, k] == pytest.approx(float(expected), rel=1e-7)


@given(
    st.floats(0.0, 10.0),
    st.lists(st.floats(0.01, 100.0), min_size=3, max_size=6),
    st.data(),
    st.sampled_from(["focal", "logit"]),
    st.sampled_from([np.float32, np.float64]),
)
def test_any_margins_have_finite_slopes_of_the_right_sign(gamma, alpha, data, link, dtype):
    row = st.lists(st.floats(-500.0, 500.0), min_size=len(alpha), max_size=len(alpha))
    raw = np.array(data.draw(st.lists(row, min_size=1, max_size=8)), dtype=dtype)
    loss = FocalLoss(gamma, alpha, link=link, n_classes=len(alpha))
    for k in range(len(alpha)):
        y = np.full(len(raw), k)
        gradient, hessian = loss.gradient_hessian(y, raw)
        assert np.isfinite(gradient).all() and np.isfinite(hessian).all()
        assert (hessian > 0).all() and (gradient[:, k] <= 0).all()
        assert (np.delete(gradient, k, axis=1) >= 0).all()
        scale = np.abs(gradient).max(axis=1)
        assert (np.abs(gradient.sum(axis=1)) <= 1e-5 * scale + np.finfo(dtype).tiny).all()
        value = loss.loss(y, raw)
        assert np.isfinite(value).all() and (value >= 0).all()


@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.5, 20.0])
@pytest.mark.parametrize("link", ["focal", "logit"])
def test_a_row_does_not_depend_on_others_that_lie_far_away(link, gamma):
    raw = np.array([[500.0, -450.0, -490.0], [-480.0, -490.0, -485.0], [0.0, 1.0, 2.0]])
    y = np.array([1, 2, 0])
    loss = FocalLoss(gamma, [1.0, 2.0, 0.5], link=link, n_classes=3)
    with np.errstate(divide="raise"):  # the sum of a row's exponentials is never nothing
        together = (*loss.gradient_hessian(y, raw), loss.loss(y, raw), loss.predict_proba(raw))
    for k in range(3):
        own, alone = y[k : k + 1], raw[k : k + 1]
        apart = (
            *loss.gradient_hessian(own, alone),
            loss.loss(own, alone),
            loss.predict_proba(alone),
        )
        for one, other in zip(apart, together, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_allclose(one[0], other[k], rtol=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 10.0])
def test_single_precision_is_as_exact_as_its_margins(gamma):
    y, raw, _ = sample()
    loss = FocalLoss(gamma, [0.1, 1.0, 3.0, 0.5], link="logit", n_classes=N_CLASSES)
    raw = np.vstack([raw, 10 * raw]).astype(np.float32)
    y = np.tile(y, 2)
    exact = loss.loss(y, raw.astype(np.float64))
    np.testing.assert_allclose(loss.loss(y, raw), exact, rtol=1e-4, atol=1e-30)
    expected = loss.gradient_hessian(y, raw.astype(np.float64))
    for single, double in zip(loss.gradient_hessian(y, raw), expected, strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single[:400], double[:400], rtol=2e-5, atol=1e-30)
        np.testing.assert_allclose(single, double, rtol=2e-3, atol=1e-30)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 2.0, 10.0])
def test_huge_margins_have_the_slopes_of_their_limit(gamma):
    """Two classes are out of the question, and the label is that of one of them."""
    loss = FocalLoss(gamma, link="logit", n_classes=3)
    for size in (1e3, 1e6):
        raw = np.array([[0.0, -size, -size - 1.0], [0.0, -size, -size]])
        gradient, _ = loss.gradient_hessian([1, 2], raw)
        # D is what is left beside the first class, and gamma times less for the first itself.
        share = np.exp([-1.0, 0.0])
        rest = 1.0 / (1.0 + 1.0 / gamma) if gamma else 0.0
        expected = rest / (1.0 + share)
        np.testing.assert_allclose(gradient[0, 1], expected[0] - 1.0, rtol=1e-6)
        np.testing.assert_allclose(gradient[1, 2], expected[1] - 1.0, rtol=1e-6)
    single, _ = loss.gradient_hessian([1, 2], raw.astype(np.float32))
    assert np.isfinite(single).all() and np.abs(single).max() <= 1.0


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_that_is_no_number_spoils_no_other(gamma, dtype):
    _, raw, _ = sample(50)
    y = np.arange(50) % N_CLASSES
    loss = FocalLoss(gamma, link="logit", n_classes=N_CLASSES)
    expected = loss.gradient_hessian(y, raw.astype(dtype))
    raw = raw.astype(dtype)
    raw[7, 1] = np.nan
    for found, clean in zip(loss.gradient_hessian(y, raw), expected, strict=True):
        assert np.isnan(found[7]).all()
        np.testing.assert_allclose(np.delete(found, 7, 0), np.delete(clean, 7, 0), rtol=1e-5)


@pytest.mark.parametrize("gamma", [1e-309, 1e-20, 1e-13, 1e-11, 1e-6])
@pytest.mark.parametrize("link", ["focal", "logit"])
def test_a_vanishing_gamma_is_none(gamma, link):
    y, raw, _ = sample()
    some, none = (FocalLoss(g, link=link, n_classes=N_CLASSES) for g in (gamma, 0.0))
    for found, expected in zip(
        some.gradient_hessian(y, raw), none.gradient_hessian(y, raw), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.25, 2.0, 16.0])
@pytest.mark.parametrize("n_classes", [3, 7])
def test_classes_that_are_alike(gamma, n_classes):
    loss = FocalLoss(gamma, link="logit", n_classes=n_classes)
    gradient, hessian = loss.gradient_hessian([0, 1], np.full((2, n_classes), -3.0))
    share = 1.0 / n_classes
    slope = (1 - share) ** gamma - gamma * (1 - share) ** (gamma - 1) * share * np.log(share)
    np.testing.assert_allclose(gradient[0, 1] / gradient[0, 0], -share / (1 - share), rtol=1e-7)
    np.testing.assert_allclose(hessian, hessian[0, 0], rtol=1e-7)
    assert 0 < -gradient[0, 0] < slope


@pytest.mark.parametrize("link", ["focal", "logit"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_posterior_and_links(gamma, link):
    eta = probabilities(np.random.default_rng(1))
    loss = FocalLoss(gamma, [0.1, 1.0, 3.0, 0.5], link=link, n_classes=N_CLASSES)
    raw = loss.link(eta)
    np.testing.assert_allclose(loss.inverse_link(raw), eta, rtol=1e-9)
    np.testing.assert_allclose(loss.predict_proba(raw).sum(axis=1), 1.0)
    assert np.abs(expected_gradient(loss, raw, eta)).max() < 1e-13


@pytest.mark.parametrize("link", ["focal", "logit"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_margins_stay_finite(link, dtype):
    raw = np.array([[500, -500, 0], [-500, 500, 500], [0, 0, 500]], dtype=dtype)
    for gamma in GAMMAS:
        loss = FocalLoss(gamma, link=link, n_classes=3)
        gradient, hessian = loss.gradient_hessian([1, 0, 2], raw)
        assert np.isfinite(gradient).all() and gradient.dtype == dtype
        assert np.isfinite(hessian).all() and (hessian > 0).all()
        assert np.isfinite(loss.predict_proba(raw)).all()


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_two_classes_as_softmax_agree_with_the_intercept(link):
    y = np.repeat([0, 1, 2], [900, 80, 20])
    loss = FocalLoss(2.0, "balanced", link=link, n_classes=3)
    raw = loss.fit_intercept_only(y)
    np.testing.assert_allclose(
        loss.resolve_alpha(y).inverse_link(raw), [0.9, 0.08, 0.02], rtol=1e-9
    )
    gradient = loss.gradient(y, np.tile(raw, (1000, 1)))
    assert np.abs(gradient.sum(axis=0)).max() < 1e-9


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_links_take_one_probability_for_each_class(link):
    loss = FocalLoss(2.0, link=link, n_classes=3)
    for wrong, message in (
        ([[0.9, 0.9, 0.9]], "sum to 1"),
        ([[0.5, 0.5]], "one probability each"),
        (0.1, "one probability each"),
    ):
        with pytest.raises(ValueError, match=f"link: .*{message}"):
            loss.link(wrong)
        with pytest.raises(ValueError, match=f"intercept: .*{message}"):
            loss.intercept(wrong)
