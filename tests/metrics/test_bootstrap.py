"""Intervals: the same numbers as scikit-learn under the same resamples, and right coverage."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, norm
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from focaltab.metrics import (
    FewRowsWarning,
    average_precision,
    bootstrap_distribution,
    bootstrap_interval,
    brier_skill_score,
    expected_cost,
    max_f_beta,
    paired_difference,
    recall_at_fpr,
    recall_at_precision,
)


def tied(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.1).astype(int)
    return y, np.round(rng.normal(size=n_rows) + y, 1)


def loop_over_rows(y, scores, n_resamples, seed):
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


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("kind", ["rows", "weights", "groups"])
@pytest.mark.parametrize("seed", [0, 1])
def test_average_precision_is_scikit_learns_on_the_same_resamples(seed, kind, stratified):
    y, score = tied(seed=seed)
    rng = np.random.default_rng(5)
    options = {"n_resamples": 40, "random_state": 3, "stratified": stratified}
    if kind == "weights":
        options["sample_weight"] = rng.integers(1, 4, y.size) / 2
    if kind == "groups":
        options["groups"] = rng.integers(0, 60, y.size)
    fast = bootstrap_distribution("average_precision", y, score, **options)
    loop = bootstrap_distribution(average_precision_score, y, score, **options)
    np.testing.assert_allclose(fast, loop, rtol=1e-12)
    assert np.unique(fast).size > 20


def test_distribution_is_that_of_a_loop_over_rows():
    y, score = tied()
    expected = np.quantile(loop_over_rows(y, [score], 2000, 1)[:, 0], [0.025, 0.5, 0.975])
    for metric, n in (("average_precision", 6000), (average_precision_score, 800)):
        values = bootstrap_distribution(metric, y, score, n_resamples=n, random_state=0)
        np.testing.assert_allclose(np.quantile(values, [0.025, 0.5, 0.975]), expected, atol=0.015)


@pytest.mark.slow
def test_paired_distribution_is_that_of_a_loop_over_rows():
    y, score = tied()
    other = np.round(score + np.random.default_rng(3).normal(0, 0.5, y.size), 1)
    values = loop_over_rows(y, [score, other], 2000, 1)
    expected = np.quantile(values[:, 0] - values[:, 1], [0.025, 0.975])
    result = paired_difference(
        "average_precision", y, score, other, n_resamples=4000, random_state=0
    )
    np.testing.assert_allclose([result.low, result.high], expected, atol=0.012)
    assert result.value == pytest.approx(
        average_precision_score(y, score) - average_precision_score(y, other)
    )


def test_fast_and_slow_pairs_agree():
    y, score = tied()
    other = np.round(score + np.random.default_rng(3).normal(0, 0.5, y.size), 1)
    options = {"n_resamples": 30, "random_state": 0}
    for method in ("percentile", "bca"):
        fast = paired_difference("average_precision", y, score, other, method=method, **options)
        slow = paired_difference(average_precision_score, y, score, other, method=method, **options)
        assert fast.low == pytest.approx(slow.low) and fast.high == pytest.approx(slow.high)


def test_a_model_does_not_differ_from_itself():
    y, score = tied()
    result = paired_difference("average_precision", y, score, score, random_state=0)
    assert result.low == result.high == result.value == 0.0
    assert result.is_noise


def test_a_clearly_better_model_is_no_noise():
    y, score = tied(4000)
    result = paired_difference("average_precision", y, score + y, score, random_state=0)
    assert not result.is_noise and result.low > 0


@pytest.mark.parametrize(
    "name, options, function",
    [
        ("recall_at_fpr", {"fpr": 0.2}, recall_at_fpr),
        ("recall_at_precision", {"precision": 0.3}, recall_at_precision),
        ("max_f_beta", {"beta": 2.0}, max_f_beta),
        ("brier_skill_score", {}, brier_skill_score),
    ],
)
def test_a_metric_by_name_as_a_callable_and_with_its_options(name, options, function):
    y, score = tied()
    p = norm.cdf(score - 2)
    run = {"n_resamples": 60, "random_state": 0}
    named = bootstrap_interval(name, y, p, metric_options=options, **run)
    assert named.low < named.value < named.high
    value = function(y, p, **options)
    assert named.value == (value.value if name == "max_f_beta" else value)
    assert bootstrap_interval(partial(function, **options), y, p, **run) == named
    assert bootstrap_interval(function, y, p, metric_options=options, **run) == named


def test_any_callable():
    y, score = tied()
    auc = bootstrap_interval(roc_auc_score, y, score, n_resamples=60, random_state=0)
    assert auc.value == pytest.approx(roc_auc_score(y, score))
    assert auc.low < auc.value < auc.high


def payments(n_rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.1).astype(int)
    return y, (rng.normal(size=n_rows) + 2 * y > 1.5).astype(int), rng.gamma(0.5, 100.0, n_rows)


@pytest.mark.parametrize("grouped", [False, True])
def test_costs_per_row_are_drawn_with_their_rows(grouped):
    y, called, amount = payments()
    per_row = np.where(y == 1, np.where(called == 1, 5.0, amount), 5.0 * called)

    def mean(y_true, y_pred, *, own, sample_weight=None):
        return float(np.average(own, weights=sample_weight))

    options = {"n_resamples": 400, "random_state": 1}
    if grouped:
        options["groups"] = np.arange(y.size) // 3
    costs = {"fp_cost": 5.0, "tp_cost": 5.0, "fn_cost": amount}
    ours = bootstrap_interval("expected_cost", y, called, metric_options=costs, **options)
    expected = bootstrap_interval(mean, y, called, metric_options={"own": per_row}, **options)
    np.testing.assert_allclose(ours, expected)
    assert ours.value == pytest.approx(per_row.mean())
    assert ours == bootstrap_interval(partial(expected_cost, **costs), y, called, **options)
    if not grouped:  # strata of rows: the mean of each class varies by itself
        error = np.sqrt(sum(per_row[y == k].var() * np.mean(y == k) for k in (0, 1)) / y.size)
        assert ours.high - ours.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_costs_of_two_deciders_and_bca():
    y, called, amount = payments()
    costs = {"fn_cost": amount, "fp_cost": 5.0}
    gap = paired_difference(
        "expected_cost", y, called, np.zeros_like(y), metric_options=costs, random_state=0
    )
    none = np.mean(amount * y)
    assert gap.first == expected_cost(y, called, **costs) and gap.second == pytest.approx(none)
    assert not gap.is_noise and gap.high < 0
    broken = {"fn_cost": np.where(np.arange(y.size) == 7, np.nan, amount)}
    with pytest.raises(ValueError, match="fn_cost is not finite in row 7"):
        bootstrap_interval("expected_cost", y, called, metric_options=broken)
    bca = bootstrap_interval(
        "expected_cost", y, called, metric_options=costs, method="bca", random_state=0
    )
    assert bca.low < bca.value < bca.high


@pytest.mark.parametrize(
    "labels, pos_label", [([-1, 1], None), (["fine", "fraud"], "fraud"), ([False, True], None)]
)
def test_decisions_are_mapped_as_labels_are(labels, pos_label):
    y, called, amount = payments()
    options = {"metric_options": {"fn_cost": amount}, "n_resamples": 50, "random_state": 0}
    expected = bootstrap_interval("expected_cost", y, called, **options)
    y, called = np.array(labels)[y], np.array(labels)[called]
    for metric in ("expected_cost", expected_cost, partial(expected_cost)):
        assert expected == bootstrap_interval(metric, y, called, pos_label=pos_label, **options)


def test_decisions_in_words_reach_any_metric():
    y, called, _ = payments()
    options = {"n_resamples": 50, "random_state": 0}
    expected = bootstrap_interval(f1_score, y, called, **options)
    words = np.array(["fine", "fraud"])
    ours = bootstrap_interval(f1_score, words[y], words[called], pos_label="fraud", **options)
    assert ours == expected


def test_bca_is_scipys_where_it_has_one():
    """The mean of scores, without strata: one sample, as SciPy's BCa takes it."""
    rng = np.random.default_rng(0)
    score = rng.lognormal(size=150)
    y = np.tile([0, 1, 0], 50)

    def mean(y_true, y_score, *, sample_weight=None):
        return float(np.average(y_score, weights=sample_weight))

    expected = bootstrap(
        (score,), np.mean, n_resamples=6000, method="BCa", random_state=np.random.default_rng(1)
    ).confidence_interval
    options = {"n_resamples": 6000, "stratified": False, "random_state": 0}
    ours = bootstrap_interval(mean, y, score, method="bca", **options)
    plain = bootstrap_interval(mean, y, score, **options)
    width = expected.high - expected.low
    assert abs(ours.low - expected.low) < 0.05 * width
    assert abs(ours.high - expected.high) < 0.05 * width
    assert ours.low > plain.low and ours.high > plain.high


def test_groups_widen_the_interval_where_their_rows_repeat_each_other():
    y, score = tied(300)
    y, score, customer = np.repeat(y, 10), np.repeat(score, 10), np.repeat(np.arange(300), 10)
    by_row = bootstrap_interval("average_precision", y, score, random_state=0)
    by_group = bootstrap_interval(
        "average_precision", y, score, groups=np.array([f"c{c}" for c in customer]), random_state=0
    )
    once = bootstrap_interval("average_precision", y[::10], score[::10], random_state=0)
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)
    assert by_group.high - by_group.low == pytest.approx(once.high - once.low, rel=0.15)


def test_intervals_cover_the_truth():
    """Average precision of the whole population lies inside about 95 of 100 intervals."""
    rng = np.random.default_rng(0)

    def draw(n):
        y = rng.random(n) < 0.1
        return y, rng.normal(size=n) + 1.5 * y

    truth = average_precision(*draw(1_000_000))
    inside = 0
    for k in range(100):
        interval = bootstrap_interval(
            "average_precision", *draw(1500), n_resamples=300, stratified=False, random_state=k
        )
        inside += interval.low <= truth <= interval.high
    assert inside >= 87


def test_results_repeat_with_their_random_state_and_do_not_depend_on_batches():
    y, score = tied(3000)
    first = bootstrap_distribution("average_precision", y, score, n_resamples=700, random_state=5)
    again = bootstrap_distribution("average_precision", y, score, n_resamples=700, random_state=5)
    np.testing.assert_array_equal(first, again)
    # Enough rows that one batch no longer holds them all.
    y, score = tied(40_000, seed=1)
    score = score + np.random.default_rng(0).normal(size=y.size)
    whole = bootstrap_distribution("average_precision", y, score, n_resamples=600, random_state=5)
    part = bootstrap_distribution("average_precision", y, score, n_resamples=7, random_state=5)
    np.testing.assert_allclose(whole[:7], part)


def test_one_positive_only():
    y = np.zeros(500, int)
    y[3] = 1
    value, low, high = bootstrap_interval(
        "average_precision", y, np.arange(500.0)[::-1], random_state=0
    )
    assert value == 0.25 and low < 0.25 < high
    four = {"groups": [0, 1, 2, 3], "stratified": False, "n_resamples": 1}
    with pytest.raises(ValueError, match="want of a class"):
        for seed in range(50):  # one resample in three misses the positive row
            bootstrap_interval("average_precision", y[:4], [4, 3, 2, 1], random_state=seed, **four)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_resamples": 0}, "n_resamples"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"method": "normal"}, "method"),
        ({"groups": [1]}, "one group for each of 2"),
        ({"groups": [1.0, np.nan]}, "groups is missing in row 1"),
        ({"metric": "accuracies"}, "no metric named 'accuracies'"),
        ({"metric": 3}, "name or a callable"),
        ({"metric": "recall_at_fpr"}, "recall_at_fpr needs the option 'fpr'"),
        ({"metric_options": {"k": 3}}, "average_precision has no option 'k'"),
        ({"metric_options": {"pos_label": 1}}, "give pos_label beside metric_options"),
        (
            {"metric": "expected_cost", "metric_options": {"fn_cost": [1.0, np.nan]}},
            "y_pred holds .* in row 0",
        ),
    ],
)
def test_bad_options(options, message):
    options = {"metric": "average_precision", **options}
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(y_true=[0, 1], y_score=[0.1, 0.2], **options)


@pytest.mark.parametrize("rare", ["positive", "negative"])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("n, warns", [(24, True), (25, False)])
def test_few_rows_of_a_class_are_warned_of(rare, grouped, n, warns):
    """Groups count once: the rows of one are not independent."""
    y = np.repeat([1, 0] if rare == "positive" else [0, 1], [2 * n if grouped else n, 200])
    groups = np.where(np.arange(y.size) < 2 * n, np.arange(y.size) // 2, np.arange(y.size))
    score = np.random.default_rng(0).normal(size=y.size)
    options = {"n_resamples": 20, "random_state": 0, "groups": groups if grouped else None}
    for call in (
        lambda: bootstrap_interval("average_precision", y, score, **options),
        lambda: paired_difference("average_precision", y, score, -score, **options),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        assert [w.category for w in caught] == [FewRowsWarning] * warns
        if warns:
            assert f"only {n} " in str(caught[0].message) and rare in str(caught[0].message)
            assert caught[0].filename == __file__


@pytest.mark.slow
def test_enough_rows_give_no_false_differences():
    """Models that score at random differ in about a twentieth of cases, not in a sixth."""
    false = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y = np.repeat([1, 0], [25, 500])
        first, second = rng.normal(size=(2, y.size))
        options = {"n_resamples": 300, "random_state": seed}
        false += not paired_difference("average_precision", y, first, second, **options).is_noise
    assert false <= 20


def test_resamples_without_a_value_are_passed_over():
    rng = np.random.default_rng(0)
    y, called = np.arange(60) % 2, rng.integers(0, 2, 60)
    # One missed positive costs anything: a resample without it has nothing to save.
    costs = {"fn_cost": np.r_[0.0, 5.0, np.zeros(58)]}
    found = bootstrap_interval(
        "savings_score", y, called, metric_options=costs, n_resamples=200, random_state=0
    )
    assert np.isfinite([found.value, found.low, found.high]).all()


def test_what_a_metric_refuses_of_most_resamples_is_told():
    y, score = np.arange(60) % 2, np.random.default_rng(0).random(60)
    calls = iter([True])

    def picky(y_true, y_score, sample_weight=None):
        if next(calls, False):
            return 1.0
        raise ValueError("too few merchants")

    with pytest.raises(ValueError, match="refused by the metric: too few merchants"):
        bootstrap_interval(picky, y, score, n_resamples=20, random_state=0)


def test_groups_of_mixed_names_are_counted():
    rng = np.random.default_rng(0)
    y, score = np.arange(600) % 2, rng.random(600)
    groups = pd.Series([k if k % 2 else f"g{k}" for k in range(100)] * 6, dtype=object)
    codes = pd.factorize(groups)[0]
    options = {"n_resamples": 50, "random_state": 0}
    assert bootstrap_interval("average_precision", y, score, groups=groups, **options) == (
        bootstrap_interval("average_precision", y, score, groups=codes, **options)
    )
