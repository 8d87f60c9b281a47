import numpy as np
import pandas as pd
import pytest

from focaltab.workflow import TrainConfig, UserError, train


def run(target, when=None, /, **options):
    """Train one round on a table of this target, a number, and times if given."""
    table = pd.DataFrame({"y": target})
    table["x"] = np.random.default_rng(0).normal(size=len(table))
    if when is not None:
        table["t"] = when
        options["time_column"] = "t"
    return train(table, TrainConfig(**{"target": "y", "gamma": 2.0, "n_estimators": 1} | options))


def many(values, n=20):
    """The values over and over, of the same type."""
    series = pd.Series(values)
    return pd.concat([series] * n, ignore_index=True)


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
    target = many(values)
    result = run(target, positive=positive)
    assert result.labels == expected
    as_text = np.array([str(v).removesuffix(".0") for v in target])
    predicted = result.predictions
    assert predicted["y"].tolist() == as_text[predicted["row"]].tolist()
    assert result.figures["focal"]["prevalence"] == np.mean(predicted["y"] == expected[1])
    # No other column tells the labels: the mean probability is the positive one's prevalence.
    prevalence = np.mean(as_text == expected[1])
    assert predicted["probability"].mean() == pytest.approx(prevalence, abs=0.15)


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
    with pytest.raises(UserError, match=message):
        run(values, **options)


def held_out_of(result):
    return result.predictions["row"].to_numpy()


def test_the_held_out_part_is_stratified_and_repeats():
    y = np.repeat([0, 1], [900, 100])
    first = run(y, random_state=3)
    held_out = held_out_of(first)
    assert y[held_out].sum() == 20 and held_out.size == np.unique(held_out).size == 200
    assert first.figures["rows"] == {"train": 800, "test": 200}
    assert np.array_equal(held_out, held_out_of(run(y, random_state=3)))
    assert not np.array_equal(held_out, held_out_of(run(y, random_state=4)))


def test_with_times_the_latest_rows_are_held_out_and_moments_stay_whole():
    when = np.random.default_rng(0).integers(0, 50, 1000)
    result = run(np.arange(1000) % 4 == 0, when)
    held_out = held_out_of(result)
    kept = np.setdiff1d(np.arange(1000), held_out)
    assert when[kept].max() < when[held_out].min()
    assert 180 <= held_out.size <= 240
    assert sum(result.figures["rows"].values()) == 1000


@pytest.mark.parametrize("share, needed", [(0.0001, "5,001"), (0.9999, "15,000"), (0.01, "51")])
def test_a_share_that_leaves_a_side_without_positives(share, needed):
    message = (
        f"Label '1' has 25 rows, but --test-size {share:g} needs {needed}: with .* 3 are enough"
    )
    with pytest.raises(UserError, match=message):
        run(np.tile([0, 0, 0, 1], 25), test_size=share)
    with pytest.raises(
        UserError, match=r"no rows|none of the .*: take a (larger|smaller) --test-size"
    ):
        run(np.tile([0, 0, 0, 1], 25), np.arange(100.0), test_size=share)


@pytest.mark.parametrize("share, needed", [(0.1, 6), (0.2, 3), (0.34, 3), (0.5, 4)])
def test_as_many_positives_as_are_said_to_be_needed_are_enough(share, needed):
    message = rf"Label '1' has {needed - 1} rows, but --test-size {share} needs {needed}"
    with pytest.raises(UserError, match=message):
        run(np.repeat([0, 1], [197, needed - 1]), test_size=share)
    result = run(np.repeat([0, 1], [197, needed]), test_size=share)
    positives = result.figures["positives"]
    assert positives["train"] >= 2 and positives["test"] >= 1


def test_a_part_of_time_without_positives_is_named_with_advice_that_works():
    y = np.repeat([1, 0], [10, 190])
    message = r"held-out part has none of the 10 rows of label '1'.*leave out --time-column"
    with pytest.raises(UserError, match=message):
        run(y, np.arange(200))
    assert run(y).figures["positives"] == {"train": 8, "test": 2}
    with pytest.raises(UserError, match=r"early-stopping part has none of the 10 rows"):
        run(np.append(y, 1), np.arange(201), test_size=0.01)


def test_one_moment_cannot_be_split():
    with pytest.raises(UserError, match="no rows"):
        run(np.tile([0, 1], 50), np.zeros(100))


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2025-01-01", periods=60),
        pd.date_range("2025-01-01", periods=60, tz="Europe/Berlin"),
        [f"2025-01-{d:02} {h}" for d in range(1, 31) for h in ("", "12:00:00")],
        [d.date() for d in pd.date_range("2025-01-01", periods=60)],
        range(60),
    ],
)
def test_any_kind_of_time_orders_the_rows(times):
    order = np.random.default_rng(0).permutation(60)
    when = pd.Series([times[k] for k in order])
    if isinstance(times, list):
        when = when.map(lambda v: v.strip() if isinstance(v, str) else v)
    result = run(order % 3 == 0, when)
    assert sorted(order[held_out_of(result)]) == list(range(48, 60))


@pytest.mark.parametrize(
    "style", ["%d/%m/%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M", "%d-%m-%Y", None]
)
def test_days_and_months_are_told_apart_where_the_dates_allow_it(style):
    """60 days from May on, of which the first twelve could be read either way."""
    days = pd.date_range("2024-05-01 10:00", periods=60)
    order = np.random.default_rng(0).permutation(60)
    order = np.append(order[order < 12], order[order >= 12])  # no row before it tells
    style = style or np.where(order % 2, "%Y-%m-%d", "%d/%m/%Y").tolist()
    styles = [style] * 60 if isinstance(style, str) else style
    when = [days[k].strftime(s) for k, s in zip(order, styles, strict=True)]
    result = run(order % 3 == 0, when)
    assert sorted(order[held_out_of(result)]) == list(range(48, 60))


@pytest.mark.parametrize("dates", [["05/04/2024", "11/05/2024"], ["13.05.24", "14.05.24"]])
def test_dates_that_can_be_read_in_two_ways_are_refused(dates):
    message = f"'t' holds dates such as '{dates[0]}', .*cannot be told apart.*ISO dates"
    with pytest.raises(UserError, match=message):
        run([0, 1] * 20, dates * 20)


def test_dates_of_no_order_are_no_times():
    with pytest.raises(UserError, match="holds values that are no times"):
        run([0, 1] * 20, ["13/05/2024", "05/13/2024"] * 20)


@pytest.mark.parametrize(
    "column, message",
    [([1.0, np.nan], "no value in row 1"), (["a", "b"], "no times"), (None, "no time column")],
)
def test_bad_time_columns(column, message):
    options = {"time_column": "t"} if column is None else {}
    with pytest.raises(UserError, match=message):
        run([0, 1], column, **options)


def test_a_category_without_rows_is_no_label():
    y = pd.Categorical(["good"] * 30 + ["bad"] * 10, categories=["pending", "good", "bad"])
    assert run(y).labels == ("good", "bad")


def test_times_without_an_end_are_times():
    when = pd.Series(pd.date_range("2024-01-01", periods=40)).astype(str)
    when[[3, 39]] = "9999-12-31"
    table = pd.DataFrame({"until": when, "x": np.arange(40.0), "y": np.arange(40) % 2})
    result = train(table, TrainConfig(target="y", n_estimators=1))
    assert result.features.kinds_["until"] == "date"
    assert run(np.arange(40) % 2, when).labels == ("0", "1")
