"""Boosters as ONNX: the same probabilities, also where a float32 would take the other branch."""

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from export_rows import session_of, with_strangers

from focaltab import FocalLGBMClassifier, FocalXGBClassifier, HardNegativeSampling
from focaltab._compat.lightgbm import evaluation_arguments
from focaltab.export import onnx_inputs, to_onnx
from focaltab.pipeline import make_pipeline

LIBRARIES = ["xgb", "lgbm"]


def make(library, **parameters):
    parameters = {"n_estimators": 15, "n_jobs": 1, "random_state": 0, **parameters}
    if library == "xgb":
        return FocalXGBClassifier(**parameters)
    return FocalLGBMClassifier(**{"verbosity": -1, "min_child_samples": 5, **parameters})


def stock(library, **parameters):
    parameters = {"n_estimators": 15, "n_jobs": 1, "random_state": 0, **parameters}
    if library == "xgb":
        return xgb.XGBClassifier(**parameters)
    return lgb.LGBMClassifier(**{"verbosity": -1, "min_child_samples": 5, **parameters})


def thresholds(model):
    """Some splits of each feature: (feature, value)."""
    if hasattr(model, "get_booster"):
        table = model.get_booster().trees_to_dataframe()
        table = table[table["Feature"] != "Leaf"]
        return [(int(f[1:]), v) for f, v in zip(table["Feature"], table["Split"], strict=True)]
    found = []

    def walk(node):
        if "split_feature" in node:
            found.append((node["split_feature"], node["threshold"]))
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in model.booster_.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    return found


def on_the_edge(model, X, seed=0):
    """Rows whose values are splits, or the doubles beside them."""
    rng = np.random.default_rng(seed)
    X, splits = X.copy(), thresholds(model)
    for row in range(0, len(X), 2):
        feature, value = splits[rng.integers(len(splits))]
        X[row, feature] = rng.choice(
            [value, np.nextafter(value, -np.inf), np.nextafter(value, np.inf)]
        )
    return X


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("link", ["logit", "focal"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_arrays_of_close_doubles(library, link, n_classes, arrays, agrees):
    X, y, new = arrays
    model = make(library, link=link, focal_gamma=2.0).fit(X, y[n_classes])
    agrees(model, on_the_edge(model, new))


def test_float32_would_take_other_branches(arrays):
    # What the doubles of LightGBM's graph are for.
    X, y, new = arrays
    model = make("lgbm").fit(X, y[2])
    rounded = model.predict_proba(new.astype(np.float32))
    assert (np.abs(rounded - model.predict_proba(new)).max(axis=1) > 1e-3).mean() > 0.1


LOSSES = {
    "cross-entropy": {"focal_gamma": 0.0},
    "pair": {"focal_gamma": (3.0, 0.5), "link": "focal"},
    "alpha": {"focal_gamma": 1.5, "focal_alpha": 0.8, "link": "focal"},
    "balanced": {"focal_alpha": "balanced", "link": "focal"},
    "large gamma": {"focal_gamma": 8.0, "link": "focal"},
    "early stopping": {"n_estimators": 300, "early_stopping_rounds": 3},
    "class weight": {"class_weight": "balanced"},
    "sampling": {"sampling": HardNegativeSampling(negatives_per_positive=3)},
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_losses_and_ways_to_train(library, loss, arrays, agrees):
    X, y, new = arrays
    agrees(make(library, **LOSSES[loss]).fit(X, y[2]), new)


@pytest.mark.parametrize("link", ["logit", "focal"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_of_several_classes(library, link, arrays, agrees):
    X, y, new = arrays
    model = make(library, focal_gamma=3.0, focal_alpha=[1.0, 2.0, 3.0, 0.5], link=link)
    agrees(model.fit(X, y[4]), new)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("link", ["logit", "focal"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_with_categories(library, link, n_classes, frames, agrees):
    X, score, new = frames
    if n_classes == 2:
        y = np.where(score > 3.0, "a fraud", "fine")  # sorted before the other label
        options = {"pos_label": "a fraud"}
    else:
        y, options = np.array(["low", "mid", "top"])[np.digitize(score, [0.0, 3.0])], {}
    model = make(library, link=link, **options).fit(X, y)
    agrees(model, new)


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
def test_strange_categories_count_as_missing(library, one_hot, frames, agrees):
    X, score, new = frames
    options = {"max_cat_to_onehot": 100 if one_hot else 2}
    model = make(library, **options, max_depth=6).fit(X, score > 3.0)
    strange, gaps = with_strangers(new, ["country", "merchant", "shelf"], np.random.default_rng(0))
    assert np.abs(model.predict_proba(gaps) - model.predict_proba(new)).max() > 0.01
    # XGBoost refuses strangers, LightGBM takes them for missing.
    agrees(model, strange, python_X=gaps if library == "xgb" else strange)


def test_inputs_are_the_columns(frames):
    X, score, _ = frames
    session = session_of(to_onnx(make("lgbm", n_estimators=3).fit(X, score > 3.0)))
    kinds = {i.name: (i.type, i.shape) for i in session.get_inputs()}
    assert list(kinds) == list(X.columns)
    assert kinds["amount"] == ("tensor(double)", ["n_rows", 1])
    assert kinds["country"] == ("tensor(string)", ["n_rows", 1])
    assert kinds["shelf"] == ("tensor(double)", ["n_rows", 1])


def test_empty_text_may_be_a_category(frames):
    X, score, _ = frames
    model = make("lgbm").fit(X[["country", "amount"]], score > 3.0)
    session = session_of(to_onnx(model))
    row = X[["country", "amount"]].head(2).copy()
    row["country"] = pd.Categorical(["", None], categories=X["country"].cat.categories)
    text = onnx_inputs(session, row)["country"].ravel()
    assert text[0] == "" and text[1] != ""
    np.testing.assert_allclose(
        session.run(None, onnx_inputs(session, row))[0], model.predict_proba(row), atol=1e-6
    )


STOCK = {
    "xgb binary": ("xgb", 2, {}),
    "xgb several": ("xgb", 4, {}),
    "xgb softmax": ("xgb", 4, {"objective": "multi:softmax"}),
    "xgb dart": ("xgb", 2, {"booster": "dart", "rate_drop": 0.3}),
    "xgb forest": ("xgb", 4, {"num_parallel_tree": 3, "subsample": 0.5, "n_estimators": 10}),
    "xgb base score": ("xgb", 2, {"base_score": 0.1}),
    "xgb exact": ("xgb", 2, {"tree_method": "exact", "gamma": 2.0}),
    "lgbm binary": ("lgbm", 2, {}),
    "lgbm several": ("lgbm", 4, {}),
    "lgbm one against all": ("lgbm", 4, {"objective": "multiclassova"}),
    "lgbm steep": ("lgbm", 2, {"sigmoid": 0.7}),
    "lgbm forest": ("lgbm", 2, {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}),
    "lgbm dart": ("lgbm", 2, {"boosting_type": "dart"}),
    "lgbm zero missing": ("lgbm", 2, {"zero_as_missing": True}),
    "lgbm no missing": ("lgbm", 2, {"use_missing": False}),
    "lgbm cross entropy": ("lgbm", 2, {"objective": "cross_entropy"}),
}


@pytest.mark.parametrize("case", STOCK)
def test_stock_classes(case, arrays, agrees):
    library, n_classes, options = STOCK[case]
    X, y, new = arrays
    X, new = X.copy(), new.copy()
    X[::7, 0], new[::5, 0] = 0.0, 0.0
    new[1::5, 0] = -0.0
    new[2::25, 0] = 1e-36
    agrees(stock(library, **options).fit(X, y[n_classes]), new)


@pytest.mark.parametrize("library", LIBRARIES)
def test_stock_classes_with_categories_and_early_stopping(library, frames, agrees):
    X, score, new = frames
    y = (score > 3.0).astype(int)
    if library == "xgb":
        model = stock(library, n_estimators=200, early_stopping_rounds=3, enable_categorical=True)
        model.fit(X[:2000], y[:2000], eval_set=[(X[2000:], y[2000:])], verbose=False)
        assert model.best_iteration < 190
    else:
        model = stock(library, n_estimators=200)
        model.fit(
            X[:2000],
            y[:2000],
            **evaluation_arguments([(X[2000:], y[2000:])]),
            callbacks=[lgb.early_stopping(3, verbose=False)],
        )
        assert 0 < model.best_iteration_ < 190
    agrees(model, new)


def test_missing_where_training_had_none(arrays, agrees):
    # LightGBM then takes a missing number for zero.
    X, y, new = arrays
    agrees(make("lgbm").fit(np.nan_to_num(X, nan=0.6), y[2]), new)
    agrees(make("xgb").fit(np.nan_to_num(X, nan=0.6), y[2]), new)


def test_a_number_that_means_missing(arrays, agrees):
    X, y, new = arrays
    model = stock("xgb", missing=-999.0).fit(np.nan_to_num(X, nan=-999.0), y[2])
    agrees(model, np.nan_to_num(new, nan=-999.0))


def test_numbers_as_categories_of_an_array(arrays, agrees):
    X, y, new = arrays
    rng = np.random.default_rng(0)
    codes, new_codes = rng.integers(0, 30, len(X)), rng.integers(-3, 40, len(new)) + 0.0
    new_codes[::3] += rng.choice([0.0, 0.5, -0.4], len(new_codes[::3]))
    X, new = np.column_stack([codes, X]), np.column_stack([new_codes, new])
    y = ((codes % 3 == 0) ^ (y[2] == 1)).astype(int)
    model = make("lgbm", categorical_feature=[0]).fit(X, y)
    agrees(model, new)
    model = stock("xgb", feature_types=["c"] + ["q"] * 5, enable_categorical=True).fit(X, y)
    new[:, 0] = np.abs(np.floor(new[:, 0]))
    agrees(model, new)


@pytest.mark.parametrize("library", LIBRARIES)
def test_trees_without_splits(library, agrees):
    X = np.ones((200, 2))
    y = (np.arange(200) % 4 == 0).astype(int)
    agrees(make(library, n_estimators=3).fit(X, y), np.array([[1.0, 1.0], [np.nan, 2.0]]))


@pytest.mark.parametrize("labels", [[False, True], [3, 10], [1.0, 2.0], ["a", "b"]])
def test_types_of_labels(labels, arrays):
    X, y, new = arrays
    model = make("xgb", n_estimators=5).fit(X, np.array(labels)[y[2]])
    session = session_of(to_onnx(model))
    _, said = session.run(None, onnx_inputs(session, new[:500]))
    assert said.tolist() == model.predict(new[:500]).tolist()


def test_a_pickled_and_a_loaded_model(arrays, frames, agrees, tmp_path):
    import pickle

    X, score, new = frames
    for library in LIBRARIES:
        model = make(library, link="focal").fit(X, score > 3.0)
        agrees(pickle.loads(pickle.dumps(model)), new)
    X, y, new = arrays
    model = make("xgb", link="focal").fit(X, np.array(["no", "yes"])[y[2]])
    model.save_model(tmp_path / "model.ubj")
    loaded = FocalXGBClassifier()
    loaded.load_model(tmp_path / "model.ubj")
    agrees(loaded, new)


@pytest.mark.parametrize("library", LIBRARIES)
def test_categories_beyond_ascii(library, agrees):
    """XGBoost's own list of them is cut short: "Züric", that any other reader takes for a name."""
    rng = np.random.default_rng(0)
    names = ["Rome", "Zürich", "Oslo", "東京"]
    place = rng.integers(0, 4, 4000)
    X = pd.DataFrame({"c": pd.Categorical.from_codes(place, names), "x": rng.normal(size=4000)})
    y = np.array([0.05, 0.5, 0.1, 0.3])[place] > rng.random(4000)
    agrees(make(library).fit(X, y), X)
    agrees(make_pipeline(make(library), threshold=0.3).fit(X.astype({"c": object}), y), X)


def test_stock_xgboost_whose_categories_are_cut_short_is_refused():
    place = np.arange(400) % 2
    X = pd.DataFrame({"c": pd.Categorical.from_codes(place, ["Rome", "Zürich"])})
    model = xgb.XGBClassifier(n_estimators=2, enable_categorical=True).fit(X, place)
    with pytest.raises(ValueError, match="categories of column 'c' short"):
        to_onnx(model)
