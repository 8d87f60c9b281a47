import warnings

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from xgboost import XGBClassifier

from focaltab._compat.xgboost import (
    BOOSTER,
    OVERRIDDEN,
    first_rounds,
    n_rounds_used,
    set_booster,
    stored_categories,
    without_categories,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 3))
y = (X[:, 0] + rng.normal(size=300) > 0.8).astype(int)
FEW = {"n_estimators": 8, "n_jobs": 1, "random_state": 0}


def test_a_classifier_predicts_with_the_booster_that_it_is_given():
    model = XGBClassifier(**FEW).fit(X, y)
    assert vars(model)[BOOSTER] is model.get_booster()
    shorter = model.get_booster()[:3]
    expected = model.predict_proba(X, iteration_range=(0, 3))
    set_booster(model, shorter)
    assert model.get_booster() is shorter
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_the_rounds_that_count_end_with_the_best():
    assert n_rounds_used(XGBClassifier(**FEW).fit(X, y)) in (0, 8)
    stopped = XGBClassifier(n_estimators=200, early_stopping_rounds=2, n_jobs=1, learning_rate=1.0)
    stopped.fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)
    assert n_rounds_used(stopped) == stopped.best_iteration + 1
    assert n_rounds_used(stopped) < stopped.get_booster().num_boosted_rounds()


def test_a_fit_goes_by_what_is_overridden():
    assert OVERRIDDEN == ("_create_dmatrix", "_wrapper_params")
    made = []

    class Watched(XGBClassifier):
        def __init__(self, own=1, **kwargs):
            super().__init__(**kwargs)
            self.own = own

        def _create_dmatrix(self, ref, **kwargs):
            matrix = super()._create_dmatrix(ref=ref, **kwargs)
            made.append((matrix, ref, kwargs))
            return matrix

        def _wrapper_params(self):
            return {*super()._wrapper_params(), "own"}

    weight = rng.uniform(0.5, 1.5, 300)
    model = Watched(**FEW, own=7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y, sample_weight=weight, eval_set=[(X[:50], y[:50])], verbose=False)
    (training, _, rows), (_, reference, others) = made
    assert made[0][1] is None and reference is training
    assert rows["data"] is X and others["data"].shape == (50, 3)
    np.testing.assert_array_equal(rows["label"], y)
    np.testing.assert_array_equal(rows["weight"], weight)
    # What focaltab hands to a matrix of its own.
    assert {"missing", "enable_categorical", "feature_weights", "feature_types"} <= rows.keys()
    assert "own" in model.get_params() and "own" not in model.get_xgb_params()


def _colours(names):
    codes = np.arange(120) % 3
    frame = pd.DataFrame({"c": pd.Categorical.from_codes(codes, names), "x": codes * 0.0})
    return frame, (codes == 1).astype(int)


def _booster(names, **options):
    X, y = _colours(names)
    model = xgb.XGBClassifier(n_estimators=4, enable_categorical=True, **options)
    return model.fit(X, y).get_booster()


@pytest.mark.parametrize("names", [["red", "green", "blue"], [10, 20, 30]])
def test_categories_that_a_booster_keeps(names):
    found, plain = stored_categories(_booster(names))
    assert plain is None
    assert found.to_pylist() == names


@pytest.mark.parametrize("options", [{}, {"booster": "dart"}])
def test_a_booster_without_categories_takes_them_by_place(options):
    names = ["red", "green", "blue"]
    named = _booster(names, **options)
    X, _ = _colours(names)
    numbers, _ = _colours(range(3))
    expected = named.predict(xgb.DMatrix(X, enable_categorical=True))
    plain = without_categories(named)
    found = plain.predict(xgb.DMatrix(numbers, enable_categorical=True))
    np.testing.assert_array_equal(found, expected)


def test_the_first_rounds_keep_the_categories():
    names = ["red", "green", "blue"]
    kept = first_rounds(_booster(names), 2)
    assert kept.num_boosted_rounds() == 2
    assert stored_categories(kept)[0].to_pylist() == names
    X, _ = _colours(names[::-1])
    turned = X.assign(c=X["c"].cat.reorder_categories(names))
    predicted = [kept.predict(xgb.DMatrix(one, enable_categorical=True)) for one in (X, turned)]
    np.testing.assert_array_equal(*predicted)
