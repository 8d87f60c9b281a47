"""``focaltab train --external-memory`` writes the folder that training in memory writes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from command_line import invoke

from focaltab.datasets import simulate_fraud
from focaltab.workflow import UserError, load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same rows as one file and as three."""
    place = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    data = simulate_fraud(9_000, prevalence=0.02, random_state=0)
    data = data.drop(columns=["customer_id", "terminal_id"])
    data["time"] = pd.to_datetime(data["time"])
    data["the shop"] = rng.choice(["a", "b", None], len(data))
    data.loc[data["is_fraud"] == 1, "the shop"] = "b"
    data.to_parquet(place / "whole.parquet")
    for k, rows in enumerate(np.array_split(np.arange(len(data)), 3)):
        data.iloc[rows].to_parquet(place / f"part-{k}.parquet", row_group_size=700)
    return place


OPTIONS = ["--target", "is_fraud", "--n-estimators", 20, "--random-state", 1]


@pytest.mark.parametrize(
    ("model", "split"),
    [
        pytest.param("xgb", ["--drop", "time"], marks=pytest.mark.slow),
        ("lgbm", ["--time-column", "time"]),
        pytest.param("xgb", ["--time-column", "time"], marks=pytest.mark.slow),
        pytest.param("lgbm", ["--drop", "time"], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_folder_is_that_of_training_in_memory(folder, model, split, tmp_path):
    options = [*OPTIONS, "--model", model, *split]
    parts = sorted(folder.glob("part-*.parquet"))
    done = invoke("train", *parts, *options, "--external-memory", "--out", tmp_path / "files")
    assert done.exit_code == 0, done.output
    assert "average precision" in done.output
    done = invoke("train", folder / "whole.parquet", *options, "--out", tmp_path / "memory")
    assert done.exit_code == 0, done.output
    names = [sorted(path.name for path in (tmp_path / k).iterdir()) for k in ("files", "memory")]
    assert names[0] == names[1]
    for name in ("predictions.csv", "top_rows.csv"):
        tables = [pd.read_csv(tmp_path / k / name) for k in ("files", "memory")]
        pd.testing.assert_frame_equal(*tables, rtol=1e-5)
    metrics = [json.loads((tmp_path / k / "metrics.json").read_text()) for k in ("files", "memory")]
    assert metrics[0]["rows"] == metrics[1]["rows"]
    assert metrics[0]["rounds"] == metrics[1]["rounds"]
    assert metrics[0]["focal"] == pytest.approx(metrics[1]["focal"], rel=1e-5)
    assert metrics[0]["cross_entropy"] == pytest.approx(metrics[1]["cross_entropy"], rel=1e-5)
    new = pd.read_parquet(folder / "part-0.parquet")
    scores = [load_model(tmp_path / k).score_rows(new)[0] for k in ("files", "memory")]
    np.testing.assert_allclose(*scores, rtol=1e-5)


@pytest.mark.slow
def test_a_pattern_and_text_that_hardly_repeats(folder, tmp_path):
    for k, path in enumerate(sorted(folder.glob("part-*.parquet"))):
        part = pd.read_parquet(path).assign(code=lambda t, k=k: [f"{k}-{j}" for j in range(len(t))])
        part.to_parquet(tmp_path / path.name)
    pattern = f"{tmp_path}/*.parquet"
    options = [*OPTIONS, "--drop", "time", "--external-memory", "--out", tmp_path / "m"]
    done = invoke("train", pattern, *options)
    assert done.exit_code == 0, done.output
    schema = json.loads((tmp_path / "m" / "schema.json").read_text())
    assert "code" in schema["left_out"] and "code" not in schema["kinds"]
    assert schema["config"]["external_memory"] is True
    assert schema["source"] == pattern


BAD = {
    "several files in memory": (["{0}", "{1}"], [], "--external-memory alone"),
    "a network": (["{0}"], ["--external-memory", "--model", "mlp"], "is for boosters"),
    "no such target": (["{0}"], ["--external-memory", "--target", "nope"], "no target column"),
    "no such drop": (["{0}"], ["--external-memory", "--drop", "nope"], "'nope'"),
    "dates": (["{0}"], ["--external-memory"], "column 'time' has type timestamp"),
    "no such file": (["absent.parquet"], ["--external-memory"], "There is no file"),
    "no such time": (["{0}"], ["--external-memory", "--time-column", "x"], "no time column 'x'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(folder, case, tmp_path):
    files, options, message = BAD[case]
    parts = sorted(map(str, folder.glob("part-*.parquet")))
    arguments = ["train", *(file.format(*parts) for file in files), *OPTIONS, *options]
    done = invoke(*arguments, "--out", tmp_path / "m")
    assert done.exit_code == 2
    assert message in done.output and len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of files as Linux has them")
def test_a_full_disk_leaves_no_folder_and_no_cache(folder, tmp_path):
    import os
    import resource

    (tmp_path / "cache").mkdir()
    command = [sys.executable, "-m", "focaltab", "train", *folder.glob("part-*.parquet"), *OPTIONS]
    done = subprocess.run(
        [*map(str, command), "--drop", "time", "--external-memory", "--out", tmp_path / "m"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        env={**os.environ, "TMPDIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("Error: XGBoost's cache needs")
    assert not (tmp_path / "m").exists() and list((tmp_path / "cache").iterdir()) == []


def test_help_says_what_differs():
    done = invoke("train", "--help", COLUMNS="200")
    assert "--external-memory" in done.output and "larger than memory" in done.output


def test_the_error_of_one_label_is_the_workflows(tmp_path):
    from focaltab.workflow import TrainConfig, train_from_files

    pd.DataFrame({"x": [1.0] * 9, "y": [0] * 9}).to_parquet(tmp_path / "t.parquet")
    config = TrainConfig(target="y", external_memory=True)
    with pytest.raises(UserError, match="only one class"):
        train_from_files([tmp_path / "t.parquet"], config)
