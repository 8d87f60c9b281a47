"""``focaltab monitor`` from files, for folders of train and of focaltab.save."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import invoke
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline as plain_pipeline
from sklearn.preprocessing import OneHotEncoder

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.pipeline import make_pipeline
from focaltab.workflow._monitor import monitor


def payments(n, seed, *, mean=80.0, city="Rome", share=1.0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "amount": rng.gamma(2.0, mean / 2.0, n),
            "hour": rng.integers(0, 24, n).astype(float),
            "city": rng.choice([city, "Oslo", "7"], n, p=[0.5, 0.3, 0.2]),
        }
    )
    table.loc[::9, "hour"] = np.nan
    risk = table["amount"] / 60 + 2.0 * (table["hour"] < 4) + rng.logistic(size=n)
    table["label"] = np.where(risk > 7, "fraud", "fine")
    kept = (table["label"] == "fraud") | (rng.random(n) < share)
    return table[kept].reset_index(drop=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitor")
    payments(8000, 0).to_csv(folder / "rows.csv", index=False)
    train = ["train", folder / "rows.csv", "--target", "label", "--n-estimators", 40]
    assert invoke(*train, "--out", folder / "trained").exit_code == 0
    rows = payments(20_000, 1)
    X, y = rows.drop(columns="label"), rows["label"]
    # Calibrated, as the estimate of a prevalence needs it.
    booster = FocalLGBMClassifier(n_estimators=30, min_child_samples=200, verbosity=-1)
    model = make_pipeline(booster, threshold=0.3, pos_label="fraud").fit(X, y)
    held = payments(20_000, 2)
    focaltab.save(model, folder / "saved", X=held.drop(columns="label"), y=held["label"])
    focaltab.save(model, folder / "bare")
    payments(4000, 3).to_csv(folder / "same.csv", index=False)
    payments(4000, 4, mean=200.0, city="Nice").to_csv(folder / "other.csv", index=False)
    payments(12_000, 5, share=0.25).to_csv(folder / "more.csv", index=False)
    return folder


@pytest.mark.parametrize("model", ["trained", pytest.param("saved", marks=pytest.mark.slow)])
def test_the_same_kind_of_rows_is_stable(folder, model):
    done = invoke("monitor", folder / model, folder / "same.csv", "--fail-on-drift")
    assert done.exit_code == 0, done.output
    assert "No column changed" in done.output and "scores are stable" in done.output
    assert "Not in the reference: label" in " ".join(done.output.split())


@pytest.mark.parametrize("model", ["trained", "saved"])
def test_columns_that_changed_are_named_and_can_fail_a_job(folder, model, tmp_path):
    arguments = ["monitor", folder / model, folder / "other.csv", "--target", "label"]
    done = invoke(*arguments, "--threshold", 0.3, "--out", tmp_path / "d.json")
    assert done.exit_code == 0, done.output
    assert "2 of 3 columns changed" in done.output
    assert "By the labels: prevalence" in done.output and "average precision" in done.output
    figures = json.loads((tmp_path / "d.json").read_text())
    levels = {row["column"]: row for row in figures["columns"]}
    assert levels["amount"]["level"] == "large" and levels["hour"]["level"] == "stable"
    # Every row of a city that nobody knew.
    assert levels["city"]["unseen"] == pytest.approx(0.5, abs=0.03)
    truth = pd.read_csv(folder / "other.csv")["label"].eq("fraud").mean()
    assert figures["prevalence_observed"] == truth
    assert invoke(*arguments, "--fail-on-drift").exit_code == 1


def test_the_model_s_own_threshold_must_move_where_positives_became_commoner(folder, tmp_path):
    done = invoke("monitor", folder / "saved", folder / "more.csv", "--out", tmp_path / "d.json")
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "d.json").read_text())
    _, low, high = figures["prevalence_estimated"].values()
    assert low < pd.read_csv(folder / "more.csv")["label"].eq("fraud").mean() < high
    assert figures["threshold"] == 0.3 and figures["moved_threshold"] < 0.3
    assert figures["label_shift_fits"] and "threshold" in done.output


def test_a_model_of_an_array_takes_columns_by_place(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = X[:, 0] > 1.5
    model = FocalXGBClassifier(n_estimators=5).fit(X, y)
    focaltab.save(model, tmp_path / "m", X=X, y=y)
    pd.DataFrame(X + np.array([0.0, 0.0, 3.0])).to_csv(tmp_path / "new.csv", index=False)
    done = invoke("monitor", tmp_path / "m", tmp_path / "new.csv")
    assert done.exit_code == 0, done.output
    assert "1 of 3 columns changed: 2 (PSI" in done.output


@pytest.mark.parametrize(
    "model, rows, options, message",
    [
        ("bare", "same.csv", [], "does not say what its rows looked like"),
        ("nowhere", "same.csv", [], "is no saved model"),
        ("saved", "nothing.csv", [], "There is no file"),
        ("saved", "short.csv", [], "lack 1 column(s) that the model was trained on: city"),
        ("saved", "words.csv", [], "'amount'"),
        ("saved", "same.csv", ["--target", "hour"], "the model knows the labels"),
        ("saved", "same.csv", ["--target", "other"], "no target column 'other'"),
        ("saved", "same.csv", ["--threshold", "1.5"], "strictly between 0 and 1"),
        ("saved", "same.csv", ["--out", "{folder}/same.csv"], "exists already"),
    ],
)
def test_bad_input(folder, model, rows, options, message):
    table = payments(50, 9)
    table.drop(columns="city").to_csv(folder / "short.csv", index=False)
    table.assign(amount="much").to_csv(folder / "words.csv", index=False)
    options = [option.format(folder=folder) for option in options]
    done = invoke("monitor", folder / model, folder / rows, *options)
    assert done.exit_code == 2, done.output
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_model_that_calls_no_row_positive_is_watched_without_its_threshold(folder, tmp_path):
    rows = payments(3000, 1)
    X, y = rows.drop(columns="label"), rows["label"]
    booster = FocalLGBMClassifier(n_estimators=3, verbosity=-1)
    model = make_pipeline(booster, threshold=1.0, pos_label="fraud").fit(X, y)
    focaltab.save(model, tmp_path / "never", X=X, y=y)
    done = invoke("monitor", tmp_path / "never", folder / "same.csv")
    assert done.exit_code == 0, done.output
    assert "prevalence is estimated" in done.output and "threshold" not in done.output


def test_labels_of_several_classes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=600)})
    labels = np.array(["x", "y", "z"])[rng.integers(0, 3, 600)]
    model = FocalXGBClassifier(n_estimators=2).fit(rows, labels)
    focaltab.save(model, tmp_path / "m", X=rows, y=labels)
    rows.assign(label=labels).to_csv(tmp_path / "rows.csv", index=False)
    done = invoke("monitor", tmp_path / "m", tmp_path / "rows.csv", "--target", "label")
    assert done.exit_code == 2 and "for two classes alone" in done.output


@pytest.mark.parametrize(
    "booster",
    [FocalXGBClassifier(n_estimators=5), FocalLGBMClassifier(n_estimators=5, verbosity=-1)],
    ids=["xgb", "lgbm"],
)
def test_a_booster_of_categories_reads_them_from_a_file(booster, tmp_path):
    rows = payments(3000, 1, city="Zürich").astype({"city": "category"})
    X, y = rows.drop(columns="label"), (rows["label"] == "fraud").to_numpy()
    focaltab.save(booster.fit(X, y), tmp_path / "m", X=X, y=y)
    payments(3000, 2, city="Zürich").to_csv(tmp_path / "same.csv", index=False)
    payments(3000, 2, city="Nice").to_csv(tmp_path / "other.csv", index=False)
    done = invoke("monitor", tmp_path / "m", tmp_path / "same.csv")
    assert done.exit_code == 0, done.output
    assert "No column changed" in done.output
    done = invoke("monitor", tmp_path / "m", tmp_path / "other.csv")
    assert done.exit_code == 0 and "1 of 3 columns changed: city" in done.output


@pytest.mark.parametrize("values", [[10, 20, 700], [0.5, 1.0, 2.0], [False, True]], ids=str)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "model",
    [
        FocalXGBClassifier(n_estimators=5),
        FocalLGBMClassifier(n_estimators=5, verbosity=-1),
        FixedThresholdClassifier(FocalLGBMClassifier(n_estimators=5, verbosity=-1), threshold=0.2),
        make_pipeline(FocalXGBClassifier(n_estimators=5)),
        plain_pipeline(
            ColumnTransformer(
                [("code", OneHotEncoder(handle_unknown="ignore"), ["code"])],
                remainder="passthrough",
            ),
            LogisticRegression(),
        ),
    ],
    ids=["xgb", "lgbm", "wrapped", "pipeline", "plain"],
)
def test_categories_that_are_no_text_are_scored_as_such(model, ending, values, tmp_path):
    if isinstance(model, FocalXGBClassifier) and type(values[-1]) is not int:
        pytest.skip("XGBoost knows categories of text and whole numbers alone")
    rows = payments(3000, 1)[["amount", "label"]]
    code = np.asarray(values)[(rows["amount"] // 7 % len(values)).astype(int)]
    X = pd.DataFrame({"code": pd.Categorical(code), "amount": rows["amount"].to_numpy()})
    y = (rows["label"] == "fraud").to_numpy() ^ (code == values[-1])
    focaltab.save(clone(model).fit(X, y), tmp_path / "m", X=X, y=y)
    file = tmp_path / f"rows.{ending}"
    table = X.assign(code=code, y=y)
    if ending == "csv":
        table.to_csv(file, index=False)
    else:
        table.to_parquet(file)
    figures = tmp_path / "figures.json"
    done = invoke("monitor", tmp_path / "m", file, "--target", "y", "--out", figures)
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text())
    expected = focaltab.load(tmp_path / "m").predict_proba(X)[:, 1].mean()
    assert found["mean_score"] == pytest.approx(float(expected), rel=1e-6)
    assert {row["psi"] for row in found["columns"]} == {0.0}


@pytest.mark.parametrize("kind", ["lgbm", "mlp"])
def test_rows_are_scored_in_their_order_and_strangers_as_missing(kind, tmp_path):
    rows = payments(2000, 1).astype({"city": "category"})
    X, y = rows.drop(columns="label"), (rows["label"] == "fraud").to_numpy()
    if kind == "lgbm":
        model = FocalLGBMClassifier(n_estimators=5, verbosity=-1)
    else:
        pytest.importorskip("torch")
        model = focaltab.FocalMLPClassifier((8,), max_iter=2, random_state=0)
    model.fit(X, y)
    held = X.astype({"city": object})
    held.loc[:4, "city"] = "Nowhere"
    held = held.astype({"city": "category"})
    focaltab.save(model, tmp_path / "m", X=held, y=y)
    table = held.astype({"city": str}).set_axis(np.arange(2000)[::-1] + 100)
    report = monitor(tmp_path / "m", table)
    assert report.score.psi == 0.0 and not report.drifted
