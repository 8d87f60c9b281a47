import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from focaltab.metrics import (
    _bootstrap,
    average_precision,
    average_precision_interval,
    paired_average_precision,
    precision_at_k,
    recall_at_k,
    recall_at_precision,
)


def tied_scores(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.1).astype(int)
    return y, np.round(rng.normal(size=n_rows) + y, 1)


def row_bootstrap(y, scores, n_resamples, seed):
    """The plain way: resample rows within each class, score each model with scikit-learn."""
    rng = np.random.default_rng(seed)
    positive, negative = np.flatnonzero(y), np.flatnonzero(y == 0)
    out = []
    for _ in range(n_resamples):
        rows = np.concatenate(
            [rng.choice(positive, positive.size), rng.choice(negative, negative.size)]
        )
        out.append([average_precision_score(y[rows], s[rows]) for s in scores])
    return np.array(out)


def test_interval_has_the_distribution_of_a_row_bootstrap():
    y, score = tied_scores()
    expected = np.quantile(row_bootstrap(y, [score], 3000, 1)[:, 0], [0.025, 0.975])
    actual = average_precision_interval(y, score, n_resamples=6000, random_state=0)
    np.testing.assert_allclose(actual, expected, atol=0.012)


def test_paired_difference_has_the_distribution_of_a_row_bootstrap():
    y, score = tied_scores()
    other = np.round(score + np.random.default_rng(3).normal(0, 0.5, y.size), 1)
    values = row_bootstrap(y, [score, other], 3000, 1)
    expected = np.quantile(values[:, 0] - values[:, 1], [0.025, 0.975])
    result = paired_average_precision(y, score, other, n_resamples=4000, random_state=0)
    np.testing.assert_allclose([result.low, result.high], expected, atol=0.012)
    assert result.value == pytest.approx(
        average_precision_score(y, score) - average_precision_score(y, other)
    )


def test_a_model_does_not_differ_from_itself():
    y, score = tied_scores()
    result = paired_average_precision(y, score, score, random_state=0)
    assert result.low == result.high == result.value == 0.0
    assert result.is_noise


def test_a_resample_scores_as_scikit_learn_with_counts_for_weights():
    y, score = tied_scores()
    bins = _bootstrap._bin(y.astype(bool), score)
    counts = np.random.default_rng(2).integers(0, 4, (20, y.size))
    actual = _bootstrap._average_precisions(
        _bootstrap._counts(counts[:, y == 1], bins.of_positive, bins.n_bins),
        _bootstrap._counts(counts[:, y == 0], bins.of_negative, bins.n_bins + 1)[:, :-1],
    )
    expected = [average_precision_score(y, score, sample_weight=c) for c in counts]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_memory_bound_does_not_change_the_interval(monkeypatch):
    y, score = tied_scores()
    whole = average_precision_interval(y, score, random_state=0)
    monkeypatch.setattr(_bootstrap, "_CHUNK", 1)
    assert average_precision_interval(y, score, random_state=0) == whole


def test_interval_repeats_with_its_random_state():
    y, score = tied_scores()
    assert average_precision_interval(y, score, random_state=5) == average_precision_interval(
        y, score, random_state=5
    )


def test_ties_at_the_alert_border_count_in_expectation():
    y, score = [1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1]
    assert precision_at_k(y, score, k=2) == pytest.approx(0.75)
    assert recall_at_k(y, score, k=2) == pytest.approx(0.75)
    assert recall_at_k(y, score, k=4) == 1.0


def test_recall_at_precision():
    y, score = [0, 1, 1, 0, 1], [0.95, 0.9, 0.8, 0.7, 0.1]
    assert recall_at_precision(y, score, precision=0.6) == pytest.approx(1.0)
    assert recall_at_precision(y, score, precision=0.66) == pytest.approx(2 / 3)
    assert recall_at_precision(y, score, precision=0.9) == 0.0


@pytest.mark.parametrize(
    "y, score, message",
    [
        ([0, 1], [0.1, np.nan], "NaN in row 1"),
        ([0, 1], [0.1], "one length"),
        ([0, 0], [0.1, 0.2], "only class 0"),
        ([0, 2], [0.1, 0.2], "0 and 1 only"),
        ([], [], "empty"),
    ],
)
def test_bad_input(y, score, message):
    with pytest.raises(ValueError, match=message):
        average_precision(y, score)


@pytest.mark.parametrize(
    "figure, options, message",
    [
        (precision_at_k, {"k": 0}, "k must be"),
        (recall_at_k, {"k": 1.5}, "k must be"),
        (recall_at_k, {"k": 3}, "k must be"),
        (recall_at_precision, {"precision": 2.0}, "precision must lie"),
        (average_precision_interval, {"n_resamples": 0}, "n_resamples"),
        (average_precision_interval, {"confidence_level": 1.0}, "confidence_level"),
    ],
)
def test_bad_options(figure, options, message):
    with pytest.raises(ValueError, match=message):
        figure([0, 1], [0.1, 0.2], **options)
