"""Each command once as a user runs it: in a process of its own, from files to files.

``serve`` and ``detect train`` have such a test beside their others.
"""

import subprocess
import sys

import pytest
from command_line import invoke

TRAIN = ["--target", "is_fraud", "--drop", "customer_id", "--n-estimators", 5]
FEW = ["--model", "lgbm", "--loss", "focal", "--cv", 3, "--repeats", 1]


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("commands")
    simulate = ["simulate", "fraud", "--rows", 4000, "--prevalence", 0.05, "--out", "pay.parquet"]
    for command in (simulate, ["train", "pay.parquet", *TRAIN, "--out", "model"]):
        done = invoke(*command, cwd=path)
        assert done.exit_code == 0, done.output
    return path


@pytest.mark.parametrize(
    ("command", "written", "said"),
    [
        (["train", "pay.parquet", *TRAIN, "--out", "m"], "m/metrics.json", "average precision"),
        (["predict", "model", "pay.parquet", "--out", "p.csv"], "p.csv", "p.csv"),
        slow(["simulate", "fraud", "--rows", 9000, "--out", "s.csv"], "s.csv", "s.csv"),
        slow(["report", "model", "--out", "page.html"], "page.html", "page.html"),
        slow(
            ["compare", "pay.parquet", "--target", "is_fraud", *FEW, "--out", "c"],
            "c/folds.csv",
            "cross_entropy",
        ),
        slow(["monitor", "model", "pay.parquet", "--out", "drift.json"], "drift.json", "amount"),
        slow(["export", "model", "--out", "model.onnx"], "model.onnx", "model.onnx"),
        slow(["demo", "--rows", 20_000], None, "Done in"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_in_a_process_of_its_own(command, written, said, folder):
    if command[0] == "export":
        pytest.importorskip("skl2onnx")
    done = subprocess.run(
        [sys.executable, "-m", "focaltab", *map(str, command)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout and "Traceback" not in done.stderr
    assert written is None or (folder / written).stat().st_size > 0
    # Unfinished files of a command are gone.
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
