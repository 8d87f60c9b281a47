"""The raw objectives in every place that the libraries accept one."""

import pickle
import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from scipy.special import expit

from focaltab import FocalLoss, lightgbm_objective, xgboost_objective


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    y = (rng.random(3000) < expit(X[:, 0] - 3)).astype(int)
    return X, y, rng.random(3000) + 0.5


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_xgboost_train_and_stock_classifier_agree(data, link):
    X, y, weight = data
    objective = xgboost_objective(FocalLoss(2.0, 0.25, link=link))
    params = {"objective": "binary:logistic", "base_score": 0.05}
    booster = xgb.train(params, xgb.DMatrix(X, y, weight=weight), 10, obj=objective)
    model = xgb.XGBClassifier(
        n_estimators=10, objective=objective, base_score=0.05, tree_method="hist"
    )
    model.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        model.predict(X, output_margin=True),
        booster.predict(xgb.DMatrix(X), output_margin=True),
        atol=1e-4,
    )
    unweighted = xgb.train(params, xgb.DMatrix(X, y), 10, obj=objective)
    assert not np.allclose(
        unweighted.predict(xgb.DMatrix(X)), booster.predict(xgb.DMatrix(X)), atol=1e-4
    )


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_lightgbm_train_and_stock_classifier_agree(data, link):
    X, y, weight = data
    objective = lightgbm_objective(FocalLoss(2.0, 0.25, link=link))
    params = {"objective": objective, "verbosity": -1}
    booster = lgb.train(params, lgb.Dataset(X, y, weight=weight), 10)
    model = lgb.LGBMClassifier(n_estimators=10, objective=objective, verbosity=-1)
    model.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.predict(X, raw_score=True), booster.predict(X), atol=1e-6)
    unweighted = lgb.train(params, lgb.Dataset(X, y), 10)
    assert not np.allclose(unweighted.predict(X), booster.predict(X), atol=1e-4)


@pytest.mark.parametrize("make", [xgboost_objective, lightgbm_objective])
def test_objectives_pickle_to_another_process(make, data, tmp_path):
    _, y, _ = data
    margin = np.linspace(-5, 5, y.size).astype(np.float32)
    objective = make(FocalLoss(2.5, "balanced", link="logit"))
    gradient, hessian = objective(y, margin)
    payload = (objective, y, margin)
    (tmp_path / "in.pkl").write_bytes(pickle.dumps(payload))
    code = (
        "import pickle, numpy as np; o, y, z = pickle.load(open('in.pkl', 'rb'));"
        "np.save('out.npy', np.stack(o(y, z)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.stack([gradient, hessian]))


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_three_classes_in_train(data, link):
    X, _, _ = data
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
    loss = FocalLoss(2.0, link=link, n_classes=3)
    booster = xgb.train(
        {"objective": "multi:softprob", "num_class": 3},
        xgb.DMatrix(X, y),
        10,
        obj=xgboost_objective(loss),
    )
    margin = booster.predict(xgb.DMatrix(X), output_margin=True)
    assert np.mean(loss.predict_proba(margin).argmax(axis=1) == y) > 0.9
    params = {"objective": lightgbm_objective(loss), "num_class": 3, "verbosity": -1}
    raw = lgb.train(params, lgb.Dataset(X, y), 10).predict(X)
    assert np.mean(loss.predict_proba(raw).argmax(axis=1) == y) > 0.9


@pytest.mark.parametrize("make", [xgboost_objective, lightgbm_objective])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64, object])
@pytest.mark.parametrize("step", [1, 2])
def test_labels_that_are_changed_in_place_are_checked_again(make, dtype, step):
    n = 4099  # no whole number of words
    labels = np.zeros(n * step, dtype)[::step]
    labels[: n // 2] = 1
    objective, margins = make(FocalLoss(2.0)), np.zeros(n)
    objective(labels, margins)
    labels[:] = 1 - labels
    changed = objective(labels, margins)
    np.testing.assert_array_equal(changed, make(FocalLoss(2.0))(labels, margins))
    for place, value in ((0, 7), (n - 1, 2), (slice(0, 1024), -1), (slice(1, 2048, 2), -1)):
        before = labels.copy()
        labels[place] = value
        with pytest.raises(ValueError, match=rf"{value}(\.0)? is among them"):
            objective(labels, margins)
        labels[:] = before
        objective(labels, margins)
    if np.dtype(dtype).kind == "f":
        labels[5], labels[n - 6] = 0.5, 0.5
        with pytest.raises(ValueError, match=r"0\.5 is among them"):
            objective(labels, margins)


def test_labels_of_a_data_set_may_change_between_rounds(data):
    X, y, _ = data
    labels = y.astype(np.float32)
    objective, margins = lightgbm_objective(FocalLoss(2.0)), np.zeros(y.size)
    data_set = lgb.Dataset(X, labels).construct()
    own = data_set.get_label()
    for _ in range(3):
        objective(margins, data_set)
    own[7] = 3.0
    assert data_set.get_label() is own
    with pytest.raises(ValueError, match=r"3\.0 is among them"):
        objective(margins, data_set)


@pytest.mark.parametrize("make", [xgboost_objective, lightgbm_objective])
def test_wrong_labels_and_wrong_loss(make):
    for strange in (2, -1, 0.5, np.nan):
        with pytest.raises(ValueError, match=rf"{strange} is among them"):
            make(FocalLoss())(np.array([1, strange]), np.zeros(2))
    with pytest.raises(ValueError, match=r"0\.9 is among them"):
        make(FocalLoss(n_classes=3))(np.array([0.9, 2.0]), np.zeros((2, 3)))
    with pytest.raises(TypeError, match="FocalLoss"):
        make(2.0)
