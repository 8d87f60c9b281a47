"""``focaltab train --sampling`` as a user runs it."""

import json

import pytest
from command_line import invoke

from focaltab.datasets import simulate_fraud


@pytest.fixture(scope="module")
def payments(tmp_path_factory):
    path = tmp_path_factory.mktemp("payments") / "pay.parquet"
    simulate_fraud(40_000, prevalence=0.005, random_state=0).to_parquet(path)
    return path


def train(*arguments):
    drop = ["--drop", "customer_id", "--drop", "terminal_id", "--time-column", "time"]
    return invoke("train", *arguments, "--target", "is_fraud", *drop)


@pytest.mark.parametrize(
    "model", ["xgb", *(pytest.param(k, marks=pytest.mark.slow) for k in ("lgbm", "mlp"))]
)
def test_hard_negatives_are_trained_on_and_counted(payments, tmp_path, model):
    if model == "mlp":
        pytest.importorskip("torch")
    rounds = ["--max-epochs", 5] if model == "mlp" else ["--n-estimators", 30]
    out = tmp_path / "model"
    done = train(
        payments, "--model", model, *rounds, "--sampling", "hard_negative", "--out", out
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    sampled = json.loads((out / "metrics.json").read_text())["sampled"]
    assert sampled["kept"] < 0.3 * sampled["of"]
    assert f"Trained on {sampled['kept']:,} of {sampled['of']:,} rows" in done.output
    assert json.loads((out / "schema.json").read_text())["config"]["sampling"] == "hard_negative"
    assert "--sampling hard_negative" in (out / "report.html").read_text()
    scored = invoke("predict", out, payments, "--out", tmp_path / "scores.csv")
    assert scored.exit_code == 0, scored.output


@pytest.mark.slow
def test_it_goes_with_files_larger_than_memory(payments, tmp_path):
    out = tmp_path / "model"
    options = ["--model", "lgbm", "--n-estimators", 30, "--sampling", "hard_negative"]
    done = train(payments, *options, "--external-memory", "--out", out)
    assert done.exit_code == 0, done.output
    sampled = json.loads((out / "metrics.json").read_text())["sampled"]
    assert sampled["kept"] < 0.3 * sampled["of"]


def test_too_few_positives_and_unknown_samplings_are_refused(payments, tmp_path):
    few = tmp_path / "few.parquet"
    simulate_fraud(10_000, prevalence=0.002, random_state=0).to_parquet(few)
    refused = train(few, "--sampling", "hard_negative", "--out", tmp_path / "model")
    assert refused.exit_code != 0
    assert "--sampling needs at least 25 rows" in " ".join(refused.output.split())
    unknown = train(payments, "--sampling", "easy", "--out", tmp_path / "model")
    assert unknown.exit_code != 0
    assert not (tmp_path / "model").exists()
