import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from scipy.special import expit

from focaltab.workflow import TrainConfig, UserError, load_model, save_model, train
from focaltab.workflow._evaluate import evaluate


def table(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    x, city = rng.normal(size=n), rng.choice(["Oslo", "Rome", "Bonn"], n)
    positive = x + (city == "Rome") + rng.normal(size=n) > 2.3
    return pd.DataFrame(
        {
            "x [usd]": np.where(rng.random(n) < 0.1, np.nan, x),
            'city, "home"': city,
            "t": pd.date_range("2025-01-01", periods=n, freq="h", tz="UTC"),
            "label": np.where(positive, "yes", "no"),
        }
    )


def config(**options):
    return TrainConfig(target="label", **({"n_estimators": 30} | options))


@pytest.fixture(scope="module", params=["xgb", "lgbm"])
def trained(request):
    return train(table(), config(model=request.param, time_column="t"))


def test_both_losses_are_judged_on_the_same_latest_rows(trained):
    held_out = trained.predictions["row"].to_numpy()
    assert held_out.tolist() == list(range(1600, 2000))
    assert trained.figures["rows"] == {"train": 1280, "early_stopping": 320, "test": 400}
    assert trained.labels == ("no", "yes")
    y = (table()["label"] == "yes").to_numpy(int)[held_out]
    for name, column in (("focal", ""), ("cross_entropy", "_cross_entropy")):
        scores = trained.predictions["probability" + column].to_numpy()
        assert trained.figures[name] == evaluate(y, scores, random_state=0)
    gap = trained.figures["difference"]
    both = [trained.figures[name]["average_precision"] for name in ("focal", "cross_entropy")]
    assert gap["value"] == pytest.approx(both[0] - both[1])
    assert gap["low"] <= gap["value"] <= gap["high"]


def test_gamma_zero_is_cross_entropy_and_the_verdict_does_not_claim_more():
    result = train(table(), config(gamma=0.0))
    assert result.figures["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "no clear difference" in result.verdict and "within the noise" in result.verdict


def test_same_random_state_same_figures():
    assert train(table(), config()).figures == train(table(), config()).figures


def test_progress_counts_the_rounds_of_both_fits():
    seen = []
    train(table(), config(n_estimators=3), lambda name, done: seen.append((name, done)))
    assert seen == [(name, k) for name in ("focal", "cross_entropy") for k in (1, 2, 3)]


def test_the_folder_predicts_as_the_estimator_did(trained, tmp_path):
    save_model(trained, tmp_path / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    rows = trained.predictions["row"]
    probability, unknown = load_model(tmp_path / "m").predict(table().iloc[rows])
    np.testing.assert_allclose(probability, trained.predictions["probability"], atol=1e-6)
    assert not unknown
    schema = json.loads((tmp_path / "m" / "schema.json").read_text())
    assert schema["positive"] == "yes"
    assert schema["columns"] == ["x [usd]", 'city, "home"']
    assert schema["feature_names"] == ["x__usd_", "city___home_"]
    assert set(schema["versions"]) > {"numpy", "pandas"}


def test_the_model_file_is_right_without_focaltab(trained, tmp_path):
    save_model(trained, tmp_path / "m")
    X, _ = trained.schema.apply(table())
    if trained.config.model == "xgb":
        booster = xgb.Booster(model_file=tmp_path / "m" / "model.json")
        probability = booster.predict(xgb.DMatrix(X, enable_categorical=True))
    else:
        booster = lgb.Booster(model_file=tmp_path / "m" / "model.txt")
        probability = expit(booster.predict(X, raw_score=True))
    rows = trained.predictions["row"]
    np.testing.assert_allclose(probability[rows], trained.predictions["probability"], atol=1e-6)


def test_an_existing_folder_is_refused_and_untouched(trained, tmp_path):
    (tmp_path / "m").mkdir()
    with pytest.raises(UserError, match="exists already"):
        save_model(trained, tmp_path / "m")
    assert list((tmp_path / "m").iterdir()) == []


def test_a_failed_save_leaves_nothing(trained, tmp_path, monkeypatch):
    def fail(self, *args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(trained, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_broken_folders(trained, tmp_path):
    with pytest.raises(UserError, match="no model folder"):
        load_model(tmp_path / "nowhere")
    save_model(trained, tmp_path / "m")
    model_file = next((tmp_path / "m").glob("model.*"))
    model_file.write_text("broken")
    with pytest.raises(UserError, match="cannot be read"):
        load_model(tmp_path / "m")
    model_file.unlink()
    with pytest.raises(UserError, match=f"has no {model_file.name}"):
        load_model(tmp_path / "m")
    (tmp_path / "m" / "schema.json").write_text("[]")
    with pytest.raises(UserError, match="no model folder"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"gamma": -1.0}, "gamma"),
        ({"gamma": np.inf}, "gamma"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": "heavy"}, "alpha"),
        ({"model": "tree"}, "--model"),
        ({"test_size": 1.0}, "--test-size"),
        ({"test_size": np.nan}, "--test-size"),
        ({"n_estimators": 0}, "--n-estimators"),
        ({"learning_rate": np.inf}, "--learning-rate"),
        ({"random_state": -1}, "--random-state"),
        ({"time_column": "label"}, "'label' is the target"),
        ({"drop": ("label",)}, "'label' is the target"),
        ({"drop": ("zz",)}, "--drop names a column that is not there: 'zz'"),
        ({"time_column": "zz"}, "no time column 'zz'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(UserError, match=message):
        train(table(), config(**options))


def test_a_dropped_column_may_hold_anything():
    odd = table(400).assign(odd=np.inf, lists=[[1]] * 400)
    with pytest.raises(UserError, match="'odd' has an infinite value"):
        train(odd, config(n_estimators=2))
    result = train(odd, config(n_estimators=2, drop=("odd", "lists")))
    assert list(result.schema.kinds) == ["x [usd]", 'city, "home"', "t"]
