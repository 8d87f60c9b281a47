"""What both estimators promise, checked on both libraries and both links."""

import pickle
import subprocess
import sys

import joblib
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier, xgboost_objective
from focaltab.losses import ClassBalanced, FocalLoss

LIBRARIES = ["xgb", "lgbm"]
LINKS = ["logit", "focal"]


def make(library, **parameters):
    if library == "xgb":
        return FocalXGBClassifier(**parameters)
    return FocalLGBMClassifier(**{"verbosity": -1, **parameters})


def stock(library, **parameters):
    if library == "xgb":
        return xgb.XGBClassifier(**parameters)
    return lgb.LGBMClassifier(**{"verbosity": -1, **parameters})


@pytest.fixture(scope="module")
def rare():
    """Rows with a known probability of being positive, about 1 in 25."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8000, 5))
    probability = expit(-4.0 + 1.5 * X[:, 0] + X[:, 1] * X[:, 2])
    return X, (rng.random(8000) < probability).astype(int), probability


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
def test_gamma_zero_equals_the_built_in_objective(library, weighted, rare):
    X, y, _ = rare
    weight = np.random.default_rng(1).random(y.size) + 0.1 if weighted else None
    ours = make(library, focal_gamma=0.0, n_estimators=60).fit(X, y, sample_weight=weight)
    theirs = stock(library, n_estimators=60).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_gamma_zero_equals_the_built_in_softmax_of_lightgbm(rare):
    X, _, _ = rare
    y = (X[:, 0] > 1).astype(int) + (X[:, 1] > 1.5)
    ours = make("lgbm", focal_gamma=0.0, n_estimators=20).fit(X, y)
    theirs = stock("lgbm", n_estimators=20).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("gamma", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("alpha", [0.05, 0.25, 0.75])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_probabilities_are_calibrated_where_the_margin_is_not(library, link, alpha, gamma):
    """Six cells of known probability: the model can reach it, so it must.

    A row of each class and cell, weighted by how many there are.
    """
    known = np.array([0.002, 0.01, 0.03, 0.08, 0.2, 0.5])
    n_rows = 60_000 * np.array([0.5, 0.2, 0.15, 0.1, 0.04, 0.01])
    X = np.repeat(np.arange(6.0), 2)[:, None]
    y = np.tile([0, 1], 6)
    weight = np.column_stack([n_rows * (1.0 - known), n_rows * known]).ravel()
    smallest = {} if library == "xgb" else {"min_child_samples": 1, "min_data_in_bin": 1}
    model = make(
        library,
        focal_gamma=gamma,
        focal_alpha=alpha,
        link=link,
        n_estimators=200,
        learning_rate=0.2,
        reg_lambda=0.0,
        min_child_weight=0.0,
        **smallest,
    ).fit(X, y, sample_weight=weight)
    probability = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(probability[::2], known, rtol=0.02)
    mean = np.average(probability, weights=weight)
    assert mean == pytest.approx(np.average(y, weights=weight), rel=0.01)
    margin = FocalLoss(gamma, alpha).link(probability)
    assert abs(np.average(expit(margin), weights=weight) / mean - 1.0) > 0.05


@pytest.mark.parametrize("library", LIBRARIES)
def test_native_file_needs_no_focaltab(library, rare, tmp_path):
    X, y, _ = rare
    model = make(library, focal_gamma=2.0, focal_alpha=0.25, n_estimators=30).fit(X, y)
    np.save(tmp_path / "X.npy", X)
    if library == "xgb":
        model.get_booster().save_model(tmp_path / "model.json")
        score = "import xgboost as b; p = b.Booster(model_file='model.json').predict(b.DMatrix(X))"
    else:
        model.booster_.save_model(tmp_path / "model.txt")
        score = (
            "import lightgbm as b; r = b.Booster(model_file='model.txt').predict(X, raw_score=True)"
            "; p = 1 / (1 + np.exp(-r))"
        )
    code = f"import sys, numpy as np; X = np.load('X.npy'); {score}; np.save('p.npy', p); "
    code += "assert 'focaltab' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "p.npy"), model.predict_proba(X)[:, 1], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_labels_of_any_type(library, link, rare):
    X, y, _ = rare
    base = make(library, n_estimators=5, link=link).fit(X, y)
    for labels in (
        np.array(["no", "yes"]),
        np.array([False, True]),
        np.array([1, 2]),
        np.array([-1.0, 1.0]),
        pd.Index(["no", "yes"], dtype="str"),
    ):
        model = make(library, n_estimators=5, link=link).fit(X, labels[y])
        np.testing.assert_array_equal(model.classes_, np.asarray(labels))
        np.testing.assert_array_equal(model.predict_proba(X), base.predict_proba(X))
        assert set(model.predict(X)) <= set(labels)
    series = pd.Series(np.array(["no", "yes"])[y], dtype="category")
    assert make(library, n_estimators=5, link=link).fit(X, series).classes_.tolist() == [
        "no",
        "yes",
    ]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_three_classes(library, link, rare):
    X, _, _ = rare
    y = np.array(["a", "b", "c"])[(X[:, 0] > 1).astype(int) + (X[:, 1] > 1.5)]
    model = make(library, n_estimators=40, link=link, focal_alpha="balanced").fit(X, y)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-5)
    shares = [np.mean(y == label) for label in model.classes_]
    np.testing.assert_allclose(proba.mean(axis=0), shares, rtol=0.15)
    assert np.mean(model.predict(X) == y) > 0.9
    stopped = make(library, n_estimators=15, early_stopping_rounds=3, random_state=0).fit(X, y)
    assert stopped.predict_proba(X).shape == (8000, 3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_with_categories_missing_values_and_sparse(library, rare):
    X, y, _ = rare
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame.loc[::7, "a"] = np.nan
    frame["kind"] = pd.Categorical(np.where(y == 1, "u", rng.choice(["u", "v", "w"], y.size)))
    model = make(library, n_estimators=20).fit(frame, y)
    assert average_precision_score(y, model.predict_proba(frame)[:, 1]) > 0.3
    assert list(model.feature_names_in_) == list(frame.columns)
    # To XGBoost the zeros of a sparse matrix are missing values, to LightGBM they are zeros.
    thin = np.where(X > 1, X, 0.0)
    dense = make(library, n_estimators=5)
    dense.fit(np.where(thin == 0.0, np.nan, thin) if library == "xgb" else thin, y)
    expected = dense.predict_proba(
        np.where(thin == 0.0, np.nan, thin) if library == "xgb" else thin
    )
    for as_sparse in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        model = make(library, n_estimators=5).fit(as_sparse(thin), y)
        np.testing.assert_allclose(model.predict_proba(as_sparse(thin)), expected, atol=1e-6)
    for table in (sparse.coo_matrix(X), frame):
        stopped = make(library, n_estimators=50, early_stopping_rounds=5, random_state=0)
        probability = stopped.fit(table, y).predict_proba(table)[:, 1]
        assert average_precision_score(y, probability) > 0.3


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_multiply_and_shift_the_intercept(library, rare):
    X, y, _ = rare
    by_sample = make(library, n_estimators=10).fit(X, y, sample_weight=np.where(y == 1, 5.0, 1.0))
    by_class = make(library, n_estimators=10, class_weight={0: 1.0, 1: 5.0}).fit(X, y)
    by_scale = make(library, n_estimators=10, scale_pos_weight=5.0).fit(X, y)
    for other in (by_class, by_scale):
        np.testing.assert_allclose(by_sample.predict_proba(X), other.predict_proba(X), atol=1e-6)
    expected = 5 * y.sum() / (5 * y.sum() + (1 - y).sum())
    assert by_sample.prevalence_ == pytest.approx(expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_early_stopping_with_and_without_an_eval_set(library, rare):
    X, y, _ = rare
    model = make(library, n_estimators=400, early_stopping_rounds=10, random_state=0)
    model.fit(X[:6000], y[:6000], eval_set=[(X[6000:], y[6000:])])
    best = model.best_iteration if library == "xgb" else model.best_iteration_ - 1
    assert best < 300
    log = model.evals_result() if library == "xgb" else model.evals_result_
    history = next(iter(log.values()))["average_precision"]
    assert np.argmax(history) == best
    probability = model.predict_proba(X[6000:])[:, 1]
    assert average_precision_score(y[6000:], probability) == pytest.approx(max(history), abs=1e-6)
    model.set_params(n_estimators=40)
    pipeline = make_pipeline(StandardScaler(), clone(model))
    scores = cross_val_score(pipeline, X, y, scoring="average_precision", cv=3)
    assert (scores > 0.2).all()
    search = GridSearchCV(
        clone(model), {"focal_gamma": [0.0, 2.0]}, scoring="average_precision", cv=2
    ).fit(X, y)
    assert (search.cv_results_["mean_test_score"] > 0.2).all()
    np.testing.assert_array_equal(
        search.predict_proba(X),
        clone(model).set_params(**search.best_params_).fit(X, y).predict_proba(X),
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_parameters_take_effect_and_come_back(library, rare):
    X, y, _ = rare
    model = make(library, n_estimators=5, focal_gamma=0.0).fit(X, y)
    before = model.predict_proba(X)
    model.set_params(focal_gamma=3.0, focal_alpha=0.25)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.fit(X, y)
    assert not np.allclose(model.predict_proba(X), before)
    fresh = make(library, n_estimators=5, focal_gamma=3.0, focal_alpha=0.25).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), fresh.predict_proba(X))
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.get_params()["focal_gamma"] == 3.0


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_models_survive_pickle_and_joblib(library, link, rare, tmp_path):
    X, y, _ = rare
    model = make(library, n_estimators=5, link=link).fit(X, np.array(["no", "yes"])[y])
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("gamma", [2.0, (1.0, 3.0)], ids=str)
@pytest.mark.parametrize("link", LINKS)
def test_xgboost_save_model_keeps_loss_and_labels(link, gamma, rare, tmp_path):
    X, y, _ = rare
    model = make("xgb", n_estimators=5, link=link, focal_gamma=gamma, focal_alpha=0.25)
    model.fit(X, np.array(["no", "yes"])[y])
    model.save_model(tmp_path / "model.json")
    again = FocalXGBClassifier()
    again.load_model(tmp_path / "model.json")
    np.testing.assert_array_equal(again.classes_, model.classes_)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_xgboost_save_model_keeps_the_weights_of_three_classes(rare, tmp_path):
    X, _, _ = rare
    y = (X[:, 0] > 1).astype(int) + (X[:, 1] > 1.5)
    model = make("xgb", n_estimators=3, link="focal", focal_alpha="balanced").fit(X, y)
    model.save_model(tmp_path / "model.json")
    again = FocalXGBClassifier()
    again.load_model(tmp_path / "model.json")
    np.testing.assert_allclose(again.loss_.class_weights, model.loss_.class_weights)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_plain_xgboost_file_loads_as_log_odds(rare, tmp_path):
    X, y, _ = rare
    plain = xgb.XGBClassifier(n_estimators=5).fit(X, y)
    plain.save_model(tmp_path / "model.json")
    model = FocalXGBClassifier()
    model.load_model(tmp_path / "model.json")
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_xgboost_fits_what_the_raw_objective_fits(weighted, rare):
    """The estimator renews row weights where the objective hands over gradients: one model."""
    X, y, _ = rare
    weight = np.random.default_rng(1).random(y.size) + 0.1 if weighted else None
    model = make("xgb", n_estimators=40, focal_gamma=2.0, focal_alpha=0.25, subsample=0.7)
    model.fit(X, y, sample_weight=weight)
    params = {
        "objective": "binary:logistic",
        "base_score": model.prevalence_,
        "subsample": 0.7,
        "max_depth": 6,
    }
    data = xgb.QuantileDMatrix(X, y, weight=weight)
    objective = xgboost_objective(model.loss_)
    booster = xgb.train(params, data, 40, obj=objective)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], booster.predict(data), atol=1e-4)


@pytest.mark.parametrize(
    "parameters", [{}, {"link": "focal"}, {"tree_method": "approx"}, {"booster": "dart"}], ids=str
)
def test_xgboost_gives_a_users_metric_probabilities(parameters, rare):
    X, y, _ = rare

    def mean_probability(y_true, y_score):
        return float(np.mean(y_score))

    model = make("xgb", n_estimators=5, eval_metric=["auc", mean_probability], **parameters)
    model.fit(X, y, eval_set=[(X, y)])
    last = model.evals_result()["validation_0"]["mean_probability"][-1]
    assert last == pytest.approx(model.predict_proba(X)[:, 1].mean(), rel=1e-4)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_continued_training_equals_training_at_once(library, link, rare):
    X, y, _ = rare
    name = "xgb_model" if library == "xgb" else "init_model"
    whole = make(library, n_estimators=20, link=link).fit(X, y)
    half = make(library, n_estimators=10, link=link).fit(X, y)
    rest = make(library, n_estimators=10, link=link).fit(X, y, **{name: half})
    np.testing.assert_allclose(rest.predict_proba(X), whole.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_shap_values_add_up_to_the_log_odds(library, rare):
    shap = pytest.importorskip("shap")
    X, y, _ = rare
    model = make(library, n_estimators=10).fit(X, y)
    values = shap.TreeExplainer(model)(X[:50])
    total = np.asarray(values.values).sum(axis=1) + values.base_values
    probability = model.predict_proba(X[:50])[:, 1].astype(float)
    np.testing.assert_allclose(expit(total), probability, atol=1e-4)
    assert model.feature_importances_.shape == (5,)


@pytest.mark.parametrize("alpha", [None, "balanced", ClassBalanced(0.999), {"no": 1, "yes": 9}])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_form_of_alpha(library, alpha, rare):
    X, y, _ = rare
    model = make(library, n_estimators=10, focal_alpha=alpha).fit(X, np.array(["no", "yes"])[y])
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=0.3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_positive_only(library):
    X, y = np.random.default_rng(0).normal(size=(300, 3)), np.zeros(300, int)
    y[7] = 1
    probability = make(library, n_estimators=5).fit(X, y).predict_proba(X)[:, 1]
    assert np.isfinite(probability).all() and 0 < probability.mean() < 0.1
    with pytest.raises(ValueError, match="early stopping holds out"):
        make(library, early_stopping_rounds=5).fit(X, y)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": np.zeros(200)}, "only one class"),
        ({"y": np.random.default_rng(0).normal(size=200)}, "[cC]ontinuous|Unknown label type"),
        ({"y": np.r_[np.nan, np.ones(199)]}, "row 0"),
        ({"y": np.array(["a", None] * 100, dtype=object)}, "row 1"),
        ({"X": np.full((200, 2), np.inf)}, "column 0, row 0"),
        ({"X": pd.DataFrame({"fine": np.zeros(200), "bad": np.full(200, -np.inf)})}, "'bad'"),
        ({"sample_weight": -np.ones(200)}, "negative"),
        ({"sample_weight": np.zeros(200)}, "zero in every row"),
        ({"sample_weight": np.ones(3)}, "one weight for each of 200"),
        ({"focal_gamma": -1.0}, "gamma"),
        ({"focal_gamma": float("nan")}, "gamma"),
        ({"focal_alpha": 1.5}, "alpha"),
        ({"focal_alpha": {"a": 1.0}}, "missing"),
        ({"link": "probit"}, "link"),
        ({"objective": "rank:ndcg"}, "objective is focal loss"),
        ({"early_stopping_rounds": 5, "validation_fraction": 1.5}, "validation_fraction"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_gets_one_clear_error(library, change, message):
    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(200, 2)), "y": np.tile([0, 1], 100), "sample_weight": None}
    data |= {k: v for k, v in change.items() if k in data}
    model = make(library, **{k: v for k, v in change.items() if k not in data})
    with pytest.raises(ValueError, match=message):
        model.fit(data["X"], data["y"], sample_weight=data["sample_weight"])


@pytest.mark.filterwarnings("error::lightgbm.basic.LGBMDeprecationWarning")
def test_lightgbm_takes_evaluation_sets_in_both_forms(rare):
    X, y, _ = rare
    options = {"n_estimators": 10, "early_stopping_rounds": 5}
    base = make("lgbm", **options).fit(X[:5000], y[:5000], eval_set=[(X[5000:], y[5000:])])
    for eval_X, eval_y in (
        (X[5000:], y[5000:]),
        ((X[5000:],), (y[5000:],)),
        (X[5000:], pd.Series(y[5000:])),
    ):
        model = make("lgbm", **options).fit(X[:5000], y[:5000], eval_X=eval_X, eval_y=eval_y)
        assert model.evals_result_ == base.evals_result_
    for labels in (np.array([False, True]), np.array(["no", "yes"])):
        model = make("lgbm", class_weight={labels[0]: 1.0, labels[1]: 3.0}, **options)
        model.fit(X[:5000], labels[y[:5000]], eval_X=X[5000:], eval_y=labels[y[5000:]])
        history = next(iter(model.evals_result_.values()))["average_precision"]
        assert max(history) == pytest.approx(
            average_precision_score(y[5000:], model.predict_proba(X[5000:])[:, 1])
        )
    with pytest.raises(ValueError, match="together"):
        make("lgbm").fit(X, y, eval_X=X)
    with pytest.raises(ValueError, match="same length"):
        make("lgbm").fit(X, y, eval_X=(X, X), eval_y=(y,))


def test_lightgbm_refuses_metrics_that_would_be_wrong(rare):
    X, y, _ = rare
    with pytest.raises(ValueError, match="raw scores"):
        make("lgbm").fit(X, y, eval_set=[(X, y)], eval_metric="binary_logloss")


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_constant_features_leave_the_prevalence(library, link):
    y = np.repeat([0, 1], [95, 5])
    model = make(library, link=link, focal_alpha=0.25, n_estimators=5).fit(np.zeros((100, 2)), y)
    np.testing.assert_allclose(model.predict_proba(np.zeros((3, 2)))[:, 1], 0.05, rtol=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_label_unseen_in_training_is_named(library, rare):
    X, y, _ = rare
    model = make(library, early_stopping_rounds=2, n_estimators=5)
    for row in (0, 3):
        labels = np.array([0, 1, 0, 0, 1])
        labels[row] = 7
        with pytest.raises(ValueError, match=f"7 in row {row}"):
            model.fit(X, y, eval_set=[(X[:5], labels)])


@pytest.mark.parametrize("names", ["abcd", ["Zürich", "Rome", "Ålesund", "東京"]])
@pytest.mark.parametrize("rounds", [None, 3])
def test_categories_are_known_by_value_after_early_stopping_too(rounds, names, tmp_path):
    """XGBoost 3.2 forgets them in a model cut to its best rounds, and cuts names beyond ASCII."""
    rng = np.random.default_rng(0)
    places = rng.choice(list(names), 3000)
    X = pd.DataFrame({"c": pd.Categorical(places, list(names)), "x": rng.normal(size=3000)})
    second = places == names[1]
    y = 2 * second + X["x"] + rng.normal(size=3000) > 2.5
    options = {"n_estimators": 60, "early_stopping_rounds": rounds, "random_state": 0}
    model = FocalXGBClassifier(**options).fit(X, y)
    assert rounds is None or model.get_booster().num_boosted_rounds() < 60
    expected = model.predict_proba(X)
    other_order = X.assign(c=X["c"].cat.reorder_categories(list(names)[::-1]))
    np.testing.assert_array_equal(model.predict_proba(other_order), expected)
    np.testing.assert_array_equal(model.apply(other_order), model.apply(X))
    fewer = X[second].assign(c=lambda rows: rows["c"].cat.remove_unused_categories())
    np.testing.assert_array_equal(model.predict_proba(fewer), expected[second])
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict_proba(fewer), expected[second])
    focaltab.save(model, tmp_path / "m")
    again = focaltab.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(other_order), expected)
    with pytest.raises(ValueError, match="Column 'c' holds the category 'z' in row 0"):
        model.predict_proba(X.assign(c=pd.Categorical(["z"] * 3000)))
    # The library's own file knows whole numbers, and never takes names for them.
    model.get_booster().save_model(tmp_path / "model.json")
    plain = xgb.Booster(model_file=tmp_path / "model.json")
    in_order = X["c"].cat.reorder_categories(sorted(names))
    numbers = X.assign(c=in_order.cat.rename_categories(range(4)))
    p = plain.predict(xgb.DMatrix(numbers, enable_categorical=True))
    np.testing.assert_allclose(p, expected[:, 1], atol=1e-6)
    with pytest.raises(xgb.core.XGBoostError, match="doesn't match"):
        plain.predict(xgb.DMatrix(other_order, enable_categorical=True))


CITIES = ["Zürich", "Rome", "Ålesund", "東京"]


@pytest.mark.parametrize(
    ("previous", "names"),
    [
        *[(previous, list("abcd")) for previous in ("estimator", "stock", "booster", "path")],
        *[(previous, CITIES) for previous in ("estimator", "booster", "path", "library's file")],
    ],
)
def test_training_goes_on_with_categories_by_value(previous, names, tmp_path):
    rng = np.random.default_rng(0)
    places = rng.choice(names, 2000)
    X = pd.DataFrame({"c": pd.Categorical(places, names), "x": rng.normal(size=2000)})
    y = 2 * (places == names[1]) + X["x"] + rng.normal(size=2000) > 2.5
    before = FocalXGBClassifier(n_estimators=4).fit(X, y)
    if previous == "estimator":
        given = before
    elif previous == "stock":
        given = xgb.XGBClassifier(n_estimators=4, enable_categorical=True).fit(X, y)
    elif previous == "booster":
        given = before.get_booster()
    else:
        given = tmp_path / "model.json"
        (before if previous == "path" else before.get_booster()).save_model(given)
    more = FocalXGBClassifier(n_estimators=4).fit(X, y, xgb_model=given)
    expected = more.predict_proba(X)
    if previous != "stock":
        first = more.predict_proba(X, iteration_range=(0, 4))
        np.testing.assert_array_equal(first, before.predict_proba(X))
    turned = X.assign(c=X["c"].cat.reorder_categories(names[::-1]))
    again = FocalXGBClassifier(n_estimators=4).fit(turned, y, xgb_model=given)
    np.testing.assert_array_equal(again.predict_proba(turned), expected)
    np.testing.assert_array_equal(again.predict_proba(X), expected)


def test_training_does_not_go_on_with_columns_that_the_model_does_not_know():
    X = pd.DataFrame({"c": pd.Categorical(np.array(CITIES)[np.arange(300) % 4]), "x": 1.0})
    y = np.arange(300) % 4 == 1
    stock = xgb.XGBClassifier(n_estimators=2, enable_categorical=True).fit(X, y)
    # Its last category could be any that begins so.
    with pytest.raises(ValueError, match=r"categories of column 'c' short.*FocalXGBClassifier"):
        FocalXGBClassifier().fit(X, y, xgb_model=stock)
    ascii_only = X.assign(c=pd.Categorical(np.array(list("abcd"))[np.arange(300) % 4]))
    booster = FocalXGBClassifier(n_estimators=2).fit(ascii_only, y).get_booster()
    for changed, message in (
        (ascii_only.assign(c=1), "Column 'c' held categories in training"),
        (ascii_only.assign(x=ascii_only["c"]), "Column 'x' holds categories, but held numbers"),
        (X, "category 'Zürich' in row 0, which training did not"),
        (ascii_only[["x", "c"]], "with column 'c' in place 0, where X has 'x'"),
        (ascii_only[["c"]], "was trained on 2 columns, but X has 1"),
    ):
        with pytest.raises(ValueError, match=message):
            FocalXGBClassifier().fit(changed, y, xgb_model=booster)


@pytest.mark.parametrize("previous", ["estimator", "booster", "path"])
def test_lightgbm_goes_on_with_categories_by_value(previous, tmp_path):
    """Left to itself it hands the old trees the codes that the new frame has."""
    rng = np.random.default_rng(0)
    places = rng.choice(CITIES, 2000)
    X = pd.DataFrame({"x": rng.normal(size=2000), "c": pd.Categorical(places, CITIES)})
    X["d"] = pd.Categorical(rng.integers(0, 3, 2000))
    y = 2 * (places == "Rome") + X["x"] + (X["d"] == 1) + rng.normal(size=2000) > 2.5
    options = {"n_estimators": 6, "verbosity": -1}
    before = FocalLGBMClassifier(**options).fit(X, y)
    given = before if previous == "estimator" else before.booster_
    if previous == "path":
        given = tmp_path / "model.txt"
        before.booster_.save_model(given)
    first = before.predict_proba(X)
    expected = FocalLGBMClassifier(**options).fit(X, y, init_model=given).predict_proba(X)
    assert not np.array_equal(expected, first)
    turned = X.assign(c=X["c"].cat.reorder_categories(CITIES[::-1]))
    more = FocalLGBMClassifier(**options).fit(turned, y, init_model=given)
    np.testing.assert_array_equal(more.predict_proba(turned, num_iteration=6), first)
    np.testing.assert_array_equal(more.predict_proba(X), expected)
    # One is gone, and another new.
    rome = places == "Rome"
    other = X[~rome].assign(c=np.where(places[~rome] == "Zürich", "Oslo", places[~rome]))
    other["c"] = other["c"].astype("category")
    more = FocalLGBMClassifier(**options).fit(other, y[~rome], init_model=given)
    np.testing.assert_array_equal(more.predict_proba(X, num_iteration=6), first)
    for changed, message in (
        (X[["c", "x", "d"]], "with column 'x' in place 0, where X has 'c'"),
        (X.assign(d=X["d"].astype(int)), "Column 'd' held categories|2 columns of categories"),
        (X.assign(d=X["d"].astype(str).astype("category")), "were numbers in training"),
    ):
        with pytest.raises(ValueError, match=message):
            FocalLGBMClassifier(**options).fit(changed, y, init_model=given)


def test_an_evaluation_set_may_list_categories_in_another_order():
    rng = np.random.default_rng(0)
    places = pd.Categorical(rng.choice(["é", "b", "c"], 2000))
    X = pd.DataFrame({"c": places, "x": rng.normal(size=2000)})
    y = 2 * (X["c"] == "b") + X["x"] + rng.normal(size=2000) > 2.5
    other = X.assign(c=X["c"].cat.reorder_categories(["é", "c", "b"]))
    options = {"n_estimators": 50, "early_stopping_rounds": 5, "random_state": 0}
    models = [FocalXGBClassifier(**options).fit(X, y, eval_set=[(A, y)]) for A in (X, other)]
    assert models[0].evals_result() == models[1].evals_result()


@pytest.fixture
def kinds():
    """Rows with a column of categories and one of whole numbers, either of which tells classes."""
    rng = np.random.default_rng(0)
    place = rng.integers(0, 4, 2000)
    X = pd.DataFrame(
        {"n": rng.integers(0, 4, 2000), "c": pd.Categorical.from_codes(place, list("wxyz"))}
    )
    return X, (place == 1) + X["n"] / 3 + rng.normal(size=2000) > 1.5


@pytest.mark.parametrize("library", LIBRARIES)
def test_categories_are_not_taken_for_numbers_nor_numbers_for_categories(library, kinds):
    """XGBoost scores the positions of the categories, LightGBM those of another column."""
    X, y = kinds
    model = make(library, n_estimators=5).fit(X, y)
    as_categories = pd.Categorical(X["n"], categories=[3, 2, 1, 0])
    with pytest.raises(ValueError, match="'n' holds categories, but held numbers in training"):
        model.predict_proba(X.assign(n=as_categories))
    codes = X["c"].cat.codes
    with pytest.raises(ValueError, match="'c' held categories in training, but is of dtype int8"):
        model.predict_proba(X.assign(c=codes))
    with pytest.raises(ValueError, match=r"Column '.' h.*in training"):
        model.predict_proba(X.assign(c=codes, n=X["c"]))
    with pytest.raises(ValueError, match=r"'c'.*training"):
        model.predict_proba(X.assign(c=codes.astype("category")))
    numbers = make(library, n_estimators=5).fit(X[["n"]], y)
    with pytest.raises(ValueError, match="'n' holds categories, but held numbers in training"):
        numbers.predict_proba(pd.DataFrame({"n": as_categories}))


@pytest.mark.parametrize("library", LIBRARIES)
def test_categories_that_the_library_cannot_keep_are_named(library, kinds):
    X, y = kinds
    days = pd.date_range("2025-01-01", periods=4)[X["n"]]
    with pytest.raises(ValueError, match="Column 'c' holds the category Timestamp"):
        make(library).fit(X.assign(c=pd.Categorical(days)), y)


def test_an_evaluation_set_of_another_kind_of_column_is_refused(kinds):
    X, y = kinds
    other = X.assign(n=pd.Categorical(X["n"], categories=[3, 2, 1, 0]))
    with pytest.raises(ValueError, match="'n' holds categories, but held numbers in training"):
        FocalXGBClassifier(n_estimators=5, early_stopping_rounds=2).fit(X, y, eval_set=[(other, y)])


def test_dart_stops_early_on_categories(kinds):
    X, y = kinds
    options = {"n_estimators": 40, "booster": "dart", "rate_drop": 0.2, "random_state": 0}
    model = FocalXGBClassifier(**options, early_stopping_rounds=2).fit(X, y)
    assert model.get_booster().num_boosted_rounds() < 40
    other_order = X.assign(c=X["c"].cat.reorder_categories(list("zyxw")))
    np.testing.assert_array_equal(model.predict_proba(other_order), model.predict_proba(X))


@pytest.mark.parametrize("width", ["int8", "uint8", "int32"])
def test_whole_numbers_as_categories_of_any_width(width, kinds, tmp_path):
    X, y = kinds
    X = X.assign(c=pd.Categorical(X["c"].cat.codes.astype(width)))
    model = FocalXGBClassifier(n_estimators=5).fit(X, y)
    expected = model.predict_proba(X)
    focaltab.save(model, tmp_path / "m")
    turned = X["c"].cat.reorder_categories([3, 2, 1, 0])
    wide = pd.Categorical(X["c"].astype("int64"))
    for again in (model, focaltab.load(tmp_path / "m")):
        for column in (turned, wide):
            np.testing.assert_array_equal(again.predict_proba(X.assign(c=column)), expected)


# Cut short by XGBoost, the first three look alike in both orders.
@pytest.mark.parametrize("names", [["é", "è", "ê", "b"], ["Zürich", "Rome", "Bern", "Oslo"]])
def test_categories_beyond_ascii_in_a_model_file_and_in_continued_training(names, tmp_path):
    rng = np.random.default_rng(0)
    place = rng.integers(0, 4, 2000)
    X = pd.DataFrame({"c": pd.Categorical.from_codes(place, names)})
    y = np.array([0.05, 0.5, 0.1, 0.3])[place] > rng.random(2000)
    turned = X.assign(c=X["c"].cat.reorder_categories([names[k] for k in (0, 2, 1, 3)]))
    first = FocalXGBClassifier(n_estimators=5).fit(X, y)
    first.save_model(tmp_path / "model.json")
    again = FocalXGBClassifier(n_estimators=5)
    again.load_model(tmp_path / "model.json")
    expected = first.predict_proba(X)
    np.testing.assert_array_equal(again.predict_proba(turned), expected)
    contributions = [focaltab.explain(first, rows).values for rows in (X, turned)]
    np.testing.assert_array_equal(*contributions)
    longer = [
        FocalXGBClassifier(n_estimators=5).fit(rows, y, xgb_model=model).predict_proba(rows)
        for rows, model in ((X, first), (turned, first), (turned, again))
    ]
    np.testing.assert_array_equal(longer[0], longer[1])
    np.testing.assert_array_equal(longer[0], longer[2])
