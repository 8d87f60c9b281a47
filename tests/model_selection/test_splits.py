"""Splits in time and by group."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TimeSeriesSplit, cross_val_score, cross_validate

from focaltab.model_selection import GroupPrevalenceKFold, TimeGapSplit
from focaltab.model_selection._folds import checked_folds


@pytest.fixture
def payments():
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-01-01", tz="Europe/Paris") + pd.to_timedelta(
        rng.integers(0, 100, 600), unit="D"
    )
    X = pd.DataFrame({"at": day, "amount": rng.gamma(1, 50, 600)})
    return X, np.where(rng.random(600) < 0.1, "fraud", "fine"), rng.integers(0, 40, 600)


def test_only_known_labels_of_the_past_are_trained_on(payments):
    X, y, _ = payments
    at = X["at"].to_numpy()
    tested = []
    for train, test in TimeGapSplit(4, time="at", gap="7D").split(X, y):
        start = at[test].min()
        assert at[train].max() <= start - pd.Timedelta("7D")
        # and nothing that was known is left out, nor a time parted by the border
        assert set(train) == set(np.flatnonzero(at <= start - pd.Timedelta("7D")))
        later = at[at >= start]
        assert len(test) == (later <= at[test].max()).sum()
        tested.extend(test)
    assert len(tested) == len(set(tested))
    ungapped = list(TimeGapSplit(4, time="at").split(X, y))
    assert all(at[train].max() < at[test].min() for train, test in ungapped)


def test_without_a_column_it_is_scikit_learns_split():
    X = np.zeros((50, 1))
    for gap, size, longest in ((0, None, None), (3, 5, None), (2, 4, 10)):
        ours = TimeGapSplit(4, gap=gap, test_size=size, max_train_size=longest).split(X)
        theirs = TimeSeriesSplit(4, gap=gap, test_size=size, max_train_size=longest).split(X)
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])


def test_customers_come_back_unless_they_are_purged(payments):
    X, y, customers = payments
    back = TimeGapSplit(2, time="at", test_size=30)
    assert any(set(customers[a]) & set(customers[b]) for a, b in back.split(X, y, customers))
    assert len(checked_folds(back, X, y, customers)) == 2
    purged = TimeGapSplit(2, time="at", test_size=30, purge_groups=True)
    for train, test in purged.split(X, y, customers):
        assert not set(customers[train]) & set(customers[test])
    with pytest.raises(ValueError, match="needs groups"):
        next(purged.split(X, y))


def test_numbers_are_times_too_and_describe_says_what_folds_hold(payments):
    X, y, _ = payments
    X = pd.DataFrame({"day": (X["at"] - X["at"].min()).dt.days})
    table = TimeGapSplit(3, time="day", gap=10).describe(X, y)
    assert ((table["test_from"] - table["train_to"]) >= 10).all()
    assert (table["train_positives"] / table["n_train"] == table["train_prevalence"]).all()
    assert table.index.tolist() == [1, 2, 3] and table["test_to"].iloc[-1] == X["day"].max()


@pytest.mark.parametrize(
    ("splitter", "change", "message"),
    [
        (TimeGapSplit(time="when"), {}, "time='when' is no column"),
        (TimeGapSplit(time="at", gap=7), {}, "gap=7 must be a span such as '7D'"),
        (TimeGapSplit(time="at", gap="soon"), {}, "gap='soon' must be a span"),
        (TimeGapSplit(time="at", gap="-1D"), {}, "negative"),
        (TimeGapSplit(time="at", gap="90D"), {}, "fold 1 has no rows to train on"),
        (TimeGapSplit(time="amount", gap="1D"), {}, "must be a number"),
        (TimeGapSplit(time="at"), {"at": "monday"}, "which is no time"),
        (TimeGapSplit(gap="7D"), {}, "number of rows"),
        (TimeGapSplit(0), {}, "n_splits must be a whole number"),
        (TimeGapSplit(3, test_size=200), {}, "leave none of 600 rows"),
        (TimeGapSplit(time="at"), {"at": pd.Timestamp("2024-01-01")}, "fold 1 has an empty test"),
    ],
)
def test_times_that_cannot_be_used(payments, splitter, change, message):
    X, y, _ = payments
    with pytest.raises(ValueError, match=message):
        list(splitter.split(X.assign(**change), y))


def test_missing_times_and_folds_without_positives_are_named(payments):
    X, y, _ = payments
    X.loc[4, "at"] = pd.NaT
    with pytest.raises(ValueError, match="time column 'at' is missing in row 4"):
        list(TimeGapSplit(time="at").split(X, y))
    y = np.zeros(60, int)
    y[:30:5] = 1
    with pytest.raises(ValueError, match="fold 2 has no row of the positive class 1 in its test"):
        list(TimeGapSplit(5).split(np.zeros((60, 1)), np.roll(y, -10) | (np.arange(60) == 15)))


def test_groups_stay_whole_and_every_fold_has_positives(payments):
    X, y, customers = payments
    folds = GroupPrevalenceKFold(4, random_state=0)
    for train, test in folds.split(X, y, customers):
        assert not set(customers[train]) & set(customers[test])
        assert "fraud" in y[test]
    table = folds.describe(X, y, customers)
    assert table["test_groups"].sum() == 40 and table["n_test"].sum() == 600
    assert np.ptp(table["test_prevalence"]) < 0.05
    assert (folds.describe(X, y, customers) == table).all(axis=None)


def test_groups_that_cannot_be_used(payments):
    X, y, customers = payments
    of_one = np.where(y == "fraud", "thief", customers.astype(str))
    with pytest.raises(ValueError, match="'fraud' in 1 group, fewer than 5 folds"):
        list(GroupPrevalenceKFold().split(X, y, of_one))
    with pytest.raises(ValueError, match="groups is missing in row 2"):
        list(GroupPrevalenceKFold().split(X, y, [1.0, 2.0, None] * 200))
    with pytest.raises(ValueError, match="needs groups"):
        list(GroupPrevalenceKFold().split(X, y))


def test_they_are_scikit_learns_splitters(payments):
    X, y, customers = payments
    assert repr(TimeGapSplit(3, time="at", gap="7D")) == (
        "TimeGapSplit(gap='7D', max_train_size=None, n_splits=3, purge_groups=False,\n"
        "       test_size=None, time='at')"
    )
    assert repr(GroupPrevalenceKFold(3)).startswith("GroupPrevalenceKFold(n_splits=3")
    scores = cross_val_score(
        LogisticRegression(), X[["amount"]], y, cv=GroupPrevalenceKFold(3), groups=customers
    )
    assert scores.shape == (3,) and TimeGapSplit(3).get_n_splits() == 3


def test_times_beyond_nanoseconds_and_doubled_columns_are_refused():
    at = np.array([f"20{i}-01-01" for i in range(10, 30)] + ["9999-12-31"], "datetime64[s]")
    with pytest.raises(ValueError, match="'at' holds a time outside"):
        list(TimeGapSplit(2, time="at", test_size=3).split(pd.DataFrame({"at": at})))
    doubled = pd.DataFrame(np.zeros((20, 2)), columns=["at", "at"])
    with pytest.raises(ValueError, match="more than once"):
        list(TimeGapSplit(2, time="at", test_size=3).split(doubled))
    with pytest.raises(ValueError, match="gap=True"):
        list(TimeGapSplit(2, gap=True, test_size=3).split(np.zeros((20, 1))))


def test_purged_groups_come_by_metadata_routing(payments):
    X, y, groups = payments
    splitter = TimeGapSplit(2, test_size=100, purge_groups=True)
    with sklearn.config_context(enable_metadata_routing=True):
        done = cross_validate(
            LogisticRegression(),
            X[["amount"]],
            y,
            cv=splitter,
            params={"groups": groups},
            return_indices=True,
        )
    for train, test in zip(done["indices"]["train"], done["indices"]["test"], strict=True):
        assert not set(groups[train]) & set(groups[test]) and len(train)


def test_arrow_dates_are_times(payments):
    pytest.importorskip("pyarrow")
    X, y, _ = payments
    plain = X.assign(at=X["at"].dt.tz_localize(None))
    arrow = plain.assign(at=plain["at"].dt.date.astype("date32[pyarrow]"))
    splitter = TimeGapSplit(3, time="at", gap="7D")
    for ours, theirs in zip(splitter.split(arrow, y), splitter.split(plain, y), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
