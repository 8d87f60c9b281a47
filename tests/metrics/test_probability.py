"""Skill and calibration figures against scikit-learn and known probabilities."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from focaltab.metrics import brier_skill_score, calibration_error, log_loss_skill_score


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 20.0, 50_000)
    return (rng.random(p.size) < p).astype(int), p, rng.random(p.size)


@pytest.mark.parametrize("weighted", [False, True])
def test_skills_are_shares_of_the_prevalences_scores(known, weighted):
    y, p, weight = known
    weight = weight if weighted else None
    base = np.full(y.size, np.average(y, weights=weight))
    for skill, score in ((brier_skill_score, brier_score_loss), (log_loss_skill_score, log_loss)):
        options = {"sample_weight": weight}
        expected = 1 - score(y, p, **options) / score(y, base, **options)
        assert skill(y, p, **options) == pytest.approx(expected)
        assert skill(y, base, **options) == pytest.approx(0.0, abs=1e-9)
        assert skill(y, y.astype(float), **options) == pytest.approx(1.0)


def test_a_certain_mistake_has_no_skill_left():
    assert log_loss_skill_score([0, 1], [0.5, 0.0]) == -np.inf


def test_log_loss_of_float32_near_one_keeps_its_digits():
    p = np.float32(1) - np.float32(2) ** -20
    exact = log_loss_skill_score([1, 0, 1], np.array([p, p, p], dtype=np.float64))
    assert log_loss_skill_score([1, 0, 1], np.array([p, p, p])) == pytest.approx(exact)


def test_calibrated_probabilities_have_a_small_error_and_shifted_ones_do_not(known):
    y, p, _ = known
    assert calibration_error(y, p) < 0.002
    assert calibration_error(y, p / 2) == pytest.approx(p.mean() / 2, rel=0.1)
    assert calibration_error(y, p / 2, norm="l2") > calibration_error(y, p / 2)
    assert calibration_error(y, p / 2, norm="max") > calibration_error(y, p / 2, norm="l2")


def test_calibration_error_of_equal_mass_bins_by_hand():
    y = [0, 0, 0, 1, 0, 1, 1, 1]
    p = [0.1, 0.1, 0.2, 0.2, 0.6, 0.6, 0.9, 0.9]
    # Two bins of four rows: observed 1/4 and 3/4, stated 0.15 and 0.75.
    assert calibration_error(y, p, n_bins=2) == pytest.approx(0.05)
    assert calibration_error(y, p, n_bins=2, norm="max") == pytest.approx(0.1)
    assert calibration_error(y, p, n_bins=2, norm="l2") == pytest.approx(np.sqrt(0.1**2 / 2))


def test_ties_stay_together_and_weights_are_repeated_rows(known):
    y, p, _ = known
    y, p = y[:500], np.round(p[:500], 2)
    weight = np.random.default_rng(1).integers(0, 4, 500)
    for n_bins in (1, 3, 10, 10_000):
        expected = calibration_error(np.repeat(y, weight), np.repeat(p, weight), n_bins=n_bins)
        actual = calibration_error(y, p, n_bins=n_bins, sample_weight=weight)
        assert actual == pytest.approx(expected)
    order = np.random.default_rng(2).permutation(500)
    assert calibration_error(y[order], p[order]) == pytest.approx(calibration_error(y, p))


@pytest.mark.parametrize("figure", [brier_skill_score, log_loss_skill_score, calibration_error])
@pytest.mark.parametrize(
    "y, p, message",
    [
        ([0, 1], [0.1, 1.5], "1.5 in row 1"),
        ([0, 1], [-0.1, 0.5], "-0.1 in row 0"),
        ([0, 1], [0.1, np.nan], "y_proba is NaN in row 1"),
        ([0, 0], [0.1, 0.2], "no positive row"),
    ],
)
def test_bad_input(figure, y, p, message):
    with pytest.raises(ValueError, match=message):
        figure(y, p)


@pytest.mark.parametrize("options, message", [({"n_bins": 0}, "n_bins"), ({"norm": "x"}, "norm")])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        calibration_error([0, 1], [0.1, 0.2], **options)
