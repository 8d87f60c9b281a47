import numpy as np
import pandas as pd
import pytest

from focaltab.workflow import TrainConfig, UserError, read_table, train


def table(n=100):
    moments = pd.date_range("1970-01-01", periods=n, freq="s")
    return pd.DataFrame(
        {
            "number": np.arange(n),
            "flag": np.arange(n) % 2 == 0,
            "maybe": pd.array([True, None] * (n // 2), dtype="boolean"),
            "when": moments.tz_localize("UTC"),
            "when_text": moments.astype(str),
            "city": ["Oslo", None, "Rome", "Oslo"] * (n // 4),
            "code": pd.Categorical([3, 5] * (n // 2)),
            "id": [f"u{i}" for i in range(n)],
            "fixed": 1,
            "empty": np.nan,
        }
    )


def schema_of(frame):
    """What a training run makes of the columns."""
    labelled = frame.assign(label=np.arange(len(frame)) % 3 == 0)
    return train(labelled, TrainConfig(target="label", n_estimators=1)).schema


def test_each_column_has_its_kind_and_what_is_left_out_says_why():
    schema = schema_of(table())
    assert schema.kinds == {
        "number": "number",
        "flag": "number",
        "maybe": "number",
        "when": "time",
        "when_text": "time",
        "city": "category",
        "code": "category",
    }
    assert schema.categories == {"city": ["Oslo", "Rome"], "code": ["3", "5"]}
    assert set(schema.left_out) == {"id", "fixed", "empty"}
    assert "identifier" in schema.left_out["id"]


def test_features_have_the_same_values_from_a_csv(tmp_path):
    source = table().drop(columns="empty")
    schema = schema_of(source)
    source.to_csv(tmp_path / "t.csv", index=False)
    expected, _ = schema.apply(source)
    actual, unknown = schema.apply(read_table(tmp_path / "t.csv"))
    pd.testing.assert_frame_equal(actual, expected)
    assert not unknown
    assert actual["when"].tolist() == actual["when_text"].tolist() == list(range(100))


GRADES = ["a", "b", "c", "7", "8", None]


def test_numbers_among_categories_are_found_however_they_are_written(tmp_path):
    schema = schema_of(pd.DataFrame({"grade": GRADES * 20, "x": np.arange(120)}))
    assert schema.categories["grade"] == ["7", "8", "a", "b", "c"]
    expected = ["7", None, "8", None]
    for written in (
        ["7", None, "8", None],
        [7.0, np.nan, 8.0, np.nan],
        pd.array([7, None, 8, None], dtype="Int64"),
        pd.Categorical([7, None, 8, None]),
        ["7.0", None, "8.0", None],
    ):
        new = pd.DataFrame({"grade": written, "x": [0, 1, 2, 3]})
        features, unknown = schema.apply(new)
        assert features["grade"].astype(object).where(features["grade"].notna(), None).tolist() == (
            expected
        )
        assert not unknown
    others = pd.DataFrame({"grade": [7.5, 9.0, np.nan, 8.0], "x": 0})
    assert schema.apply(others)[1] == {"grade": 2}
    assert schema_of(pd.DataFrame({"v": ["7", "7.0", "07"] * 30})).categories["v"] == [
        "07",
        "7",
        "7.0",
    ]


def test_a_csv_column_of_truth_values_is_a_number_with_and_without_blanks(tmp_path):
    for values in (["true", "false"], ["true", "", "false"], ["True", "False", ""]):
        frame = pd.DataFrame({"flag": values * 30, "x": np.arange(30 * len(values))})
        frame.to_csv(tmp_path / "t.csv", index=False)
        read = read_table(tmp_path / "t.csv")
        schema = schema_of(read)
        assert schema.kinds["flag"] == "number"
        expected = [{"t": 1.0, "f": 0.0}.get(v[:1].lower(), np.nan) for v in values]
        np.testing.assert_array_equal(schema.apply(read)[0]["flag"][: len(values)], expected)


def test_columns_match_by_name_and_others_are_ignored():
    schema = schema_of(table())
    shuffled = table().iloc[:, ::-1].assign(extra=np.inf)
    pd.testing.assert_frame_equal(schema.apply(shuffled)[0], schema.apply(table())[0])


def test_unknown_categories_and_times_are_missing_and_counted():
    schema = schema_of(table())
    features, unknown = schema.apply(
        table().assign(city=["Bonn", None] * 50, when_text=["soon", "1970-01-01"] * 50)
    )
    assert unknown == {"when_text": 50, "city": 50}
    assert features["city"].isna().all()
    assert features["when_text"].isna().sum() == 50


@pytest.mark.parametrize(
    "change, message",
    [
        ({"number": "text"}, "'number' was numeric in training"),
        ({"number": np.inf}, "'number' has an infinite value in row 0"),
        ({"when": 7}, "'when' held times in training, but numbers here"),
        ({"number": pd.Timestamp("2025-01-01")}, "'number' was numeric in training, but holds tim"),
        ({"number": pd.Timedelta("1h")}, "'number' was numeric in training, but holds times"),
    ],
)
def test_other_kinds_of_values_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        schema_of(table()).apply(table().assign(**change))


def test_a_name_that_stands_twice_and_columns_without_names():
    twice = pd.concat([table(), table()[["number"]]], axis=1)
    with pytest.raises(UserError, match="'number' stands more than once"):
        schema_of(table()).apply(twice)
    with pytest.raises(UserError, match="Pass a DataFrame"):
        schema_of(table()).apply(table().to_numpy())


def test_missing_columns_are_named():
    with pytest.raises(UserError, match=r"lack 2 column\(s\).*flag, city"):
        schema_of(table()).apply(table().drop(columns=["city", "flag"]))


def test_no_usable_column():
    with pytest.raises(UserError, match="No column is left"):
        schema_of(table()[["id", "fixed", "empty"]])


def test_feature_names_are_ones_that_both_libraries_take():
    names = ["a b", "a_b", "price[usd]", "age<30", 'say "x":{y},', "größe"]
    schema = schema_of(pd.DataFrame({name: [1, 2] * 20 for name in names}))
    assert schema.feature_names == [
        "a_b",
        "a_b_",
        "price_usd_",
        "age_30",
        "say__x___y__",
        "größe",
    ]
    assert list(schema.kinds) == names
