"""What ``focaltab train`` leaves, as ONNX: from a raw table's columns to probabilities."""

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from command_line import invoke

import focaltab
from focaltab.export import onnx_inputs


def table(n, seed):
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2025-01-01")
    data = pd.DataFrame(
        {
            "x [usd]": rng.normal(size=n),
            "city": rng.choice(["Oslo", "Rome", "Bonn", "Nowhere" if seed else "Bonn"], n),
            "shelf": rng.choice(["7", "12", "b"], n),
            "when": (start + pd.to_timedelta(rng.integers(0, 900, n), "h")).strftime("%Y-%m-%d %X"),
        }
    )
    data.loc[::7, "x [usd]"] = np.nan
    data.loc[::5, "city"] = None
    risk = data["x [usd]"].fillna(0) + (data["city"] == "Rome") + (data["shelf"] == "7")
    data["label"] = np.where(risk + rng.normal(size=n) > 2.5, "bad", "fine")
    return data


@pytest.mark.parametrize(
    "model", ["xgb", *(pytest.param(k, marks=pytest.mark.slow) for k in ("lgbm", "mlp"))]
)
def test_a_folder_of_train_says_the_same_in_onnx(model, tmp_path):
    table(3000, 0).to_parquet(tmp_path / "rows.parquet")
    most = ["--max-epochs", 3] if model == "mlp" else ["--n-estimators", 20]
    train = ["train", tmp_path / "rows.parquet", "--target", "label", "--positive", "bad"]
    run(*train, "--model", model, *most, "--out", tmp_path / "m")
    done = run("export", tmp_path / "m", "--out", tmp_path / "m.onnx")
    assert "4 inputs (x [usd], when, city, shelf)" in done.stdout
    rows = table(10_000, 1).drop(columns="label")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    probabilities, labels = session.run(None, onnx_inputs(session, rows))
    expected = focaltab.load(tmp_path / "m")
    np.testing.assert_allclose(probabilities, expected.predict_proba(rows), atol=1e-5)
    sure = np.abs(probabilities[:, 1] - 0.5) > 1e-4  # elsewhere the last digits decide
    assert (labels == expected.predict(rows))[sure].all() and sure.mean() > 0.99
    assert onnx.load(tmp_path / "m.onnx").metadata_props
    # Categories are known however a number is written.
    floats = rows.assign(shelf=rows["shelf"].replace({"7": "7.0", "12": "12.0"}))
    again = session.run(None, onnx_inputs(session, floats))[0]
    np.testing.assert_array_equal(again, probabilities)


def run(*arguments):
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done


def test_bad_input(tmp_path):
    (tmp_path / "there.onnx").write_text("kept")
    for arguments, message in [
        (["nowhere", "--out", tmp_path / "m.onnx"], "is no saved model"),
        (["nowhere", "--out", tmp_path / "there.onnx"], "exists already"),
    ]:
        done = invoke("export", *arguments)
        assert done.exit_code == 2 and message in done.stderr
    assert (tmp_path / "there.onnx").read_text() == "kept"
