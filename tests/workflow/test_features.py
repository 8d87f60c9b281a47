"""The columns of a table through ``train``: one engine, the same as in Python."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.pipeline import TableFeatures, make_pipeline
from focaltab.workflow import TrainConfig, UserError, load_model, read_table, save_model, train


def table(n=100):
    moments = pd.date_range("1970-01-01", periods=n, freq="s")
    return pd.DataFrame(
        {
            "number": np.arange(n),
            "flag": np.arange(n) % 2 == 0,
            "maybe": pd.array([True, None] * (n // 2), dtype="boolean"),
            "when": moments.tz_localize("UTC"),
            "when_text": moments.astype(str),
            "city": ["Oslo", None, "Rome", "Oslo"] * (n // 4),
            "code": pd.Categorical([3, 5] * (n // 2)),
            "id": [f"u{i}" for i in range(n)],
            "fixed": 1,
            "empty": np.nan,
        }
    )


def features_of(frame, **options):
    """What a training run makes of the columns."""
    labelled = frame.assign(label=np.arange(len(frame)) % 3 == 0)
    return train(labelled, TrainConfig(target="label", n_estimators=1, **options)).features


def test_each_column_has_its_kind_and_what_is_left_out_says_why():
    features = features_of(table())
    assert features.kinds_ == {
        "number": "number",
        "flag": "number",
        "maybe": "number",
        "when": "date",
        "when_text": "date",
        "city": "category",
        "code": "category",
    }
    assert features.categories_ == {"city": ["Oslo", "Rome"], "code": ["3", "5"]}
    assert set(features.left_out_) == {"id", "fixed", "empty"}
    assert "identifier" in features.left_out_["id"]
    assert "identifier" in features.doubtful_["number"]
    assert features.outputs_["when"] == ["when_days"] and features.outputs_["city"] == ["city"]


def test_features_have_the_same_values_from_a_csv(tmp_path):
    source = table().drop(columns="empty")
    features = features_of(source)
    source.to_csv(tmp_path / "t.csv", index=False)
    read = read_table(tmp_path / "t.csv")
    actual = features.transform(read)
    pd.testing.assert_frame_equal(actual, features.transform(source))
    assert features.count_unseen(read) == {}
    np.testing.assert_allclose(actual["when_days"] * 86_400, np.arange(100), atol=1e-6)


GRADES = ["a", "b", "c", "7", "8", None]


def test_numbers_among_categories_are_found_however_they_are_written():
    features = features_of(pd.DataFrame({"grade": GRADES * 20, "x": np.arange(120)}))
    assert features.categories_["grade"] == ["7", "8", "a", "b", "c"]
    for written in (
        ["7", None, "8", None],
        [7.0, np.nan, 8.0, np.nan],
        pd.array([7, None, 8, None], dtype="Int64"),
        pd.Categorical([7, None, 8, None]),
        ["7.0", None, "8.0", None],
    ):
        new = pd.DataFrame({"grade": written, "x": [0, 1, 2, 3]})
        assert features.transform(new)["grade"].cat.codes.tolist() == [0, -1, 1, -1]
        assert not features.count_unseen(new)
    others = pd.DataFrame({"grade": [7.5, 9.0, np.nan, 8.0], "x": 0})
    assert features.count_unseen(others) == {"grade": 2}
    alike = features_of(pd.DataFrame({"v": ["7", "7.0", "07"] * 30}))
    assert alike.categories_["v"] == ["07", "7", "7.0"]


def test_a_csv_column_of_truth_values_is_a_number_with_and_without_blanks(tmp_path):
    for values in (["true", "false"], ["true", "", "false"], ["True", "False", ""]):
        frame = pd.DataFrame({"flag": values * 30, "x": np.arange(30 * len(values))})
        frame.to_csv(tmp_path / "t.csv", index=False)
        read = read_table(tmp_path / "t.csv")
        features = features_of(read)
        assert features.kinds_["flag"] == "number"
        expected = [{"t": 1.0, "f": 0.0}.get(v[:1].lower(), np.nan) for v in values]
        np.testing.assert_array_equal(features.transform(read)["flag"][: len(values)], expected)


def test_columns_match_by_name_and_others_are_ignored():
    features = features_of(table())
    shuffled = table().iloc[:, ::-1].assign(extra=np.inf)
    shuffled = pd.concat([shuffled, shuffled[["extra"]]], axis=1).drop(columns=["id", "fixed"])
    pd.testing.assert_frame_equal(features.transform(shuffled), features.transform(table()))


def test_unseen_categories_are_missing_and_counted():
    features = features_of(table())
    new = table().assign(city=["Bonn", None] * 50)
    assert features.count_unseen(new) == {"city": 50}
    assert features.transform(new)["city"].isna().all()


def test_dates_of_another_form_are_read_where_that_is_sure():
    features = features_of(table().assign(when=pd.date_range("2024-05-01", periods=100)))
    days = pd.date_range("2024-05-01", periods=100).strftime("%d/%m/%Y %H:%M")
    expected = features.transform(table().assign(when=pd.date_range("2024-05-01", periods=100)))
    pd.testing.assert_frame_equal(features.transform(table().assign(when=days)), expected)
    for values, message in (
        (["soon", "1970-01-01"] * 50, r"'when' held dates in training.*'soon' in row 0"),
        (["05/04/2024"] * 100, "'when' held dates in training.*cannot be told apart"),
    ):
        with pytest.raises(ValueError, match=message):
            features.transform(table().assign(when=values))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"number": "text"}, "'number' was numeric in training"),
        ({"number": np.inf}, r"Infinite value \(inf\) in column 'number', row 0"),
        ({"when": 7}, "'when' held dates in training, but numbers here"),
        ({"number": pd.Timestamp("2025-01-01")}, "'number' was numeric in training, but holds dat"),
        ({"number": pd.Timedelta("1h")}, "'number' was numeric in training, but holds durations"),
    ],
)
def test_other_kinds_of_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        features_of(table()).transform(table().assign(**change))


def test_a_name_that_stands_twice():
    twice = pd.concat([table(), table()[["number"]]], axis=1)
    with pytest.raises(ValueError, match="'number' stands more than once"):
        features_of(table()).transform(twice)


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match=r"lack 2 column\(s\).*flag, city"):
        features_of(table()).transform(table().drop(columns=["city", "flag"]))


def test_no_usable_column():
    with pytest.raises(UserError, match="No column is left"):
        features_of(table()[["id", "fixed", "empty"]])


def test_feature_names_are_ones_that_both_libraries_take():
    names = ["a b", "a_b", "price[usd]", "age<30", 'say "x":{y},', "größe"]
    features = features_of(pd.DataFrame({name: [1, 2] * 20 for name in names}))
    assert features.get_feature_names_out().tolist() == [
        "a_b",
        "a_b_",
        "price_usd_",
        "age_30",
        "say__x___y__",
        "größe",
    ]
    assert list(features.kinds_) == names


def payments(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(1.0, 80.0, n)),
            "city": rng.choice(["Осло", "Roma", "東京", None], n),
            "merchant": [f"m{k}" for k in rng.integers(0, 60, n)],
            "shelf": rng.choice([7, 12, 30], n),
            "when": pd.date_range("2025-01-01", periods=n, freq="h").astype(str),
            "id": [f"u{k}" for k in range(n)],
        }
    )
    risk = frame["amount"].fillna(0) / 80 + (frame["city"] == "Roma") + (frame["shelf"] == 12)
    return frame.assign(label=np.where(risk + rng.normal(size=n) > 3.2, "bad", "fine"))


@pytest.mark.parametrize("kind", [FocalXGBClassifier, FocalLGBMClassifier])
def test_train_and_python_give_the_same_probabilities(kind, tmp_path):
    """The same options on the same rows: one model, however it was asked for."""
    data, new = payments(), payments(300, seed=1).drop(columns=["label", "id"])
    options = {"n_estimators": 15, "random_state": 3}
    name = "xgb" if kind is FocalXGBClassifier else "lgbm"
    config = TrainConfig(
        "label", model=name, gamma=2.0, positive="bad", categorical=("shelf",), **options
    )
    result = train(data, config)
    save_model(result, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    rows = result.predictions["row"].to_numpy()
    kept = np.setdiff1d(np.arange(len(data)), rows)
    of_library = {} if name == "xgb" else {"min_child_weight": 1.0, "verbosity": -1}
    booster = kind(
        focal_gamma=2.0, learning_rate=0.1, early_stopping_rounds=50, **options, **of_library
    )
    model = make_pipeline(booster, categorical=("shelf",), pos_label="bad", random_state=3)
    X = data.drop(columns="label")
    model.fit(X.iloc[kept], data["label"].iloc[kept])
    expected = model.predict_proba(new)[:, 0]
    assert result.features.kinds_["merchant"] == "text"
    for table in (new, new.iloc[:, ::-1].assign(shelf=new["shelf"].astype(float), more="x")):
        np.testing.assert_allclose(loaded.score_rows(table)[0], expected, rtol=0, atol=1e-12)
    # From a file, by the command's way of reading it.
    new.to_csv(tmp_path / "new.csv", index=False)
    read = read_table(
        tmp_path / "new.csv", text_columns=loaded.text_columns, names=loaded.odd_names
    )
    np.testing.assert_allclose(loaded.score_rows(read)[0], expected, rtol=0, atol=1e-12)


def test_a_saved_model_can_be_cloned_and_fitted_anew(tmp_path):
    data = payments()
    config = TrainConfig("label", positive="bad", categorical=("shelf",), n_estimators=5)
    save_model(train(data, config), tmp_path / "m")
    model = focaltab.load(tmp_path / "m")
    again = clone(model)
    before = {k: v for k, v in again.get_params().items() if not hasattr(v, "fit")}
    X, y = data.drop(columns=["label", "id"]), data["label"]
    again.fit(X, y)
    after = {k: v for k, v in again.get_params().items() if not hasattr(v, "fit")}
    assert {k: v for k, v in after.items() if k != "steps"} == {
        k: v for k, v in before.items() if k != "steps"
    }
    assert again[0].kinds_["shelf"] == "category" and model[0].kinds_ == again[0].kinds_
    assert isinstance(again[0], TableFeatures) and again[1].pos_label == "bad"
    assert model.classes_.tolist() == again.classes_.tolist() == ["bad", "fine"]
    renamed = clone(model).set_params(model__pos_label=None)
    renamed.fit(X.rename(columns={"amount": "price"}), y == "bad")
    assert "price" in renamed[0].kinds_ and renamed.classes_.tolist() == [False, True]


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [False, True], ["no", "yes"], [1, 2]])
def test_a_model_gives_the_labels_of_its_table(labels, tmp_path):
    data = payments(600)
    data["label"] = np.array(labels)[(data["label"] == "bad").to_numpy(int)]
    result = train(data, TrainConfig("label", n_estimators=2, positive=str(labels[1])))
    save_model(result, tmp_path / "m")
    model = focaltab.load(tmp_path / "m")
    assert model.classes_.tolist() == labels
    assert set(model.predict(data).tolist()) <= set(labels)
    score = model.predict_proba(data.iloc[result.predictions["row"]])[:, 1]
    np.testing.assert_allclose(score, result.predictions["probability"], atol=1e-6)
