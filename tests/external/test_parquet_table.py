"""A table in files is the table that pandas would hold, whatever the batches and files."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from focaltab.external import ParquetTable


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 1003
    amount = rng.normal(size=n)
    amount[::7] = np.nan
    shop = rng.choice(["b", "a", None, "c"], n)
    shop[:600][shop[:600] == "c"] = "a"  # a category of the last file alone
    return pd.DataFrame(
        {
            "amount": amount,
            "small": rng.normal(size=n).astype(np.float32),
            "count": rng.integers(0, 9, n),
            "gaps": pd.array(rng.integers(0, 9, n), dtype="Int64"),
            "night": rng.random(n) < 0.5,
            "shop": shop,
            "kind": pd.Categorical(rng.choice(["z", "y"], n), categories=["z", "y", "unused"]),
            "zone": pd.Categorical(rng.choice([30, 4], n)),
            "w": rng.random(n) + 0.5,
            "y": rng.choice(["fine", "fraud"], n, p=[0.9, 0.1]),
        }
    ).assign(gaps=lambda t: t["gaps"].mask(t.index % 5 == 0))


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    """Three files of different length, whose row groups end elsewhere than batches."""
    place = tmp_path_factory.mktemp("table")
    for k, (first, last) in enumerate([(0, 10), (10, 600), (600, 1003)]):
        frame[first:last].to_parquet(place / f"{k}.parquet", row_group_size=97, index=False)
    return place


def expected(frame):
    """What pandas makes of the same files, under the rules that the class states."""
    known = frame.drop(columns=["y", "w"])
    known["gaps"] = known["gaps"].astype("float64")
    for name in ("shop", "kind", "zone"):
        values = known[name].astype(object)
        known[name] = pd.Categorical(values, categories=sorted(values.dropna().unique()))
    return known


def assert_frames_equal(found, known):
    pd.testing.assert_frame_equal(found, known, check_categorical=True)


@pytest.mark.parametrize("batch_rows", [1, 64, 97, 1003, 5000])
def test_batches_join_to_the_frame(frame, folder, batch_rows):
    table = ParquetTable(f"{folder}/*.parquet", target="y", weight="w", batch_rows=batch_rows)
    batches = list(table.batches())
    rows = np.concatenate([rows for rows, _ in batches])
    np.testing.assert_array_equal(rows, np.arange(len(frame)))
    assert all(len(batch) == batch_rows for _, batch in batches[:-1])
    assert all((batch.dtypes == batches[0][1].dtypes).all() for _, batch in batches)
    joined = pd.concat([batch for _, batch in batches], ignore_index=True)
    assert_frames_equal(joined, expected(frame))


def test_labels_weights_and_shape_are_the_files(frame, folder):
    table = ParquetTable([folder / f"{k}.parquet" for k in range(3)], target="y", weight="w")
    assert table.y.tolist() == frame["y"].tolist()
    np.testing.assert_array_equal(table.weight, frame["w"])
    assert table.shape == (1003, 8) and len(table) == 1003
    assert table.columns == list(expected(frame).columns)
    assert_frames_equal(table.to_frame(), expected(frame))
    assert table.dtypes.equals(table.to_frame().dtypes)


@pytest.mark.parametrize("target", ["count", "night", "amount", "kind"])
def test_a_target_of_any_type(frame, folder, target, tmp_path):
    path = tmp_path / "t.parquet"
    frame.dropna(subset=["amount"]).to_parquet(path, row_group_size=50)
    table = ParquetTable(path, target=target)
    assert table.y.tolist() == frame.dropna(subset=["amount"])[target].tolist()
    assert target not in table.columns
    assert not any(name.startswith("__index") for name in table.columns)


def test_subsets_are_read_lazily_and_nest(frame, folder):
    table = ParquetTable(f"{folder}/*.parquet", target="y", weight="w", batch_rows=50)
    mask = np.arange(1003) % 3 == 0
    part = table.take(mask)
    known = expected(frame)
    assert_frames_equal(part.to_frame(), known[mask].reset_index(drop=True))
    assert part.y.tolist() == frame["y"][mask].tolist()
    np.testing.assert_array_equal(part.weight, frame["w"][mask])
    few = part.take([0, 5, 300])
    assert_frames_equal(few.to_frame(), known.iloc[[0, 15, 900]].reset_index(drop=True))
    assert [rows.tolist() for rows, _ in few.batches()] == [[0, 1, 2]]
    none = table.take([])
    assert none.shape == (0, 8) and list(none.batches()) == []
    assert (none.to_frame().dtypes == known.dtypes).all()


def test_row_groups_without_a_wanted_row_are_not_read(frame, tmp_path):
    """The second row group is broken on disk: only who needs it can notice."""
    path = tmp_path / "t.parquet"
    frame[["amount", "y"]].to_parquet(path, row_group_size=500, compression="snappy")
    table = ParquetTable(path, target="y", columns=["amount"])
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    assert len(table.take(np.arange(500)).to_frame()) == 500
    with pytest.raises(ValueError, match=r"t\.parquet, row group 1 cannot be read"):
        table.to_frame()


def test_chosen_columns_in_their_order(frame, folder):
    table = ParquetTable(f"{folder}/*.parquet", target="y", weight="w", columns=["w", "shop"])
    assert table.columns == ["w", "shop"]
    assert table.to_frame()["shop"].cat.categories.tolist() == ["a", "b", "c"]


def test_text_is_text_however_it_is_stored(tmp_path):
    plain = pa.table({"s": ["b", "a"], "y": [0, 1]})
    codes = pa.table({"s": pa.array(["c", None]).dictionary_encode(), "y": [1, 0]})
    large = pa.table({"s": pa.array(["a", "d"], pa.large_string()), "y": [0, 0]})
    for k, part in enumerate([plain, codes, large]):
        pq.write_table(part, tmp_path / f"{k}.parquet")
    table = ParquetTable(f"{tmp_path}/*.parquet", target="y")
    known = pd.Categorical(["b", "a", "c", None, "a", "d"], categories=list("abcd"))
    assert_frames_equal(table.to_frame(), pd.DataFrame({"s": known}))


def test_decimals_and_empty_columns_are_numbers(tmp_path):
    cents = pa.array([1.5, None], pa.float64()).cast(pa.decimal128(8, 2))
    pq.write_table(
        pa.table({"price": cents, "none": pa.nulls(2), "half": np.float16([1, 2]), "y": [0, 1]}),
        tmp_path / "t.parquet",
    )
    frame = ParquetTable(tmp_path / "t.parquet", target="y").to_frame()
    known = {"price": [1.5, np.nan], "none": [np.nan] * 2, "half": np.float32([1, 2])}
    assert_frames_equal(frame, pd.DataFrame(known))


def test_an_empty_file_among_others(tmp_path):
    data = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
    data[:0].to_parquet(tmp_path / "0.parquet")
    data.to_parquet(tmp_path / "1.parquet")
    table = ParquetTable(f"{tmp_path}/*.parquet", target="y")
    assert table.to_frame()["x"].tolist() == [1.0, 2.0] and table.y.tolist() == [0, 1]
    with pytest.raises(ValueError, match="no rows"):
        ParquetTable(tmp_path / "0.parquet", target="y")


def test_pickled_tables_read_the_same_files(frame, folder):
    part = ParquetTable(f"{folder}/*.parquet", target="y").take(np.arange(20))
    again = pickle.loads(pickle.dumps(part))
    assert_frames_equal(again.to_frame(), part.to_frame())
    assert again.y.tolist() == part.y.tolist()


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No file matches .*\*\.parquet"):
        ParquetTable(f"{tmp_path}/*.parquet", target="y")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        ParquetTable(tmp_path / "absent.parquet", target="y")
    with pytest.raises(FileNotFoundError, match="No Parquet files"):
        ParquetTable([], target="y")
    with pytest.raises(ValueError, match="is a folder"):
        ParquetTable(tmp_path, target="y")
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    with pytest.raises(ValueError, match=r"t\.csv is not a Parquet file"):
        ParquetTable(tmp_path / "t.csv", target="y")
    path = tmp_path / "cut.parquet"
    pd.DataFrame({"x": range(99), "y": range(99)}).to_parquet(path)
    data = path.read_bytes()
    for broken in (b"", data[:-200], data[:-60] + b"!" * 52 + data[-8:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"cut\.parquet is not a Parquet file"):
            ParquetTable(path, target="y")


def test_an_error_without_text_is_told_by_its_kind(folder, monkeypatch):
    def fail(*arguments, **options):
        raise OSError

    monkeypatch.setattr(pq, "ParquetFile", fail)
    with pytest.raises(ValueError, match=r"is not a Parquet file: OSError$"):
        ParquetTable(folder / "0.parquet", target="y")


def test_two_columns_of_one_name_are_refused(tmp_path):
    twice = pa.Table.from_arrays([pa.array([1, 2])] * 3, names=["x", "y", "x"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t\.parquet has two columns 'x'"):
        ParquetTable(tmp_path / "t.parquet", target="y")


def test_files_without_statistics_have_the_same_values(tmp_path):
    data = pa.table({"n": [1, 2], "flag": [True, False], "y": [0, 1]})
    for k, write_statistics in enumerate([True, False]):
        pq.write_table(data, tmp_path / f"{k}.parquet", write_statistics=write_statistics)
    sure, unsure = (ParquetTable(tmp_path / f"{k}.parquet", target="y") for k in (0, 1))
    assert sure.dtypes.tolist() == [np.int64, np.bool_]
    assert unsure.dtypes.tolist() == [np.float64, np.float64]
    pd.testing.assert_frame_equal(sure.to_frame().astype(float), unsure.to_frame())


BAD = {
    "another type": ({"x": [1, 2]}, r"1\.parquet: column 'x' has type int64, but double in .*0\."),
    "a column less": ({"x": None}, r"1\.parquet has no column 'x'"),
    "a column more": ({"z": [1, 2]}, r"1\.parquet has a column 'z'"),
    "no label": ({"y": [1, None]}, r"1\.parquet.* 'y'"),
    "categories": ({"z": pd.Categorical([1, 2])}, r"type int64 \(categorical\), but int64 in"),
    "no weight": ({"w": [np.nan, 1.0]}, r"1\.parquet: weight column 'w' has no value in row 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_does_not_fit_the_first(tmp_path, case):
    changes, message = BAD[case]
    first = pd.DataFrame({"x": [1.0, 2.0], "w": [1.0, 1.0], "y": [0.0, 1.0]})
    first = first.assign(z=[1, 2]) if case == "categories" else first
    other = first.assign(**{k: v for k, v in changes.items() if v is not None})
    other = other.drop(columns=[k for k, v in changes.items() if v is None])
    first.to_parquet(tmp_path / "0.parquet")
    other.to_parquet(tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=message):
        ParquetTable(f"{tmp_path}/*.parquet", target="y", weight="w")


def test_missing_text_labels_are_named_by_row(tmp_path):
    pd.DataFrame({"x": range(4), "y": ["a", "b", None, "a"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t\.parquet: target 'y' has no label in row 2"):
        ParquetTable(tmp_path / "t.parquet", target="y")


@pytest.mark.parametrize("role", ["target", "weight", "columns"])
def test_an_absent_column_is_named_with_its_file(folder, role):
    named = {"target": "y", role: ["nothing"] if role == "columns" else "nothing"}
    with pytest.raises(ValueError, match=r"0\.parquet has no .* column 'nothing'"):
        ParquetTable(f"{folder}/*.parquet", **named)


@pytest.mark.parametrize(
    ("values", "type_"),
    [([pd.Timestamp(0)] * 2, "timestamp"), ([[1], [2]], "list"), ([b"a", b"b"], "binary")],
)
def test_columns_that_can_be_no_feature(tmp_path, values, type_):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": [1, 2], "bad": values, "y": [0, 1]}).to_parquet(path)
    with pytest.raises(ValueError, match=rf"t\.parquet: column 'bad' has type {type_}"):
        ParquetTable(path, target="y")
    assert ParquetTable(path, target="y", columns=["x"]).shape == (2, 1)


def test_infinite_values_are_named_by_file_and_row(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": [1.0, 2.0, np.inf], "y": [0, 1, 0]}).to_parquet(path, row_group_size=2)
    table = ParquetTable(path, target="y")
    with pytest.raises(ValueError, match=r"column 'x', row 2 of .*t\.parquet"):
        table.to_frame()


def test_a_file_that_changed_is_told(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": ["a", "b"], "y": [0, 1]}).to_parquet(path)
    table = ParquetTable(path, target="y")
    pd.DataFrame({"x": ["a", "new"], "y": [0, 1]}).to_parquet(path)
    with pytest.raises(ValueError, match="'new', which was not there when the table was made"):
        table.to_frame()
    pd.DataFrame({"x": ["a"], "y": [0]}).to_parquet(path)
    with pytest.raises(ValueError, match="has changed since"):
        table.to_frame()


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([2, 1], "ascending"),
        ([1, 1], "ascending"),
        ([0, 1003], "not all in the table"),
        ([-1, 0], "not all in the table"),
        (np.ones(5, bool), "mask has 5 values"),
        ([0.5], "whole numbers"),
    ],
)
def test_rows_that_cannot_be_taken(folder, rows, error):
    table = ParquetTable(f"{folder}/*.parquet", target="y")
    with pytest.raises((ValueError, IndexError), match=error):
        table.take(rows)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"columns": ["count", "y"]}, "it can be no feature"),
        ({"columns": ["count", "count"]}, "more than once"),
        ({"weight": "y"}, "it can be no weight"),
        ({"weight": "shop"}, "holds text"),
        ({"batch_rows": 0}, "batch_rows"),
    ],
)
def test_roles_that_collide(folder, options, error):
    with pytest.raises(ValueError, match=error):
        ParquetTable(f"{folder}/*.parquet", target="y", **options)


def test_one_file_named_twice(folder):
    with pytest.raises(ValueError, match="named twice"):
        ParquetTable([f"{folder}/0.parquet", f"{folder}/*.parquet"], target="y")
