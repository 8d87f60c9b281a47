"""What the commands for tables print, write and refuse."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from command_line import invoke

from focaltab import __version__
from focaltab.workflow import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A command run in the test's folder."""
    monkeypatch.chdir(tmp_path)
    return invoke


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    options = ["--rows", 20_000, "--prevalence", 0.01, "--out", "pay.parquet"]
    done = invoke("simulate", "fraud", *options, cwd=path)
    assert done.exit_code == 0, done.stderr
    return path


@pytest.mark.parametrize("model", ["xgb", "lgbm", pytest.param("mlp", marks=pytest.mark.slow)])
def test_train_then_predict(folder, model):
    if model == "mlp":
        pytest.importorskip("torch")
    out = f"model_{model}"
    done = invoke(
        "train",
        "pay.parquet",
        "--target",
        "is_fraud",
        "--time-column",
        "time",
        "--model",
        model,
        *(["--max-epochs", 8] if model == "mlp" else ["--n-estimators", 40]),
        "--drop",
        "customer_id",
        "--out",
        out,
        cwd=folder,
    )
    assert done.exit_code == 0, done.stderr
    assert "average precision" in done.stdout
    figures = json.loads((folder / out / "metrics.json").read_text())
    focal = figures["focal"]
    assert focal["average_precision"] > 5 * focal["prevalence"]
    assert focal["average_precision_low"] < focal["average_precision"]
    held_out = pd.read_csv(folder / out / "predictions.csv")
    assert len(held_out) == figures["rows"]["test"]
    page = (folder / out / "report.html").read_text(encoding="utf-8")
    assert ("--max-epochs 8" in page, "--n-estimators" in page) == (model == "mlp", model != "mlp")
    done = invoke("predict", out, "pay.parquet", "--out", f"scores_{model}.csv", cwd=folder)
    assert done.exit_code == 0, done.stderr
    scores = pd.read_csv(folder / f"scores_{model}.csv")["probability"].to_numpy()
    np.testing.assert_allclose(scores[held_out["row"]], held_out["probability"], atol=1e-6)


def test_each_bar_shows_the_time_of_its_own_fit(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("focaltab.cli._console.err.get_time", lambda: clock[0])

    def slow_between_fits(table, config, progress):
        for name in ("focal", "cross_entropy"):
            for told in ((0, 9), (4, 9), (4, 4)):
                progress(name, *told)
            clock[0] += 5.0
        raise UserError("no more")

    monkeypatch.setattr("focaltab.workflow.train", slow_between_fits)
    table().to_csv(tmp_path / "data.csv", index=False)
    arguments = ["train", tmp_path / "data.csv", "--target", "label", "--out", tmp_path / "m"]
    done = invoke(*arguments)
    bars = [line for line in done.stderr.splitlines() if "4/4" in line]
    assert [line.split()[0] for line in bars] == ["focal", "cross-entropy"]
    assert all(line.split()[-1] == "0:00:00" for line in bars)


def test_a_fit_that_hardly_learns_is_warned_of(tmp_path, here):
    noise = np.random.default_rng(0).normal(size=200)
    table(x=noise).to_csv(tmp_path / "data.csv", index=False)
    arguments = ["--target", "label", "--n-estimators", 30, "--learning-rate", 0.9]
    done = here("train", "data.csv", *arguments, "--out", "m")
    assert done.exit_code == 0, done.stderr
    rounds = json.loads((tmp_path / "m" / "metrics.json").read_text())["rounds"]
    assert 1 <= rounds["focal"] <= 3 and 1 <= rounds["cross_entropy"] <= 3
    counts = f"{rounds['focal']} (focal gamma=2), {rounds['cross_entropy']} (cross-entropy)"
    assert f"Best round: {counts} of at most 30." in done.stdout
    page = (tmp_path / "m" / "report.html").read_text(encoding="utf-8")
    assert counts in page
    for output in (done.stderr, page):
        assert "kept hardly any rounds of focal gamma=2 and of cross-entropy" in output


@pytest.mark.slow
def test_a_network_without_torch_says_how_to_get_it(folder, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    save = ["--target", "is_fraud", "--model", "mlp", "--max-epochs", 1, "--out", tmp_path / "m"]
    train = ["train", folder / "pay.parquet", *save]
    assert invoke(*train).exit_code == 0
    monkeypatch.setattr("focaltab._optional.find_spec", lambda name: None)
    score = ["predict", tmp_path / "m", folder / "pay.parquet", "--out", tmp_path / "s.csv"]
    for arguments, who in (([*train[:-1], tmp_path / "other"], "--model mlp"), (score, "/m")):
        done = invoke(*arguments)
        assert done.exit_code == 2
        assert f'{who} needs torch: pip install "focaltab[torch]"' in done.stderr


def test_options_of_the_other_models_are_refused(folder, tmp_path):
    pytest.importorskip("torch")
    for options, message in [
        (["--model", "mlp", "--n-estimators", 5], "with --model mlp use --max-epochs"),
        (["--max-epochs", 5], "boosters have --n-estimators"),
        (["--model", "mlp", "--max-epochs", 0], "--max-epochs must be at least 1"),
    ]:
        arguments = ["train", folder / "pay.parquet", "--target", "is_fraud", *options]
        done = invoke(*arguments, "--out", tmp_path / "m")
        assert done.exit_code == 2 and message in done.stderr


def test_demo(tmp_path):
    done = invoke("demo", "--rows", 30_000, cwd=tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "Done in" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], *(pytest.param(k, marks=pytest.mark.slow) for k in ([True, False], [1, 2]))],
)
def test_labels_of_any_type_say_which_is_positive(tmp_path, here, labels):
    rng = np.random.default_rng(0)
    positive = rng.random(600) < 0.2
    table = pd.DataFrame({"x": rng.normal(size=600) + positive})
    yes, no = (labels[1], labels[0]) if labels[0] is not True else (True, False)
    table["label"] = np.where(positive, yes, no)
    table.to_csv(tmp_path / "data.csv", index=False)
    done = here("train", "data.csv", "--target", "label", "--n-estimators", 5, "--out", "m")
    assert done.exit_code == 0, done.stderr
    assert f"Positive label: {yes}" in done.stdout


def table(**change):
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=200), "label": np.tile([0, 0, 0, 1], 50)}
    return pd.DataFrame(columns | change)


BAD = {
    "absent target": (table(), ["--target", "lable"], "Did you mean label"),
    "one class": (table(label=0), ["--target", "label"], "only one class"),
    "missing target": (table(label=[np.nan] + [0, 1] * 99 + [1]), ["--target", "label"], "row 0"),
    "continuous": (table(label=np.linspace(0, 1, 200)), ["--target", "label"], "continuous"),
    "infinite": (
        table(x=np.inf),
        ["--target", "label"],
        "Infinite value (inf) in column 'x', row 0",
    ),
    "mixed": (table(x=[1, 2, "oops", *range(197)]), ["--target", "label"], "'oops' in row 2"),
    "gamma": (table(), ["--target", "label", "--gamma", "-1"], "gamma"),
    "alpha": (table(), ["--target", "label", "--alpha", "1.5"], "alpha"),
    "positive": (table(), ["--target", "label", "--positive", "9"], "--positive"),
    "few": (table(label=[1] + [0] * 199), ["--target", "label"], "has 1 rows, but --test"),
    "too few": (table(label=[1] * 2 + [0] * 198), ["--target", "label"], "has 2 rows, but --test"),
    "gamma inf": (table(), ["--target", "label", "--gamma", "inf"], "gamma"),
    "alpha word": (table(), ["--target", "label", "--alpha", "heavy"], "--alpha"),
    "test size": (table(), ["--target", "label", "--test-size", "2"], "--test-size"),
    "time column": (table(), ["--target", "label", "--time-column", "when"], "time column 'when'"),
    "three labels": (table(label=[0, 1] * 99 + [2, 2]), ["--target", "label"], "different values"),
    "reserved": (table(row=[0, 1] * 100), ["--target", "row"], "'row' has the name of another"),
    "drop": (table(), ["--target", "label", "--drop", "z"], "'z'"),
    "categorical": (table(), ["--target", "label", "--categorical", "z"], "--categorical names"),
    "categorical target": (
        table(),
        ["--target", "label", "--categorical", "label"],
        "'label' is the target",
    ),
    "categorical and dropped": (
        table(),
        ["--target", "label", "--categorical", "x", "--drop", "x"],
        "--categorical 'x' is no feature",
    ),
    "no feature": (table(), ["--target", "label", "--drop", "x"], "No column is left"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_and_options(case, tmp_path):
    data, options, message = BAD[case]
    data.to_csv(tmp_path / "data.csv", index=False)
    done = invoke("train", "data.csv", *options, "--out", "m", cwd=tmp_path)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["data.csv"]


def test_bad_files(folder):
    (folder / "twice.csv").write_text("a,a,label\n1,2,0\n3,4,1\n")
    (folder / "broken.parquet").write_bytes(b"no parquet")
    for arguments, message in [
        (["nowhere.csv", "--target", "y", "--out", "m"], "There is no file"),
        (["twice.csv", "--target", "label", "--out", "m"], "'a' stands more than once"),
        (["broken.parquet", "--target", "label", "--out", "m"], "cannot be read"),
        (["pay.parquet", "--target", "is_fraud", "--out", "."], "exists already"),
    ]:
        done = invoke("train", *arguments, cwd=folder)
        assert (done.exit_code, "Traceback" in done.stderr) == (2, False)
        assert message in done.stderr
    assert not (folder / "m").exists()


def test_predict_names_missing_columns(tmp_path, here):
    table().to_csv(tmp_path / "data.csv", index=False)
    done = here("train", "data.csv", "--target", "label", "--n-estimators", 3, "--out", "m")
    assert done.exit_code == 0, done.stderr
    table().rename(columns={"x": "z"}).to_csv(tmp_path / "new.csv", index=False)
    done = here("predict", "m", "new.csv", "--out", "s.csv")
    assert done.exit_code == 2
    assert "x" in done.stderr and not (tmp_path / "s.csv").exists()


def test_numbers_among_categories_are_known_again(tmp_path, here):
    grades = ["a", "b", "c", "7", "8"] * 40
    table(grade=grades, label=[0, 0, 0, 1, 0] * 40).to_csv(tmp_path / "data.csv", index=False)
    done = here("train", "data.csv", "--target", "label", "--n-estimators", 20, "--out", "m")
    assert done.exit_code == 0, done.stderr
    (tmp_path / "new.csv").write_text("grade,x\n7,0\n,0\n7,0\n8,0\n")
    done = here("predict", "m", "new.csv", "--out", "s.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    probability = pd.read_csv(tmp_path / "s.csv")["probability"]
    assert probability[0] == probability[2] > probability[3] + 0.05
    pd.DataFrame({"grade": [7.0, np.nan, 7.0, 8.0], "x": 0}).to_parquet(tmp_path / "new.parquet")
    done = here("predict", "m", "new.parquet", "--out", "p.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    pd.testing.assert_series_equal(pd.read_csv(tmp_path / "p.csv")["probability"], probability)


def test_codes_are_names_where_the_user_says_so(tmp_path, here):
    """Codes that tell the classes by no order, some with leading zeros, one of them a word."""
    codes = [f"{code:03d}" for code in range(0, 230, 10)] + ["misc", "NA"]
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(codes), 1500)
    data = pd.DataFrame({"code": np.array(codes)[chosen], "label": (chosen % 5 == 2).astype(int)})
    data.to_csv(tmp_path / "data.csv", index=False)
    arguments = ["data.csv", "--target", "label", "--n-estimators", 20, "--out", "m"]
    done = here("train", *arguments)
    assert done.exit_code == 2
    assert "--categorical takes its values for names" in done.stderr
    done = here("train", *arguments, "--categorical", "code")
    assert done.exit_code == 0, done.stderr
    schema = json.loads((tmp_path / "m" / "schema.json").read_text())
    assert schema["categories"]["code"] == sorted(codes)
    assert "--categorical code" in (tmp_path / "m" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "new.csv").write_text("id,code\n0017,020\n2,030\nNA,NA\n,\n")
    done = here("predict", "m", "new.csv", "--keep", "id", "--out", "s.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    scores = pd.read_csv(tmp_path / "s.csv", dtype=str, keep_default_na=False)
    assert scores.columns.tolist() == ["row", "id", "probability"]
    assert scores["id"].tolist() == ["0017", "2", "NA", ""]
    high, low, named, missing = scores["probability"].astype(float)
    assert high > low + 0.1 and named != missing
    monitored = here("monitor", "m", "data.csv")
    assert monitored.exit_code == 0 and "code" in monitored.stdout, monitored.stderr


def test_whole_numbers_with_blanks_are_names_where_the_user_says_so(tmp_path, here):
    """A blank makes pandas read 7 as 7.0; both are the name 7."""
    codes = [7, 8, 9, None] * 50
    data = table(code=codes, label=[1, 0, 0, 0] * 50)
    data.to_parquet(tmp_path / "data.parquet")
    arguments = ["--target", "label", "--n-estimators", 5, "--categorical", "code", "--out", "m"]
    done = here("train", "data.parquet", *arguments)
    assert done.exit_code == 0, done.stderr
    schema = json.loads((tmp_path / "m" / "schema.json").read_text())
    assert schema["categories"] == {"code": ["7", "8", "9"]}
    pd.DataFrame({"code": [7, 8], "x": [0, 0]}).to_csv(tmp_path / "new.csv", index=False)
    done = here("predict", "m", "new.csv", "--keep", "x", "--out", "s.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    first, second = pd.read_csv(tmp_path / "s.csv")["probability"]
    assert first > second + 0.05
    # The same rows as another writer has them.
    data.assign(code=data["code"].astype(str)).to_csv(tmp_path / "decimals.csv", index=False)
    done = here("monitor", "m", "decimals.csv", "--out", "drift.json")
    assert done.exit_code == 0, done.stderr
    assert "large" not in done.stdout and "100.0%" not in done.stdout
    # Whole numbers beyond float64, one of them missing.
    ids = pd.array([12345678901234567, 12345678901234568, None], dtype="Int64")
    pd.DataFrame({"code": [7, 8, 9], "x": 0.0, "id": ids}).to_parquet(tmp_path / "ids.parquet")
    for name in ("ids.csv", "out.parquet"):
        done = here("predict", "m", "ids.parquet", "--keep", "id", "--out", name)
        assert (done.exit_code, done.stderr) == (0, "")
    kept = (tmp_path / "ids.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in kept[1:]] == [str(ids[0]), str(ids[1]), ""]
    again = pd.read_parquet(tmp_path / "out.parquet", dtype_backend="pyarrow")["id"]
    assert again[:2].tolist() == ids[:2].tolist() and again.isna()[2]
    for keep, message in (("z", "--keep names"), ("row", "'row' has the name of a column")):
        data.rename(columns={"label": "row"}).to_csv(tmp_path / "named.csv", index=False)
        done = here("predict", "m", "named.csv", "--keep", keep, "--out", "t.csv")
        assert (done.exit_code, "Traceback" in done.stderr) == (2, False)
        assert message in done.stderr
    done = here("train", "data.parquet", "--external-memory", *arguments[:-1], "n")
    assert done.exit_code == 2 and "store column 'code' as text" in done.stderr


def test_a_failed_report_loses_neither_the_figures_nor_the_model(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no fonts [here]\nand more")

    monkeypatch.setattr("focaltab.report.write_report", fail)
    table().to_csv(tmp_path / "data.csv", index=False)
    arguments = ["train", tmp_path / "data.csv", "--target", "label", "--n-estimators", 3]
    done = invoke(*arguments, "--out", tmp_path / "m")
    assert done.exit_code == 0
    assert "average precision" in done.stdout and "Written to" in done.stdout
    assert "report.html" not in done.stdout
    assert "Warning: the report could not be written (no fonts [here])" in done.stderr
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "SHA256SUMS",
        "manifest.json",
        "metrics.json",
        "model.skops",
        "predictions.csv",
        "schema.json",
        "top_rows.csv",
        "xgboost.json",
    ]


def test_the_printed_table_has_the_interval_and_no_skill(folder):
    out = "printed"
    arguments = ["--target", "is_fraud", "--n-estimators", 5, "--out", out]
    done = invoke("train", "pay.parquet", *arguments, cwd=folder)
    assert done.exit_code == 0, done.stderr
    focal = json.loads((folder / out / "metrics.json").read_text())["focal"]
    low, high = focal["average_precision_low"], focal["average_precision_high"]
    assert f"[{low:.4f}, {high:.4f}]" in done.stdout
    assert f"{focal['prevalence']:.5f}" in done.stdout.split("Held-out figures")[1]


@pytest.mark.slow
def test_a_file_of_another_locale_is_read_and_predicted_alike(tmp_path, here):
    data = table(label=np.where(np.arange(200) % 4, "None", "fraud"))
    data.to_csv(tmp_path / "dots.csv", index=False)
    data.to_csv(tmp_path / "commas.csv", index=False, sep=";", decimal=",")
    probability = []
    for name in ("dots", "commas"):
        arguments = [f"{name}.csv", "--target", "label", "--n-estimators", 5, "--out", name]
        done = here("train", *arguments)
        assert done.exit_code == 0, done.stderr
        assert "Positive label: fraud" in done.stdout
        assert ("Note: Decimal commas" in done.stderr) == (name == "commas")
        assert ("separated by semicolons" in done.stderr) == (name == "commas")
        done = here("predict", name, f"{name}.csv", "--out", f"{name}_s.csv")
        assert (done.exit_code, "Note: Decimal" in done.stderr) == (0, name == "commas")
        probability.append(pd.read_csv(tmp_path / f"{name}_s.csv")["probability"])
    pd.testing.assert_series_equal(*probability)


def test_options_are_checked_before_the_data_are_read(tmp_path):
    done = invoke("train", "no.csv", "--target", "y", "--gamma", "-1", "--out", "m", cwd=tmp_path)
    assert done.exit_code == 2 and "gamma" in done.stderr


def test_a_column_with_stray_words_can_be_dropped_as_advised(tmp_path, here):
    table(odd=[*map(str, range(199)), "oops"]).to_csv(tmp_path / "data.csv", index=False)
    arguments = ["train", "data.csv", "--target", "label", "--n-estimators", 3, "--out", "m"]
    done = here(*arguments)
    assert done.exit_code == 2 and "--drop" in done.stderr
    done = here(*arguments, "--drop", "odd")
    assert done.exit_code == 0, done.stderr
    # Neither the target nor a column that the model does not use is needed or looked at.
    new = table(odd=np.inf, extra=["1", "2", "oops", "4"] * 50).drop(columns="label")
    new.to_csv(tmp_path / "new.csv", index=False)
    done = here("predict", "m", "new.csv", "--out", "scores.parquet")
    assert done.exit_code == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 200


def test_predict_refuses_what_it_cannot_do(folder, tmp_path, here):
    (tmp_path / "there.csv").write_text("kept")
    data = folder / "pay.parquet"
    for arguments, message in [
        (["nowhere", data, "--out", "s.csv"], "no saved model"),
        (["nowhere", "no.csv", "--out", "s.csv"], "There is no file"),
        (["nowhere", data, "--out", "there.csv"], "exists already"),
        (["nowhere", data, "--out", "s.xlsx"], "ending must be"),
        (["nowhere", data, "--out", "no/s.csv"], "There is no folder"),
    ]:
        done = here("predict", *arguments)
        assert (done.exit_code, "Traceback" in done.stderr) == (2, False)
        assert message in done.stderr
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("there.csv", "kept")]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--rows", 10], "at least 1000"),
        (["--prevalence", 2], "prevalence"),
        (["--out", "x.doc"], "ending must be"),
    ],
)
def test_simulate_refuses(tmp_path, options, message):
    done = invoke("simulate", "fraud", "--out", "s.csv", *options, cwd=tmp_path)
    assert (done.exit_code, "Traceback" in done.stderr) == (2, False)
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_version():
    done = invoke("--version")
    assert (done.exit_code, done.stdout) == (0, f"focaltab {__version__}\n")


def test_whole_numbers_that_hardly_repeat_are_asked_about(tmp_path, here):
    data = table(
        **{"the id": range(200), "cents": [5, *range(100)] + [7] * 99, "few": [1, 2] * 100}
    )
    data.to_csv(tmp_path / "data.csv", index=False)
    arguments = ["data.csv", "--target", "label", "--n-estimators", 2, "--out"]
    done = here("train", *arguments, "m")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("hardly repeat") == 1
    assert "Column the id is used" in done.stdout and "with --drop 'the id'" in done.stdout
    page = (tmp_path / "m" / "report.html").read_text(encoding="utf-8")
    assert "<td>doubtful: the id</td>" in page
    done = here("train", *arguments, "m2", "--drop", "the id")
    assert "hardly repeat" not in done.stdout


def test_help_loads_no_booster(tmp_path):
    code = (
        "import sys, focaltab.cli; "
        "print([m for m in ('pandas', 'sklearn', 'xgboost', 'lightgbm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_common_positive_label_is_told_once_by_its_name(here):
    rng = np.random.default_rng(0)
    amount = rng.gamma(1.0, 80.0, 1500)
    label = np.where(amount + 80.0 * rng.normal(size=1500) > 260.0, "fraud", "legit")
    pd.DataFrame({"amount": amount, "label": label}).to_csv("pay.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of a label 1 that nobody knows
        done = here(
            *["train", "pay.csv", "--target", "label", "--positive", "legit", "--out", "model"],
            *["--n-estimators", 3],
        )
    assert done.exit_code == 0 and done.stderr.count("name it with --positive") == 1
