"""Costs and best thresholds against plain loops over rows and thresholds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import fbeta_score, matthews_corrcoef

from focaltab.metrics import expected_cost, max_f_beta, max_matthews_corrcoef, savings_score


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.1).astype(int)
    return y, np.round(rng.normal(size=300) + y, 1), rng.integers(0, 3, 300)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_best_f_beta_is_the_best_of_all_thresholds(data, beta, weighted):
    y, score, weight = data
    weight = weight if weighted else None
    best = max_f_beta(y, score, beta=beta, sample_weight=weight)
    every = {
        t: fbeta_score(y, score >= t, beta=beta, sample_weight=weight) for t in np.unique(score)
    }
    assert best.value == pytest.approx(max(every.values()))
    assert every[best.threshold] == pytest.approx(best.value)


@pytest.mark.parametrize("weighted", [False, True])
def test_best_matthews_is_the_best_of_all_thresholds(data, weighted):
    y, score, weight = data
    weight = weight if weighted else None
    best = max_matthews_corrcoef(y, score, sample_weight=weight)
    every = {t: matthews_corrcoef(y, score >= t, sample_weight=weight) for t in np.unique(score)}
    assert best.value == pytest.approx(max(every.values()))
    assert every[best.threshold] == pytest.approx(best.value)


def test_of_equal_values_the_highest_threshold():
    assert max_f_beta([1, 0, 0, 1], [4, 3, 2, 1]).threshold == 4.0
    assert max_matthews_corrcoef([0, 1], [1.0, 1.0]) == (0.0, 1.0)


def test_cost_is_that_of_a_loop_over_rows(data):
    y, score, weight = data
    called = (score > 0.5).astype(int)
    amount = np.random.default_rng(1).gamma(2.0, 50.0, y.size)
    by_outcome = {(0, 1): 3.0, (1, 0): None, (1, 1): 3.5, (0, 0): -0.1}
    costs = [
        amount[i] if by_outcome[y[i], called[i]] is None else by_outcome[y[i], called[i]]
        for i in range(y.size)
    ]
    options = {"fp_cost": 3.0, "fn_cost": amount, "tp_cost": 3.5, "tn_cost": -0.1}
    assert expected_cost(y, called, **options) == pytest.approx(np.mean(costs))
    assert expected_cost(y, called, sample_weight=weight, **options) == pytest.approx(
        np.average(costs, weights=weight)
    )
    words = np.array(["fine", "fraud"])
    assert expected_cost(words[y], words[called], pos_label="fraud", **options) == pytest.approx(
        np.mean(costs)
    )


def test_a_day_of_one_class_has_a_cost():
    assert expected_cost([0, 0, 0], [0, 1, 0], fp_cost=6.0) == pytest.approx(2.0)
    assert expected_cost([-1, -1], [1, -1], fp_cost=6.0) == pytest.approx(3.0)
    assert expected_cost([1, 1], [0, 1], fn_cost=[8.0, 100.0]) == pytest.approx(4.0)
    fraud = {"pos_label": "fraud", "fn_cost": 10.0, "fp_cost": 3.0}
    assert expected_cost(["fraud"] * 2, ["fine", "fraud"], **fraud) == pytest.approx(5.0)
    assert expected_cost(["fine"] * 3, ["fine", "fraud", "fine"], **fraud) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="costs 0"):  # calling none costs nothing already
        savings_score([0, 0, 0], [0, 1, 0])
    with pytest.raises(ValueError, match="decisions, not scores"):
        expected_cost([1, 1], [0.3, 1])
    with pytest.raises(ValueError, match="y_pred is missing in row 1"):
        expected_cost(["fraud"] * 2, ["fine", None], pos_label="fraud")
    with pytest.raises(ValueError, match="sample_weight is 0 in every row"):
        expected_cost([0, 0], [0, 1], sample_weight=[0, 0])


def test_savings_run_from_nothing_to_everything(data):
    y, _, _ = data
    options = {"fp_cost": 1.0, "fn_cost": 30.0}
    assert savings_score(y, y, **options) == pytest.approx(1.0)
    trivial = [savings_score(y, np.full(y.size, k), **options) for k in (0, 1)]
    assert max(trivial) == pytest.approx(0.0) and min(trivial) < 0
    with pytest.raises(ValueError, match="costs 0"):
        savings_score(y, y, fp_cost=0.0, fn_cost=1.0)


@pytest.mark.parametrize(
    "y_pred, options, message",
    [
        ([0.3, 0.7], {}, "decisions, not scores"),
        ([0, 1, 1], {}, "one length"),
        ([0, np.nan], {"pos_label": 1}, "y_pred is missing in row 1"),
        ([0, 1], {"fn_cost": [1.0]}, "fn_cost must be a number or one for each of 2"),
        ([0, 1], {"fp_cost": [1.0, np.nan]}, "fp_cost is not finite in row 1"),
    ],
)
def test_bad_input(y_pred, options, message):
    for figure in (expected_cost, savings_score):
        with pytest.raises(ValueError, match=message):
            figure([0, 1], y_pred, **options)


def test_bad_beta():
    with pytest.raises(ValueError, match="beta"):
        max_f_beta([0, 1], [0.1, 0.2], beta=0.0)


@pytest.mark.parametrize("kind", ["boolean", "string", "Int64"])
def test_a_missing_decision_is_named(kind):
    y = pd.array(["1", "0", "1"] if kind == "string" else [1, 0, 1], dtype=kind)
    decided = y.copy()
    decided[1] = pd.NA
    label = {"boolean": True, "string": "1", "Int64": 1}[kind]
    with pytest.raises(ValueError, match="y_pred is missing in row 1"):
        expected_cost(y, decided, pos_label=label)
