import numpy as np
import pandas as pd
import pytest

from focaltab.workflow import UserError
from focaltab.workflow._features import Schema


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


def test_each_column_has_its_kind_and_what_is_left_out_says_why():
    schema = Schema.from_table(table())
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
    source = table().drop(columns=["empty", "maybe"])
    schema = Schema.from_table(source)
    source.to_csv(tmp_path / "t.csv", index=False)
    expected, _ = schema.apply(source)
    actual, unknown = schema.apply(pd.read_csv(tmp_path / "t.csv"))
    pd.testing.assert_frame_equal(actual, expected)
    assert not unknown
    assert actual["when"].tolist() == actual["when_text"].tolist() == list(range(100))


def test_columns_match_by_name_and_others_are_ignored():
    schema = Schema.from_table(table())
    shuffled = table().iloc[:, ::-1].assign(extra=np.inf)
    pd.testing.assert_frame_equal(schema.apply(shuffled)[0], schema.apply(table())[0])


def test_unknown_categories_and_times_are_missing_and_counted():
    schema = Schema.from_table(table())
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
    ],
)
def test_other_kinds_of_values_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        Schema.from_table(table()).apply(table().assign(**change))


def test_missing_columns_are_named():
    with pytest.raises(UserError, match=r"lack 2 column\(s\).*flag, city"):
        Schema.from_table(table()).apply(table().drop(columns=["city", "flag"]))


def test_no_usable_column():
    with pytest.raises(UserError, match="No column is left"):
        Schema.from_table(table()[["id", "fixed", "empty"]])


def test_feature_names_are_ones_that_both_libraries_take():
    names = ["a b", "a_b", "price[usd]", "age<30", 'say "x":{y},', "größe"]
    schema = Schema.from_table(pd.DataFrame({name: [1, 2] for name in names}))
    assert schema.feature_names == [
        "a_b",
        "a_b_",
        "price_usd_",
        "age_30",
        "say__x___y__",
        "größe",
    ]
    assert list(schema.kinds) == names
