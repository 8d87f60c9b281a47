"""``focaltab compare``: what it prints, writes and refuses."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from command_line import invoke

FEW = ["--model", "lgbm", "--loss", "focal", "--cv", 3, "--repeats", 1]


def compare(*arguments, cwd="."):
    return invoke("compare", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    n = 1500
    table = pd.DataFrame(
        {
            "amount": rng.gamma(1.0, 80.0, n).round(2),
            "country": rng.choice(["FR", "NO", ""], n),
            "customer": rng.integers(0, 200, n),
            "ticket": [f"t{k}" for k in range(n)],
            "when": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(n), unit="h"),
        }
    )
    risk = table["amount"] / 80 + (table["country"] == "NO") + rng.logistic(size=n)
    table["fraud"] = np.where(risk > 4.5, "yes", "no")
    table.to_csv(path / "pay.csv", index=False)
    table.to_parquet(path / "pay.parquet")
    return path


def test_a_comparison_is_shown_and_written(folder):
    pytest.importorskip("matplotlib")
    options = ["--target", "fraud", "--categorical", "customer"]
    done = compare("pay.csv", *options, "--out", "cmp", *FEW, cwd=folder)
    assert done.exit_code == 0, done.stderr
    assert "Positive label: yes" in done.stdout
    assert "Column ticket left out" in done.stdout
    assert "lgbm: no loss beats cross_entropy" in done.stdout
    assert "6/6" in done.stderr and "Traceback" not in done.stderr
    stored = json.loads((folder / "cmp" / "comparison.json").read_text())
    assert stored["verdict"] in done.stdout
    assert [row["loss"] for row in stored["table"]] == ["cross_entropy", "focal"]
    assert stored["table"][0]["difference"] is None
    assert stored["features"] == ["amount", "country", "customer", "when"]
    assert stored["categorical"] == ["customer"]
    folds = pd.read_csv(folder / "cmp" / "folds.csv")
    means = folds.groupby("loss")["average_precision"].mean()
    assert means["focal"] == pytest.approx(stored["table"][1]["average_precision"])
    for name in ("comparison.png", "comparison.svg"):
        assert (folder / "cmp" / name).stat().st_size > 1000
    assert not list(folder.glob(".cmp*"))


def test_groups_stay_whole_and_results_are_kept(folder, monkeypatch):
    monkeypatch.chdir(folder)
    options = ["pay.parquet", "--target", "fraud", "--group-column", "customer", "--drop", "when"]
    first = compare(*options, *FEW, "--results", "done.jsonl", "--out", "grouped", "--budget", 0.1)
    assert first.exit_code == 0, first.output
    assert len((folder / "done.jsonl").read_text().splitlines()) == 7
    again = compare(*options, *FEW, "--results", "done.jsonl", "--out", "again", "--budget", 0.1)
    assert again.exit_code == 0, again.output
    one, other = (
        json.loads((folder / n / "comparison.json").read_text()) for n in ("grouped", "again")
    )
    # Even to the time that the fits took.
    assert one["table"] == other["table"] and "recall_at_10%" in one["table"][0]
    assert one["features"] == ["amount", "country"]


def test_later_rows_are_judged_by_earlier_ones(folder, monkeypatch):
    monkeypatch.chdir(folder)
    options = ["pay.csv", "--target", "fraud", "--time-column", "when", "--gap", "2D"]
    done = compare(*options, *FEW, "--out", "timed")
    assert done.exit_code == 0, done.output
    folds = pd.read_csv(folder / "timed" / "folds.csv")
    plain = folds[folds["loss"] == "focal"]
    # A row an hour and 1500 // 4 rows a test part: each fold trains on more of the past, but for
    # the last 48 hours before its test part.
    assert plain["n_test"].tolist() == [375] * 3
    assert plain["n_train"].tolist() == pytest.approx([327, 702, 1077], abs=1)
    stored = json.loads((folder / "timed" / "comparison.json").read_text())
    assert "when" not in stored["features"] and stored["gap"] == "2D"


def test_groups_that_come_back_later_are_not_trained_on(folder, monkeypatch):
    monkeypatch.chdir(folder)
    table = pd.read_csv("pay.csv")
    table["customer"] = np.arange(len(table)) % 1200  # the first ones come back in the end
    table.to_csv("back.csv", index=False)
    options = ["back.csv", "--target", "fraud", "--time-column", "when"]
    done = compare(*options, "--group-column", "customer", *FEW, "--out", "back")
    assert done.exit_code == 0, done.output
    plain = pd.read_csv(folder / "back" / "folds.csv").query("loss == 'focal'")
    assert plain["n_train"].tolist() == [375, 750, 1125 - 300]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--target", "frod"], "There is no target column 'frod'. Did you mean fraud"),
        (["--target", "fraud", "--loss", "fokal"], "unknown loss 'fokal'.*Did you mean 'focal'"),
        (["--target", "fraud", "--positive", "maybe"], "maybe"),
        (["--target", "fraud", "--gap", "7D"], "--gap needs --time-column"),
        (["--target", "fraud", "--drop", "nothing"], "a column that is not there: 'nothing'"),
        (["--target", "fraud", "--categorical", "nothing"], "--categorical names a column"),
        (
            ["--target", "fraud", "--categorical", "when", "--time-column", "when"],
            "'when' is no feature",
        ),
        (["--target", "fraud", "--group-column", "shop"], "there is no column 'shop'"),
        (["--target", "fraud", "--group-column", "fraud"], "'fraud' is the target"),
        (["--target", "fraud", "--cv", 900], "fewer than 900 folds"),
        (["--target", "fraud", "--budget", 5], "budgets must be shares of rows"),
        (["--target", "fraud", "--random-state", -1], "--random-state must be from 0"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(folder, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    done = compare("pay.csv", *options, "--out", "bad", "--model", "lgbm")
    assert done.exit_code == 2
    shown = " ".join(done.output.split())
    assert re.search(message, shown), shown
    assert "Traceback" not in shown and not (folder / "bad").exists()


def test_an_existing_folder_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "taken").mkdir()
    done = compare("pay.csv", "--target", "fraud", "--out", "taken")
    assert done.exit_code == 2 and "taken exists already" in " ".join(done.output.split())


def test_one_positive_is_too_few(folder, monkeypatch):
    monkeypatch.chdir(folder)
    table = pd.read_csv("pay.csv")
    table["fraud"] = ["yes"] + ["no"] * (len(table) - 1)
    table.to_csv("one.csv", index=False)
    done = compare("one.csv", "--target", "fraud", "--out", "bad", *FEW)
    assert done.exit_code == 2
    assert "1 row of the positive class" in " ".join(done.output.split())
