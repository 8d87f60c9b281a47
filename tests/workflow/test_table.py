import decimal
import gzip

import numpy as np
import pandas as pd
import pytest

from focaltab.workflow import TrainConfig, UserError, read_table, train, write_table


def rows(n=5):
    return "".join(f"{i},{i % 3},{i % 2}\n" for i in range(n))


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.parquet", "t.pq"])
def test_a_table_comes_back_by_its_ending(tmp_path, name):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    if name.lower().endswith("csv"):
        table.to_csv(tmp_path / name, index=False)
    else:
        table.to_parquet(tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "cannot be read"),
        (b"a,b\n", "no rows"),
        ("a,\xe9\n1,2\n".encode("latin-1"), "cannot be read"),
        (("a,a,b\n" + rows()).encode(), "'a' stands more than once"),
        (("\n\na,a,b\n" + rows()).encode(), "'a' stands more than once"),
        (("\ufeffa,b,a\n" + rows()).encode(), "'a' stands more than once"),
        (("a,b\n" + rows()).encode(), "more fields than the header"),
        (("a,b\n" + rows().replace(",0\n", ",0,9\n")).encode(), "cannot be read|more fields"),
    ],
)
def test_broken_csv(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.csv")


def test_duplicate_names_in_a_compressed_csv(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(("a,a,b\n" + rows()).encode()))
    with pytest.raises(UserError, match="'a' stands more than once"):
        read_table(tmp_path / "t.csv.gz")


def test_missing_file_and_unknown_ending(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.xlsx").write_bytes(b"x")
    with pytest.raises(UserError, match=r"expected a \.csv or \.parquet"):
        read_table(tmp_path / "t.xlsx")


def test_a_named_index_of_a_parquet_file_is_a_column(tmp_path):
    table = pd.DataFrame({"t": [3, 1], "a": [1, 2]})
    table.set_index("t").to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), table)
    table.set_axis([7, 7]).to_parquet(tmp_path / "u.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "u.parquet"), table)


def test_decimals_and_durations_become_numbers(tmp_path):
    table = pd.DataFrame(
        {
            "price": [None, decimal.Decimal("1.25")],
            "took": pd.to_timedelta([90, None], unit="s"),
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    np.testing.assert_array_equal(read["price"].to_numpy(float), [np.nan, 1.25])
    np.testing.assert_array_equal(read["took"].to_numpy(float), [90.0, np.nan])


@pytest.mark.parametrize(
    "column, message",
    [
        ([1.0, -np.inf], "'x' has an infinite value in row 1"),
        ([None, *map(str, range(20)), "oops"], "'x' mixes numbers and text .*'oops' in row 21"),
        (
            pd.Series([None, 1, "a"], dtype=object, index=[7, 8, 9]),
            "'x' mixes values of type int and str .*'a' in row 2",
        ),
        (pd.Series([[1], [2]], dtype=object), "'x' holds lists"),
    ],
)
def test_columns_that_cannot_be_trained_on(column, message):
    table = pd.DataFrame({"x": column}).assign(label=0)
    table.iloc[0, 1] = 1
    with pytest.raises(UserError, match=message):
        train(table, TrainConfig(target="label"))


def test_few_different_values_are_categories_even_if_most_are_numbers(tmp_path):
    children = ["0", "1", "2", "3+"] * 30
    table = pd.DataFrame({"children": children, "label": np.arange(120) % 5 == 0})
    table.to_csv(tmp_path / "t.csv", index=False)
    schema = train(
        read_table(tmp_path / "t.csv"), TrainConfig(target="label", n_estimators=1)
    ).schema
    assert schema.categories == {"children": ["0", "1", "2", "3+"]}


def test_columns_read_as_text_keep_what_is_written(tmp_path):
    (tmp_path / "t.csv").write_text("code,x\n07,1\n,2\n7,3\n")
    table = read_table(tmp_path / "t.csv", text_columns=["code", "nowhere"])
    assert table["code"].isna().tolist() == [False, True, False]
    assert table["code"].dropna().tolist() == ["07", "7"]
    assert table["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_write_leaves_the_file_alone_and_refuses_what_exists(tmp_path, name):
    table = pd.DataFrame({"a": [1.5, 2.5]})
    write_table(table, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table)
    with pytest.raises(UserError, match="exists already"):
        write_table(table, tmp_path / name)


def test_a_failed_write_leaves_nothing(tmp_path):
    class Broken(pd.DataFrame):
        def to_csv(self, path, **kwargs):
            path.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_table(Broken({"a": [1]}), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
