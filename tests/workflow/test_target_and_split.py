import numpy as np
import pandas as pd
import pytest

from focaltab.workflow import UserError
from focaltab.workflow._split import moments, split
from focaltab.workflow._target import binary_target


@pytest.mark.parametrize(
    "values, positive, expected",
    [
        ([0, 0, 1], None, ("0", "1")),
        ([1, 1, 0], None, ("0", "1")),
        ([0.0, 0.0, 1.0], None, ("0", "1")),
        ([0.0, 0.0, 1.0], "0", ("1", "0")),
        ([False, True, True], None, ("False", "True")),
        (["no", "yes", "yes"], None, ("no", "yes")),
        (["Yes", "No", "Yes"], "no", ("Yes", "No")),
        (["YES", "yes", "YES"], "yes", ("YES", "yes")),
        ([1, 1, 2], None, ("1", "2")),
        ([1.0, 1.0, 2.0], None, ("1", "2")),
        ([2, 2, 1], None, ("2", "1")),
        ([-1, 1, 1], None, ("-1", "1")),
        (["good", "bad", "good"], None, ("good", "bad")),
        (pd.Categorical(["good", "bad", "good"]), None, ("good", "bad")),
        (pd.array([0, 1, 0], dtype="Int64"), None, ("0", "1")),
    ],
)
def test_any_two_labels(values, positive, expected):
    y, negative, chosen = binary_target(pd.DataFrame({"y": values}), "y", positive)
    assert (negative, chosen) == expected
    as_text = [str(v).removesuffix(".0") for v in values]
    assert y.tolist() == [int(text == chosen) for text in as_text]


@pytest.mark.parametrize(
    "values, options, message",
    [
        ([0, 1], {"target": "yy"}, "no target column 'yy'. Did you mean y"),
        ([0, 1], {"target": "other"}, "Columns: y"),
        ([0, None], {}, "1 missing values .first in row 1"),
        ([1, 1], {}, "only one class, 1"),
        ([0.1, 0.2, 0.3], {}, "is continuous: it has 3 different values"),
        (["a", "b", "c"], {}, "is not binary"),
        ([0, 1], {"positive": "2"}, "--positive '2' is not a label of the target: 0, 1"),
    ],
)
def test_bad_targets(values, options, message):
    options = {"target": "y", "positive": None} | options
    with pytest.raises(UserError, match=message):
        binary_target(pd.DataFrame({"y": values}), **options)


def test_the_held_out_part_is_stratified_and_repeats():
    y = np.repeat([0, 1], [900, 100]).astype(np.int8)
    kept, held_out = split(y, None, 0.2, 3)
    assert np.array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(1000))
    assert y[held_out].sum() == 20 and held_out.size == 200
    assert np.array_equal(held_out, split(y, None, 0.2, 3)[1])
    assert not np.array_equal(held_out, split(y, None, 0.2, 4)[1])


def test_with_times_the_latest_rows_are_held_out_and_moments_stay_whole():
    rng = np.random.default_rng(0)
    when = rng.integers(0, 50, 1000).astype(float)
    y = (np.arange(1000) % 4 == 0).astype(np.int8)
    kept, held_out = split(y, when, 0.2, 0)
    assert when[kept].max() < when[held_out].min()
    assert kept.size + held_out.size == 1000


@pytest.mark.parametrize("share", [0.0001, 0.9999])
@pytest.mark.parametrize("timed", [False, True])
def test_a_share_that_leaves_a_side_empty(share, timed):
    y = np.tile([0, 0, 0, 1], 25).astype(np.int8)
    with pytest.raises(UserError, match="change --test-size"):
        split(y, np.arange(100.0) if timed else None, share, 0)


def test_an_early_stopping_part_gives_its_own_advice():
    y = np.repeat([0, 1], [98, 2]).astype(np.int8)
    with pytest.raises(UserError, match=r"early-stopping.*label more"):
        split(y, None, 0.2, 0, purpose="early-stopping", remedy="label more")


def test_one_moment_cannot_be_split():
    y = np.tile([0, 1], 50).astype(np.int8)
    with pytest.raises(UserError, match="no rows"):
        split(y, np.zeros(100), 0.2, 0)


@pytest.mark.parametrize(
    "column",
    [
        pd.date_range("2025-01-01", periods=3),
        pd.date_range("2025-01-01", periods=3, tz="Europe/Berlin"),
        ["2025-01-01", "2025-01-01 12:00:00", "2025-01-02"],
        [d.date() for d in pd.date_range("2025-01-01", periods=3)],
        [3, 4, 5],
    ],
)
def test_moments_order_any_kind_of_time(column):
    assert (np.diff(moments(pd.DataFrame({"t": column}), "t")) > 0).all()


@pytest.mark.parametrize(
    "column, message",
    [([1.0, np.nan], "no value in row 1"), (["a", "b"], "no times"), ([0, 1], "no time column")],
)
def test_bad_time_columns(column, message):
    table = pd.DataFrame({"other" if "no time column" in message else "t": column})
    with pytest.raises(UserError, match=message):
        moments(table, "t")
