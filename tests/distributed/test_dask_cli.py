import json

import pytest

pytest.importorskip("dask")

import numpy as np
import pandas as pd
from command_line import invoke

from focaltab.workflow import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three files that one table was cut into, of different sorts of columns."""
    path = tmp_path_factory.mktemp("dask")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "amount": rng.normal(size=3000),
            "shop": rng.choice(["web", "store", "phone"], 3000),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**6, 3000), "s"),
        }
    )
    score = table["amount"] + 2 * (table["shop"] == "web") + rng.normal(size=3000)
    table["label"] = np.where(score > 3.5, "fraud", "fine")
    for k in range(3):
        part = table.iloc[k * 1000 : (k + 1) * 1000]
        part.to_parquet(path / f"part-{k}.parquet")
        part.to_csv(path / f"part-{k}.csv", index=False)
    table.to_pickle(path / "table.pickle")
    return path


@pytest.mark.parametrize(
    ("model", "ending"), [("xgb", "parquet"), pytest.param("lgbm", "csv", marks=pytest.mark.slow)]
)
def test_train_on_a_cluster_writes_an_ordinary_folder(client, folder, tmp_path, model, ending):
    options = ["--target", "label", "--model", model, "--n-estimators", "10"]
    options += ["--dask", client.scheduler.address, "--out", str(tmp_path / "model")]
    done = invoke("train", folder / f"part-*.{ending}", *options)
    assert done.exit_code == 0, done.output
    assert "Positive label: fraud" in done.output
    table = pd.read_pickle(folder / "table.pickle")
    figures = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert sum(figures["rows"].values()) == 3000
    assert sum(figures["positives"].values()) == (table["label"] == "fraud").sum()
    assert figures["focal"]["average_precision"] > 3 * figures["focal"]["prevalence"]
    # Rows carry their numbers in the table as a whole, and a loaded model scores them alike.
    predictions = pd.read_csv(tmp_path / "model" / "predictions.csv")
    held_out = table.iloc[predictions["row"]]
    assert held_out["label"].tolist() == predictions["label"].tolist()
    loaded = load_model(tmp_path / "model")
    assert set(loaded.features.kinds_.values()) == {"number", "category", "date"}
    again, unknown = loaded.score_rows(held_out)
    assert not unknown
    np.testing.assert_allclose(again, predictions["probability"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time-column", "when"], "leave out --time-column"),
        (["--model", "mlp"], "--dask is for boosters"),
        (["--target", "labl"], "Did you mean label?"),
        (["--drop", "colour"], "--drop names a column that is not there"),
    ],
)
def test_what_a_cluster_cannot_train_is_refused(client, folder, tmp_path, options, message):
    if "mlp" in options:
        pytest.importorskip("torch")
    arguments = ["train", str(folder / "part-*.parquet"), "--target", "label"]
    arguments += ["--dask", client.scheduler.address, "--out", str(tmp_path / "model"), *options]
    done = invoke(*arguments)
    assert done.exit_code != 0
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "model").exists()


def test_files_that_are_not_there_are_named(client, tmp_path):
    for name, message in (
        ("no-*.parquet", "There is no file"),
        ("no-*.csv", "cannot be read"),
        ("none.parquet", "cannot be read"),
    ):
        arguments = ["train", str(tmp_path / name), "--target", "label"]
        arguments += ["--dask", client.scheduler.address, "--out", str(tmp_path / "model")]
        done = invoke(*arguments)
        assert done.exit_code != 0
        assert message in done.output
