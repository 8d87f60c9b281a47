import json
import warnings
from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from scipy.special import expit
from sklearn.base import clone

import focaltab
from focaltab.datasets import simulate_fraud
from focaltab.metrics import (
    FewRowsWarning,
    bootstrap_interval,
    precision_at_k,
    recall_at_k,
    recall_at_precision,
)
from focaltab.monitoring import Reference
from focaltab.persistence import read_manifest
from focaltab.workflow import TrainConfig, UserError, load_model, save_model, train


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
    if options.get("model") == "mlp":
        pytest.importorskip("torch")
    rounds = "max_epochs" if options.get("model") == "mlp" else "n_estimators"
    return TrainConfig(**({"target": "label", "gamma": 2.0, rounds: 30} | options))


@pytest.fixture(scope="module", params=["xgb", "lgbm", "mlp"])
def trained(request):
    return train(table(), config(model=request.param, time_column="t"))


def test_both_losses_are_judged_on_the_same_latest_rows(trained):
    held_out = trained.predictions["row"].to_numpy()
    assert held_out.tolist() == list(range(1600, 2000))
    assert trained.figures["rows"] == {"train": 1600, "test": 400}
    assert trained.labels == ("no", "yes")
    y = (table()["label"] == "yes").to_numpy(int)[held_out]
    for name, column in (("focal", ""), ("cross_entropy", "_cross_entropy")):
        scores = trained.predictions["probability" + column].to_numpy()
        figures = trained.figures[name]
        value, low, high = bootstrap_interval("average_precision", y, scores, random_state=0)
        assert figures["average_precision"] == value
        assert (figures["average_precision_low"], figures["average_precision_high"]) == (low, high)
        assert figures["prevalence"] == y.mean()
        assert figures["mean_probability"] == pytest.approx(scores.mean())
        assert figures["recall_at_precision_0.5"] == recall_at_precision(y, scores, precision=0.5)
        assert figures["precision_at_0.01_of_rows"] == precision_at_k(y, scores, k=4)
        assert figures["recall_at_0.005_of_rows"] == recall_at_k(y, scores, k=2)
        assert figures["brier_score"] == pytest.approx(np.mean((scores - y) ** 2))
        own = np.where(y == 1, scores, 1 - scores.astype(float))
        assert figures["log_loss"] == pytest.approx(-np.mean(np.log(own)))
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


def test_with_times_the_latest_fifth_of_the_training_rows_says_when_to_stop(trained):
    """A model of the others stops by it; that of all rows has a quarter more rounds."""
    model = trained.model[-1]
    (history,) = model.evals_result_.values()
    best = 1 + int(np.argmin(history["logloss"]))
    if trained.config.model == "mlp":
        assert trained.figures["rounds"]["focal"] == min(30, round(1.5 * best))
        return
    assert trained.figures["rounds"]["focal"] == min(30, round(best / 0.8))
    features = trained.features.transform(table())
    y = (table()["label"] == "yes").to_numpy(int)
    earlier, later = slice(0, 1280), slice(1280, 1600)
    before = clone(model).set_params(n_estimators=best, early_stopping_rounds=None, pos_label=None)
    before.fit(features[earlier], y[earlier])
    p = before.predict_proba(features[later])[:, 1].astype(float)
    own = np.where(y[later] == 1, p, 1 - p)
    # Categories and the like are those of all training rows here, and the same.
    assert -np.log(own).mean() == pytest.approx(history["logloss"][best - 1], rel=1e-4)


def test_a_network_s_folder_holds_no_pickle(tmp_path):
    save_model(train(table(), config(model="mlp", max_epochs=2)), tmp_path / "m")
    assert not any(b"pickle" in p.read_bytes() for p in (tmp_path / "m").iterdir())
    assert (tmp_path / "m" / "network.safetensors").is_file()


@pytest.mark.parametrize("model", ["xgb", "lgbm", "mlp"])
def test_progress_counts_the_rounds_of_both_fits_and_tells_their_end(model):
    seen = []
    most = "max_epochs" if model == "mlp" else "n_estimators"
    train(table(), config(model=model, **{most: 3}), seen_by(seen))
    fits = 4 if model == "mlp" else 6  # on each fold, and on all rows
    for name in ("focal", "cross_entropy"):
        told = [rest for key, *rest in seen if key == name]
        *counted, last = told
        assert counted == [[n, 3 * fits] for n in range(len(counted))]
        assert last == [counted[-1][0]] * 2
        assert 3 * (fits - 1) < last[0] <= 3 * fits
    assert [key for key, *_ in seen] == sorted((key for key, *_ in seen), reverse=True)


def seen_by(seen):
    return lambda *told: seen.append(told)


def test_the_best_round_of_each_fit_is_told(trained):
    rounds = trained.figures["rounds"]
    if trained.config.model == "xgb":
        assert rounds["focal"] == trained.model[-1].best_iteration + 1
    elif trained.config.model == "lgbm":
        assert rounds["focal"] == trained.model[-1].best_iteration_
    else:
        assert rounds["focal"] == trained.model[-1].n_iter_
    assert rounds["unit"] == ("epoch" if trained.config.model == "mlp" else "round")
    assert 1 < rounds["focal"] <= rounds["most"] == 30
    assert 1 <= rounds["cross_entropy"] <= 30


def test_lightgbm_does_not_collapse_where_positives_are_rare():
    """With its own min_child_weight it scores a quarter of this on these payments."""
    payments = simulate_fraud(40_000, random_state=0)
    options = {"target": "is_fraud", "time_column": "time", "n_estimators": 60}
    figures = train(payments, TrainConfig(model="lgbm", **options)).figures
    assert figures["focal"]["average_precision"] > 0.25
    assert figures["rounds"]["focal"] > 5 and figures["rounds"]["cross_entropy"] > 5


def test_the_folder_predicts_as_the_estimator_did(trained, tmp_path):
    save_model(trained, tmp_path / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    rows = trained.predictions["row"]
    probability, unknown = load_model(tmp_path / "m").score_rows(table().iloc[rows])
    np.testing.assert_allclose(probability, trained.predictions["probability"], atol=1e-6)
    assert not unknown
    schema = json.loads((tmp_path / "m" / "schema.json").read_text())
    assert schema["positive"] == "yes"
    names = ["x [usd]", 'city, "home"']
    assert schema["columns"] == names and list(schema["outputs"]) == names
    if trained.config.model != "mlp":  # boosters refuse some characters
        names = ["x__usd_", "city___home_"]
    assert schema["feature_names"] == names
    manifest = read_manifest(tmp_path / "m")
    assert set(manifest.versions) > {"numpy", "pandas"}
    assert manifest.positive == "yes" and manifest.classes == ["no", "yes"]
    assert manifest.feature_names == ["x [usd]", 'city, "home"']


def test_the_model_file_is_right_without_focaltab(trained, tmp_path):
    save_model(trained, tmp_path / "m")
    if trained.config.model == "mlp":
        pytest.skip("a network's file needs focaltab")
    X = trained.features.transform(table())
    if trained.config.model == "xgb":
        booster = xgb.Booster(model_file=tmp_path / "m" / "xgboost.json")
        # Whose categories are whole numbers, by their places.
        for name in X.columns[X.dtypes == "category"]:
            X[name] = X[name].cat.rename_categories(range(len(X[name].cat.categories)))
        probability = booster.predict(xgb.DMatrix(X, enable_categorical=True))
    else:
        booster = lgb.Booster(model_file=tmp_path / "m" / "lightgbm.txt")
        probability = expit(booster.predict(X, raw_score=True))
    rows = trained.predictions["row"]
    np.testing.assert_allclose(probability[rows], trained.predictions["probability"], atol=1e-6)


def test_the_highest_scored_rows_are_kept_with_their_own_values(trained, tmp_path):
    save_model(trained, tmp_path / "m")
    top = pd.read_csv(tmp_path / "m" / "top_rows.csv")
    best = trained.predictions.nlargest(20, "probability")["row"]
    assert top["row"].tolist() == best.tolist()
    names = ["x [usd]", 'city, "home"']
    assert list(top.columns) == ["row", *names]
    expected = table().loc[best, names].reset_index(drop=True)
    pd.testing.assert_frame_equal(top[names], expected, check_dtype=False)


def test_a_feature_may_be_named_as_a_column_of_the_predictions(tmp_path):
    data = table(400).rename(columns={"x [usd]": "row", 'city, "home"': "probability"})
    result = train(data, config(n_estimators=2))
    save_model(result, tmp_path / "m")
    header = (tmp_path / "m" / "top_rows.csv").read_text().splitlines()[0]
    assert header == "row,row,probability,t"
    assert load_model(tmp_path / "m").text_columns == ["probability"]


def test_the_verdict_follows_the_interval():
    result = train(table(), config())
    for low, high, word in ((-0.1, 0.3, "no clear"), (0.1, 0.3, "helped"), (-0.3, -0.1, "hurt")):
        focal = result.figures["focal"] | {"average_precision": 0.5 + (low + high) / 2}
        plain = result.figures["cross_entropy"] | {"average_precision": 0.5}
        told = replace(
            result,
            figures=result.figures
            | {"focal": focal, "cross_entropy": plain, "difference": {"low": low, "high": high}},
        ).verdict
        assert word in told and f"{(low + high) / 2:+.4f} [{low:+.4f}, {high:+.4f}]" in told
        assert ("within the noise" in told) == (word == "no clear")
        assert told.startswith("Focal gamma=2: average precision ")


@pytest.mark.parametrize("n, told", [(24, True), (25, False)])
@pytest.mark.parametrize("rarer", ["positives", "negatives"])
def test_few_held_out_rows_of_a_class_give_no_verdict(n, told, rarer):
    rare = table()["label"].eq("yes").to_numpy().nonzero()[0][: 5 * n]
    common = table()["label"].eq("no").to_numpy().nonzero()[0][:800]
    data = table().iloc[np.sort(np.append(rare, common))]
    positive = "yes" if rarer == "positives" else "no"
    with warnings.catch_warnings():
        warnings.simplefilter("error", FewRowsWarning)
        result = train(data, config(n_estimators=3, positive=positive))
    held_out = result.figures["positives"]["test"]
    assert (held_out if rarer == "positives" else result.figures["rows"]["test"] - held_out) == n
    low, high = (0.1, 0.3)
    clear = replace(result, figures=result.figures | {"difference": {"low": low, "high": high}})
    assert (f"too few {rarer} to tell. Only {n} are held out" in clear.verdict) == told
    assert ("within the noise" in result.verdict or "here, by" in result.verdict) == (not told)


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
    with pytest.raises(UserError, match="no saved model"):
        load_model(tmp_path / "nowhere")
    save_model(trained, tmp_path / "m")
    model_file = tmp_path / "m" / "model.skops"
    model_file.write_text("broken")
    with pytest.raises(UserError, match=r"model\.skops is not the file that was saved"):
        load_model(tmp_path / "m")
    model_file.unlink()
    with pytest.raises(UserError, match=r"model\.skops belongs to the model"):
        load_model(tmp_path / "m")


def test_another_saved_model_is_no_folder_of_train(trained, tmp_path):
    focaltab.save(trained.model[-1], tmp_path / "m")
    with pytest.raises(UserError, match=r"read it with focaltab\.load"):
        load_model(tmp_path / "m")


def test_the_folder_is_a_saved_model_like_any_other(trained, tmp_path):
    save_model(trained, tmp_path / "m")
    model = focaltab.load(tmp_path / "m")
    rows = table().iloc[trained.predictions["row"]].iloc[:, ::-1]
    probability = model.predict_proba(rows.assign(other=1))
    np.testing.assert_allclose(probability[:, 1], trained.predictions["probability"], atol=1e-6)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    assert model.classes_.tolist() == ["no", "yes"]
    assert set(model.predict(rows)) <= {"no", "yes"}
    reference = Reference.from_dict(read_manifest(tmp_path / "m").reference)
    assert reference.n_rows == len(rows) and reference.positive == "yes"
    assert [column.name for column in reference.columns] == ["x [usd]", 'city, "home"']
    assert reference.mean_score == pytest.approx(trained.predictions["probability"].mean())


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
        ({"early_stopping_rounds": 0}, "--early-stopping-rounds"),
        ({"model": "mlp", "n_estimators": 3}, "with --model mlp use --max-epochs"),
        ({"max_epochs": 3}, "boosters have --n-estimators"),
        ({"learning_rate": np.inf}, "--learning-rate"),
        ({"random_state": -1}, "--random-state"),
        ({"time_column": "label"}, "'label' is the target"),
        ({"drop": ("label",)}, "'label' is the target"),
        ({"target": "row"}, "'row' has the name of another column of predictions.csv"),
        ({"target": "probability"}, "'probability' has the name of another column"),
        ({"target": "probability_cross_entropy"}, "has the name of another column"),
        ({"drop": ("zz",)}, "--drop names a column that is not there: 'zz'"),
        ({"time_column": "zz"}, "no time column 'zz'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(UserError, match=message):
        train(table(), config(**options))


def test_a_dropped_column_may_hold_anything():
    odd = table(400).assign(odd=np.inf, lists=[[1]] * 400)
    with pytest.raises(UserError, match=r"Infinite value \(inf\) in column 'odd'"):
        train(odd, config(n_estimators=2))
    result = train(odd, config(n_estimators=2, drop=("odd", "lists")))
    assert list(result.features.kinds_) == ["x [usd]", 'city, "home"', "t"]


def test_reasons_for_the_scores_of_a_loaded_folder(trained, tmp_path):
    if trained.config.model == "mlp":
        pytest.skip("only boosters are explained without background rows")
    save_model(trained, tmp_path / "m")
    model = focaltab.load(tmp_path / "m")
    rows = table()[["x [usd]", 'city, "home"']].head(100)
    explanation = focaltab.explain(model, rows)
    assert explanation.positive == "yes" and explanation.feature_names == list(rows.columns)
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(expit(total), model.predict_proba(rows)[:, 1], atol=1e-5)
    high = np.nanargmax(rows["x [usd]"])
    assert explanation.values[high, 0] > 0


def test_reasons_need_no_others_of_the_table_s_columns(trained, tmp_path):
    if trained.config.model == "mlp":
        pytest.skip("only boosters are explained without background rows")
    rows = table().head(20)
    with_others = focaltab.explain(trained.model, rows.assign(transaction="t"))
    without = focaltab.explain(trained.model, rows[list(trained.features.kinds_)])
    np.testing.assert_array_equal(with_others.values, without.values)
