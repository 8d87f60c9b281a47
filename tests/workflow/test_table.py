import decimal
import gzip
import warnings

import numpy as np
import pandas as pd
import pytest

from focaltab.workflow import ReadingNote, TrainConfig, UserError, read_table, train, write_table


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
        ("a,\xe9\n1,2\n".encode("latin-1"), "not UTF-8 text .*0xe9.*: save it as UTF-8"),
        ("a,b\n1,\xe9\n".encode("latin-1"), "not UTF-8 text .*0xe9.*iconv"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8 text"),
        (b"a;a;b\n1;2;3\n", "'a' stands more than once"),
        (b'a,b\n"1,234",2\n"12,500",3\n', "'a' holds numbers such as '1,234'.*or thousands"),
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


@pytest.mark.parametrize("text", [(), ("",), ("\n\n",)], ids=["none", "empty", "blank lines"])
@pytest.mark.parametrize("reader", ["read_csv", "read_parquet"])
def test_an_error_without_text_is_told_by_its_kind(tmp_path, monkeypatch, reader, text):
    def fail(*arguments, **options):
        raise MemoryError(*text)

    monkeypatch.setattr(pd, reader, fail)
    path = tmp_path / f"t.{reader.removeprefix('read_')}"
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(UserError, match=rf"{path.name} cannot be read: MemoryError$"):
        read_table(path)


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
        ([1.0, -np.inf], r"Infinite value \(inf\) in column 'x', row 1"),
        ([None, *map(str, range(20)), "oops"], "'x' mixes numbers and text .*'oops' in row 21"),
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
    config = TrainConfig(target="label", n_estimators=1)
    features = train(read_table(tmp_path / "t.csv"), config).features
    assert features.categories_ == {"children": ["0", "1", "2", "3+"]}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_another_separator_is_found_and_told(tmp_path, separator, name):
    header = separator.join(["\ufeffa", '"b, of all"', "c"])
    text = header + "\n" + rows(3).replace(",", separator)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if "gz" in name else text.encode())
    with pytest.warns(ReadingNote, match=r"is separated by (semicolons|tabs|bars)") as caught:
        table = read_table(tmp_path / name)
    assert table.to_dict("list") == {"a": [0, 1, 2], "b, of all": [0, 1, 2], "c": [0, 1, 0]}
    assert len(caught) == 1 and caught[0].filename == __file__


def test_other_separators_within_names_and_values_divide_nothing(tmp_path):
    (tmp_path / "t.csv").write_text('"a;b;c",x|y\n1,2\n')
    assert list(read_table(tmp_path / "t.csv").columns) == ["a;b;c", "x|y"]
    (tmp_path / "u.csv").write_text("one\n1\n")
    assert read_table(tmp_path / "u.csv")["one"].tolist() == [1]


@pytest.mark.parametrize("header", ['"amount,EUR";country;label', "amount, EUR;country;label"])
def test_a_comma_in_a_name_divides_no_file_of_semicolons(tmp_path, header):
    (tmp_path / "t.csv").write_text(header + "\n12,5;FR;0\n7,25;NO;1\n\n")
    with pytest.warns(ReadingNote):
        table = read_table(tmp_path / "t.csv")
    assert table.iloc[:, 0].tolist() == [12.5, 7.25] and table["label"].tolist() == [0, 1]


@pytest.mark.parametrize("rows", ["1,2|3,4,\n5,6|7,8,\n", "1,2|3\n5,6|7,hello\n"])
def test_rows_of_other_lengths_are_no_sign_of_another_separator(tmp_path, rows):
    (tmp_path / "t.csv").write_text("id,lat|lon,x\n" + rows)
    table = read_table(tmp_path / "t.csv")
    assert table["id"].tolist() == [1, 5] and table["lat|lon"].tolist() == ["2|3", "6|7"]


def test_grouped_numbers_are_read_where_there_is_one_way_to(tmp_path):
    (tmp_path / "t.csv").write_text("a;b;y\n1.234,56;1.234;0\n0,5;2.345.678;1\n1.000;7;1\n")
    with pytest.warns(ReadingNote, match=r"'a' \(1234.56\)"):
        table = read_table(tmp_path / "t.csv")
    assert table["a"].tolist() == [1234.56, 0.5, 1000.0]
    assert table["b"].tolist() == [1234.0, 2345678.0, 7.0]


def test_thousands_among_decimal_commas_are_not_guessed(tmp_path):
    (tmp_path / "t.csv").write_text("days;rate;y\n1.631;77,71;0\n47;2,26;0\n")
    with pytest.warns(ReadingNote), pytest.raises(UserError, match=r"'days' holds .*'1\.631'"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("days;rate;y\n1.631;77,71;0\n0.5;2,26;0\n")
    with pytest.warns(ReadingNote):
        assert read_table(tmp_path / "t.csv")["days"].tolist() == [1.631, 0.5]


def test_the_line_that_excel_puts_before_the_names_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\na;b\n1;2\n")
    with pytest.raises(UserError, match="starts with a line of Excel's"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("separator", [",", ";"])
def test_decimal_commas_are_numbers_and_told(tmp_path, separator):
    amounts = ["0,23", "-1,5", "2", "", ",5", "1,234"]
    lines = [separator.join([f'"{amount}"', str(k), '"7,1"']) for k, amount in enumerate(amounts)]
    header = separator.join(["amount", "x", "code"])
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]))
    with pytest.warns(ReadingNote) as caught:
        table = read_table(tmp_path / "t.csv", text_columns=["code"])
    told = "Decimal commas were read as numbers in column 'amount' ('0,23')."
    assert [str(w.message) for w in caught][separator == ";" :] == [told]
    np.testing.assert_array_equal(table["amount"], [0.23, -1.5, 2.0, np.nan, 0.5, 1.234])
    assert table["code"].tolist() == ["7,1"] * 6


def test_text_with_commas_that_is_no_number_stays_text(tmp_path):
    (tmp_path / "t.csv").write_text('a,b,c\n"1,2,3","1.234,5","Oslo, N"\n"4,5","2,5","1,5"\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadingNote)
        table = read_table(tmp_path / "t.csv")
    assert table["a"].tolist() == ["1,2,3", "4,5"]
    assert table["b"].tolist() == ["1.234,5", "2,5"]


def test_a_stray_word_among_decimal_commas_is_named(tmp_path):
    lines = [f'"{k},5",{k % 2}' for k in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["x,label", *lines, "oops,1"]))
    with pytest.raises(UserError, match=r"'x' mixes numbers and text .*'oops' in row 40"):
        train(read_table(tmp_path / "t.csv"), TrainConfig(target="label"))


@pytest.mark.parametrize("word", ["None", "NA", "null"])
def test_words_for_missing_values_may_be_labels(tmp_path, word):
    lines = [f"{k},{'' if k % 3 else 'NA'},{'fraud' if k % 4 == 0 else word}" for k in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["x,gap,label", *lines]))
    table = read_table(tmp_path / "t.csv", target="label")
    assert table["gap"].isna().all()
    assert set(table["label"]) == {"fraud", word}
    result = train(table, TrainConfig(target="label", n_estimators=1))
    assert result.labels == (word, "fraud")


def test_missing_labels_stay_missing(tmp_path):
    for last in ("", "NA"):
        (tmp_path / "t.csv").write_text(f"x,label\n1,0\n2,1\n3,{last}\n")
        table = read_table(tmp_path / "t.csv", target="label")
        with pytest.raises(UserError, match=r"1 missing values .first in row 2"):
            train(table, TrainConfig(target="label"))
    (tmp_path / "t.csv").write_text("x,label\n1,None\n2,yes\n3,\n")
    table = read_table(tmp_path / "t.csv", target="label")
    assert table["label"].isna().tolist() == [False, False, True]


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
