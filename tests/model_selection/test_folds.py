"""Folds with rare positives, and differences over them."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.model_selection import GroupKFold, KFold, RepeatedStratifiedKFold, ShuffleSplit

from focaltab.model_selection._folds import checked_folds
from focaltab.model_selection._paired import corrected_difference


@pytest.fixture
def rare():
    y = np.array(["fine"] * 97 + ["fraud"] * 3)
    return np.arange(100.0)[:, None], y


def test_a_number_makes_stratified_folds_that_repeat_exactly(rare):
    X, y = rare
    first = checked_folds(3, X, y, random_state=0)
    assert len(first) == 3
    assert np.array_equal(np.sort(np.concatenate([test for _, test in first])), np.arange(100))
    for train, test in first:
        assert (y[test] == "fraud").sum() == 1 and (y[train] == "fraud").sum() == 2
        assert train.dtype == np.intp
    again = checked_folds(3, X, y, random_state=0)
    other = checked_folds(3, X, y, random_state=1)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_fewer_positives_than_folds(rare):
    with pytest.raises(
        ValueError,
        match=r"3 rows of the positive class 'fraud', fewer than 5 folds: use cv of at most 3",
    ):
        checked_folds(5, *rare)
    with pytest.raises(ValueError, match="3 rows of the positive class 'fine'"):
        checked_folds(5, rare[0], np.where(rare[1] == "fine", "fraud", "fine"), pos_label="fine")
    y = np.zeros(20, int)
    y[4] = 1
    with pytest.raises(ValueError, match=r"y has 1 row of the positive class 1.*no cross-val"):
        checked_folds(2, np.zeros((20, 1)), y)


def test_groups_stay_whole(rare):
    X, y = rare
    y = np.tile(["fine", "fine", "fine", "fraud"], 25)
    customers = np.repeat(np.arange(25), 4)
    for train, test in checked_folds(5, X, y, customers, random_state=0):
        assert not set(customers[train]) & set(customers[test])
    of_one = np.where(y == "fraud", -1, customers)
    with pytest.raises(ValueError, match=r"25 rows of the positive class 'fraud' in 1 group, "):
        checked_folds(2, X, y, of_one)


def test_a_group_on_both_sides_is_named(rare):
    X, y = rare[0], np.tile(["fine", "fraud"], 50)
    customers = np.array(["a", "b", "c", "d"] * 24 + ["everywhere"] * 4)
    shuffled = KFold(4, shuffle=True, random_state=0)
    with pytest.raises(ValueError, match=r"group '\w+' stands in the train and the test part of f"):
        checked_folds(shuffled, X, y, customers)
    assert len(checked_folds(GroupKFold(2), X, np.tile([0, 0, 1, 1, 1], 20), np.arange(100))) == 2


@pytest.mark.parametrize(
    "groups", [pd.Series([1.0, np.nan] * 50), np.array([None, "a"] * 50, dtype=object)]
)
def test_missing_groups(rare, groups):
    with pytest.raises(ValueError, match=r"groups is missing in row [01]"):
        checked_folds(3, *rare, groups)


def test_a_fold_without_a_class_is_named(rare):
    with pytest.raises(
        ValueError, match="fold 1 has no row of the positive class 'fraud' in its t"
    ):
        checked_folds(KFold(4), *rare)
    y = np.array([0] * 5 + [1] * 5)
    with pytest.raises(ValueError, match="fold 2 has no row of the negative class 0 in its train"):
        checked_folds([([0, 1, 6], [2, 7]), ([5, 6], [0, 9])], np.zeros((10, 1)), y)


def test_every_kind_of_cv(rare):
    X, y = rare
    assert len(checked_folds(RepeatedStratifiedKFold(n_splits=3, n_repeats=2), X, y)) == 6
    assert len(checked_folds(3, sparse.csr_matrix(X), y)) == 3
    assert len(checked_folds(3, pd.DataFrame(X), pd.Series(y, dtype="category"))) == 3
    mask = np.arange(100) % 2 == 0  # rows 97 and 99 are in one half, 98 in the other
    ((train, test),) = checked_folds(iter([(mask, ~mask)]), X, y)
    assert np.array_equal(train, np.arange(0, 100, 2)) and test.size == 50
    y = np.tile([0, 1], 50)
    assert len(checked_folds(ShuffleSplit(2, test_size=0.5, random_state=0), X, y)) == 2


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ("five", "cv must be a number of folds"),
        (None, "cv must be a number of folds"),
        (True, "cv must be a number of folds"),
        (2.5, "cv must be a number of folds"),
        (1, "use at least 2"),
        ([], "no folds"),
        ([3], "fold 1 of cv is no pair"),
        ([([0, 99], [100, 98])], "test part of fold 1 holds row 100"),
        ([([0, 99], [0, 98])], "fold 1 has row 0 in its train and its test part"),
        ([([0, 99], [])], "test part of fold 1 is empty"),
        ([([0, 99], [0.5, 98.0])], "must hold row numbers"),
    ],
)
def test_a_cv_that_cannot_be_used(rare, cv, message):
    with pytest.raises(ValueError, match=message):
        checked_folds(cv, *rare)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.arange(9) % 3, "Only binary classification"),
        (np.ones(9, int), "only one class"),
        (np.array([0, 1, np.nan] * 3), "missing|NaN"),
        (np.array(["a", "b", None] * 3, dtype=object), "missing"),
        (np.zeros(4, int), "."),
    ],
)
def test_a_target_that_cannot_be_used(y, message):
    with pytest.raises(ValueError, match=message):
        checked_folds(2, np.zeros((9, 1)), y)


def test_the_difference_is_nadeau_and_bengios():
    d = np.random.default_rng(0).normal(0.02, 0.03, 5)
    result = corrected_difference(d, 0.25, confidence_level=0.9)
    # Their formula, written out from the paper; scipy's t-test has the factor 1/n alone.
    plain = stats.ttest_1samp(d, 0.0)
    t = plain.statistic * math.sqrt(1 / 5) / math.sqrt(1 / 5 + 1 / 4)
    assert result.p_value == pytest.approx(2 * stats.t.sf(abs(t), 4))
    wide = plain.confidence_interval(0.9)
    factor = math.sqrt((1 / 5 + 1 / 4) / (1 / 5))
    assert result.high - result.value == pytest.approx((wide.high - d.mean()) * factor)
    assert result.value - result.low == pytest.approx(result.high - result.value)
    assert result.standard_error == pytest.approx(d.std(ddof=1) * math.sqrt(0.45))


def test_it_errs_as_often_as_it_says_where_the_plain_test_errs_far_more():
    # Differences with the correlation that the correction supposes, test share over all rows.
    rng, n, rho = np.random.default_rng(0), 10, 0.1
    shared, own = rng.normal(size=(4000, 1)), rng.normal(size=(4000, n))
    d = math.sqrt(rho) * shared + math.sqrt(1 - rho) * own
    ours = np.mean([corrected_difference(row, 1 / 9).p_value < 0.05 for row in d])
    plain = np.mean(stats.ttest_1samp(d, 0.0, axis=1).pvalue < 0.05)
    assert 0.03 < ours < 0.07 and plain > 0.12


def test_differences_without_spread():
    assert corrected_difference([0.0] * 3, 0.5) == (0.0, 0.0, 0.0, 0.0, 1.0)
    # Folds that agree do not say how much others would differ.
    for same in ([0.3], [0.3] * 3, [1e-200, 3e-200]):
        found = corrected_difference(same, 1.0)
        assert found.value == {1: 0.3, 3: 0.3, 2: 2e-200}[len(same)]
        assert all(math.isnan(v) for v in found[1:])


@pytest.mark.parametrize(
    ("differences", "ratio", "level"),
    [([], 1, 0.95), ([1, np.nan], 1, 0.95), ([1, 2], 0, 0.95), ([1, 2], 1, 1.0), ([[1]], 1, 0.9)],
)
def test_differences_that_cannot_be_judged(differences, ratio, level):
    with pytest.raises(ValueError, match=r"differences|test_to_train|confidence_level"):
        corrected_difference(differences, ratio, confidence_level=level)
