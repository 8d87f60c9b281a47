"""Categories are whole numbers to the libraries, whatever they are called and however many."""

import json

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.pipeline import make_pipeline

SCRIPTS = {
    "cyrillic": ["\u0410", "\u0411", "\u0412", "\u0413"],
    "accents": ["é", "è", "ê", "ë"],
    "greek": ["\u03b1", "\u03b2", "\u03b3", "\u03b4"],
    "emoji": ["🍎", "🍏", "🍐", "🍊"],
    "mixed lengths": ["Zürich", "東京", "a", "Ålesund an der Nordsee"],
    "numbers": [30, 10, 20, 40],
    "fractions": [0.5, 0.25, 2.5, 1.0],
}
SHARES = np.array([0.02, 0.1, 0.6, 0.3])


def make(library, **options):
    options = {"n_estimators": 30, "n_jobs": 1, **options}
    if library == "lgbm":
        options = {"min_child_samples": 5, **options}
        return FocalLGBMClassifier(verbosity=-1, **options)
    model = FocalXGBClassifier(**options)
    return make_pipeline(model) if library == "pipeline" else model


def table(names, n=1200):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, n)
    X = pd.DataFrame({"x": rng.normal(size=n), "c": pd.Categorical.from_codes(codes, names)})
    return X, (rng.random(n) < SHARES[codes]).astype(int), codes


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("library", ["xgb", "lgbm", "pipeline"])
def test_each_category_has_its_own_share_in_any_script(library, script, tmp_path):
    names = SCRIPTS[script]
    X, y, codes = table(names)
    model = make(library).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    for k in range(4):
        chosen = codes == k
        assert abs(p[chosen].mean() - y[chosen].mean()) < 0.06
    turned = X.assign(c=X["c"].cat.reorder_categories(names[::-1]))
    np.testing.assert_array_equal(model.predict_proba(turned)[:, 1], p)
    one = X[codes == 2].assign(c=lambda rows: rows["c"].cat.remove_unused_categories())
    np.testing.assert_allclose(model.predict_proba(one)[:, 1], p[codes == 2], atol=1e-12)
    focaltab.save(model, tmp_path / "model")
    np.testing.assert_array_equal(focaltab.load(tmp_path / "model").predict_proba(turned)[:, 1], p)


@pytest.mark.parametrize("library", ["xgb", "lgbm"])
def test_more_categories_than_a_byte_can_count(library):
    rng = np.random.default_rng(0)
    names = [f"Straße {k}" for k in range(700)]
    codes = np.concatenate([np.arange(700), rng.integers(0, 700, 2000)])
    X = pd.DataFrame({"c": pd.Categorical.from_codes(codes, names)})
    y = (codes % 7 == 0).astype(int)
    rare = {"min_data_per_group": 1, "cat_smooth": 1.0, "min_child_samples": 1}
    options = rare if library == "lgbm" else {}
    model = make(library, min_child_weight=0.0, n_estimators=60, **options).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    turned = X.assign(c=X["c"].cat.reorder_categories(names[::-1]))
    np.testing.assert_array_equal(model.predict_proba(turned)[:, 1], p)
    assert p[y == 1].mean() > 2 * p[y == 0].mean()


def test_xgboosts_own_file_says_what_the_numbers_stand_for(tmp_path):
    names = SCRIPTS["cyrillic"]
    X, y, codes = table(names)
    model = make("xgb").fit(X, y)
    model.save_model(tmp_path / "model.json")
    booster = xgb.Booster(model_file=tmp_path / "model.json")
    said = json.loads(booster.attr("focaltab_columns"))
    assert said["names"] == ["x", "c"]
    ((place, (values, _)),) = said["categories"].items()
    assert (int(place), values) == (1, names)
    numbers = X.assign(c=pd.Categorical.from_codes(codes, range(4)))
    p = booster.predict(xgb.DMatrix(numbers, enable_categorical=True))
    np.testing.assert_allclose(p, model.predict_proba(X)[:, 1], atol=1e-6)
    again = FocalXGBClassifier()
    again.load_model(tmp_path / "model.json")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("stopping", [None, 3])
def test_lightgbms_own_file_reads_a_frame_by_value(stopping, tmp_path):
    names = SCRIPTS["cyrillic"]
    X, y, _ = table(names)
    model = make("lgbm", early_stopping_rounds=stopping, random_state=0).fit(X, y)
    model.booster_.save_model(tmp_path / "model.txt")
    import lightgbm as lgb

    booster = lgb.Booster(model_file=tmp_path / "model.txt")
    turned = X.assign(c=X["c"].cat.reorder_categories(names[::-1]))
    raw = model.predict_proba(X, raw_score=True)
    np.testing.assert_allclose(booster.predict(turned, raw_score=True), raw, atol=1e-12)


@pytest.mark.parametrize("library", ["xgb", "lgbm"])
def test_a_stock_pipeline_is_handed_numbers_too(library):
    """XGBoost's own class confuses short names beyond ASCII; behind the pipeline it sees none."""
    X, y, codes = table(SCRIPTS["cyrillic"])
    if library == "xgb":
        stock = xgb.XGBClassifier(n_estimators=30, n_jobs=1)
    else:
        import lightgbm as lgb

        stock = lgb.LGBMClassifier(n_estimators=30, n_jobs=1, verbosity=-1)
    p = make_pipeline(stock).fit(X, y).predict_proba(X)[:, 1]
    for k in range(4):
        assert abs(p[codes == k].mean() - y[codes == k].mean()) < 0.06


@pytest.mark.parametrize("library", ["xgb", "lgbm"])
def test_an_ordered_column_is_read_as_it_was_trained(library):
    X, y, _ = table(["low", "middle", "high", "top"])
    X["c"] = X["c"].cat.as_ordered()
    model = make(library).fit(X, y)
    p = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X.assign(c=X["c"].cat.as_unordered())), p)


@pytest.mark.parametrize("library", ["xgb", "lgbm"])
def test_a_category_of_another_kind_is_refused_at_fit(library):
    X, y, _ = table(list("abcd"))
    moments = X.assign(c=X["c"].cat.rename_categories(list(pd.date_range("2024", periods=4))))
    with pytest.raises(ValueError, match="Column 'c' holds the category Timestamp"):
        make(library).fit(moments, y)


def test_whole_numbers_are_read_by_value_from_xgboosts_own_file(tmp_path):
    """As positions they would be taken for the user's own numbers, without a word."""
    X, y, codes = table([1, 2, 3, 4])
    model = make("xgb").fit(X, y)
    model.save_model(tmp_path / "model.json")
    booster = xgb.Booster(model_file=tmp_path / "model.json")
    some = X[codes < 2].assign(c=lambda rows: rows["c"].cat.remove_unused_categories())
    p = booster.predict(xgb.DMatrix(some, enable_categorical=True))
    np.testing.assert_allclose(p, model.predict_proba(some)[:, 1], atol=1e-6)
    names = X.assign(c=X["c"].cat.rename_categories(["1", "2", "3", "4"]))
    with pytest.raises(xgb.core.XGBoostError, match="doesn't match"):
        booster.predict(xgb.DMatrix(names, enable_categorical=True))
