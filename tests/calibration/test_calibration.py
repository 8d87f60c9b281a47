"""Calibration tables, changed prevalences and undone resampling on known probabilities."""

import warnings

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from focaltab.calibration import (
    calibration_table,
    estimate_prevalence,
    prior_shift,
    undo_resampling,
)


def two_normals(n_rows, prevalence, seed):
    """Rows whose exact posterior is known: one normal feature, two units apart by class."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < prevalence).astype(int)
    x = rng.normal(size=n_rows) + 2.0 * y
    return x, y, expit(logit(prevalence) + 2.0 * x - 2.0)


def test_table_counts_what_it_says():
    _, y, p = two_normals(20_000, 0.02, 0)
    table = calibration_table(y, p, n_bins=8)
    assert len(table) == 8 and table["rows"].sum() == 20_000
    assert table["rows"].between(2490, 2510).all()
    for _, row in table.iterrows():
        inside = (p >= row["lowest"]) & (p <= row["highest"])
        assert inside.sum() == row["rows"]
        assert row["mean_probability"] == pytest.approx(p[inside].mean())
        assert row["observed"] == pytest.approx(y[inside].mean())
        wilson = binomtest(int(y[inside].sum()), int(inside.sum())).proportion_ci(method="wilson")
        assert (row["low"], row["high"]) == pytest.approx((wilson.low, wilson.high))
    held = (table["low"] <= table["mean_probability"]) & (
        table["mean_probability"] <= table["high"]
    )
    assert held.sum() >= 6


def test_ties_stay_together_and_weights_are_repeated_rows():
    _, y, p = two_normals(2000, 0.1, 0)
    p = np.round(p, 2)
    weight = np.random.default_rng(1).integers(0, 3, y.size)
    by_weight = calibration_table(y, p, sample_weight=weight)
    repeated = calibration_table(np.repeat(y, weight), np.repeat(p, weight))
    np.testing.assert_allclose(by_weight.drop(columns=["lowest", "highest"]),
                               repeated.drop(columns=["lowest", "highest"]))  # fmt: skip
    edges = by_weight[["lowest", "highest"]].to_numpy().ravel()
    assert (np.diff(edges) >= 0).all() and (
        by_weight["highest"][:-1].to_numpy() < edges[2::2]
    ).all()
    words = np.where(y == 1, "yes", "no")
    assert calibration_table(words, p, pos_label="yes").equals(calibration_table(y, p))
    assert len(calibration_table([0, 1, 0], [0.2, 0.2, 0.2])) == 1


def test_shift_to_a_known_prevalence_gives_the_posterior_there():
    x, _, p = two_normals(1000, 0.02, 0)
    expected = expit(logit(0.3) + 2.0 * x - 2.0)
    np.testing.assert_allclose(prior_shift(p, 0.02, 0.3), expected, rtol=1e-9)
    single = prior_shift(p.astype(np.float32), 0.02, 0.3)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-4)
    assert prior_shift([0.0, 1.0], 0.1, 0.2).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("new", [0.002, 0.02, 0.1, 0.5])
def test_unknown_prevalence_is_found(new):
    x, y, _ = two_normals(250_000, new, 1)
    stated = expit(logit(0.02) + 2.0 * x - 2.0)  # what a model trained at 0.02 says
    found = estimate_prevalence(stated, 0.02)
    assert found == pytest.approx(y.mean(), rel=0.15)
    shifted = prior_shift(stated, 0.02)
    assert shifted.mean() == pytest.approx(found, rel=1e-4)
    weight = np.random.default_rng(0).integers(0, 3, x.size)
    assert estimate_prevalence(stated, 0.02, sample_weight=weight) == pytest.approx(
        estimate_prevalence(np.repeat(stated, weight), 0.02)
    )


def test_a_prevalence_that_is_found_does_not_warn():
    x, _, _ = two_normals(1000, 0.05, 1)
    stated = expit(logit(0.02) + 2.0 * x - 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimate_prevalence(stated, 0.02)
        few = estimate_prevalence(stated, 0.02, max_iter=2000, tol=1e-12)
    assert found == pytest.approx(few, rel=1e-3)


def test_too_few_steps_warn():
    x, _, _ = two_normals(1000, 0.5, 1)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        estimate_prevalence(expit(2.0 * x - 6.0), 0.02, max_iter=2)


@pytest.mark.parametrize("rates", [{"negative_rate": 0.05}, {"positive_rate": 20.0}])
def test_resampling_is_undone(rates):
    x, y, _ = two_normals(200_000, 0.01, 2)
    kept = np.random.default_rng(0).random(y.size) < rates.get("negative_rate", 1.0)
    copies = np.where(y == 1, int(rates.get("positive_rate", 1)), kept)
    rows = np.repeat(np.arange(y.size), copies)
    sampled = LogisticRegression(C=1e6).fit(x[rows, None], y[rows]).predict_proba(x[:, None])[:, 1]
    whole = LogisticRegression(C=1e6).fit(x[:, None], y).predict_proba(x[:, None])[:, 1]
    assert sampled.mean() > 5 * y.mean()
    corrected = undo_resampling(sampled, **rates)
    assert corrected.mean() == pytest.approx(y.mean(), rel=0.05)
    # Two fits differ by their noise, least in the middle.
    assert np.quantile(np.abs(logit(corrected) - logit(whole)), 0.9) < 0.2


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: calibration_table([0, 1], [0.1, 1.2]), "1.2 in row 1"),
        (lambda: calibration_table([0, 1], [0.1, 0.2], n_bins=0), "n_bins"),
        (lambda: calibration_table([0, 1], [0.1, 0.2], confidence_level=1.0), "confidence_level"),
        (lambda: prior_shift([0.1, np.nan], 0.1, 0.2), "nan in row 1"),
        (lambda: prior_shift([[0.1, 0.9]], 0.1, 0.2), "shape"),
        (lambda: prior_shift([0.1], 0.0, 0.2), "old_prevalence"),
        (lambda: prior_shift([0.1], 0.1, 1.0), "new_prevalence"),
        (lambda: undo_resampling([0.1], negative_rate=0.0), "negative_rate"),
        (lambda: undo_resampling([0.1], positive_rate=np.inf), "positive_rate"),
        (lambda: estimate_prevalence([0.1], 0.1, sample_weight=[-1.0]), "sample_weight"),
        (lambda: estimate_prevalence([0.1] * 2, 0.1, sample_weight=[-1.0, 3.0]), "sample_weight"),
        (lambda: estimate_prevalence([0.1] * 2, 0.1, sample_weight=[0.0, 0.0]), "sample_weight"),
        (lambda: estimate_prevalence([0.1], 0.1, sample_weight=[1.0, 1.0]), "sample_weight"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
