"""Arguments that would be misread: parameters, evaluation sets and their weights, callbacks."""

import warnings

import numpy as np
import pytest
import xgboost as xgb
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import average_precision_score, log_loss

from focaltab import FocalLGBMClassifier, FocalXGBClassifier

LIBRARIES = ["xgb", "lgbm"]


def make(library, **parameters):
    common = {"n_estimators": 3, "n_jobs": 1, **parameters}
    if library == "xgb":
        return FocalXGBClassifier(**common)
    return FocalLGBMClassifier(**{"verbosity": -1, **common})


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3))
    return X, (X[:, 0] + X[:, 1] + rng.normal(size=1200) > 2.0).astype(int)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("given", "meant"),
    [("n_estimatorss", "n_estimators"), ("focal_gama", "focal_gamma"), ("max_dept", "max_depth")],
)
def test_a_misspelt_parameter_names_the_one_that_is_meant(library, given, meant, rows):
    with pytest.raises(ValueError, match=f"no parameter '{given}': is '{meant}' meant"):
        make(library, **{given: 3}).fit(*rows)


@pytest.mark.parametrize(
    ("library", "name", "value"),
    [("xgb", "eta", 0.1), ("xgb", "lambda", 2.0), ("lgbm", "eta", 0.1)],
)
def test_the_libraries_own_names_are_taken(library, name, value, rows):
    X, y = rows
    same = {"eta": "learning_rate", "lambda": "reg_lambda"}[name]
    by_alias, by_name = (make(library, **{key: value}).fit(X, y) for key in (name, same))
    np.testing.assert_array_equal(by_alias.predict_proba(X), by_name.predict_proba(X))


@pytest.mark.parametrize(
    ("library", "name", "own"),
    [
        ("xgb", "gamma", "focal_gamma"),
        ("xgb", "alpha", "focal_alpha"),
        ("lgbm", "alpha", "focal_alpha"),
    ],
)
def test_a_namesake_of_the_loss_is_pointed_out(library, name, own, rows):
    with pytest.warns(UserWarning, match=f"{name}=0.5 is a parameter of the trees.*{own}"):
        make(library, **{name: 0.5}).fit(*rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(library, **{name: 0.5, own: 0.75}).fit(*rows)


def test_lightgbm_has_no_gamma(rows):
    with pytest.raises(ValueError, match="no parameter 'gamma': is 'focal_gamma' meant"):
        make("lgbm", gamma=2.0).fit(*rows)


@pytest.mark.parametrize("library", LIBRARIES)
def test_evaluation_sets_come_as_a_pair_a_list_or_a_tuple(library, rows):
    X, y = rows
    pair = (X[:500], y[:500])
    for given, n in ((pair, 1), ([pair], 1), ((pair,), 1), ((pair, pair), 2), ([pair, pair], 2)):
        model = make(library).fit(X, y, eval_set=given)
        results = model.evals_result() if library == "xgb" else model.evals_result_
        assert len(results) == n
    with pytest.raises(ValueError, match=r"eval_set must be a pair \(X, y\) or a list of pairs"):
        make(library).fit(X, y, eval_set=[X, y, y])


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_of_evaluation_sets_are_one_for_each(library, rows):
    X, y = rows
    name = "sample_weight_eval_set" if library == "xgb" else "eval_sample_weight"
    with pytest.raises(ValueError, match="eval_set has 2 sets, but there are weights for 1"):
        make(library).fit(X, y, eval_set=[(X, y), (X, y)], **{name: [np.ones(y.size)]})
    for options in ({}, {"early_stopping_rounds": 2}):
        with pytest.raises(ValueError, match="need an eval_set"):
            make(library, **options).fit(X, y, **{name: [np.ones(y.size)]})


def test_lightgbm_takes_weights_of_some_evaluation_sets(rows):
    X, y = rows
    weight = np.where(y == 1, 5.0, 1.0)
    sets = [(X, y), (X, y)]
    some = make("lgbm").fit(X, y, eval_set=sets, eval_sample_weight={1: weight})
    lists = make("lgbm").fit(X, y, eval_set=sets, eval_sample_weight=[None, weight])
    assert some.evals_result_ == lists.evals_result_
    first, second = some.evals_result_.values()
    assert first != second


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_rounds_of_patience_are_no_early_stopping(library, rows):
    X, y = rows
    without = make(library, random_state=0).fit(X, y)
    zero = make(library, random_state=0, early_stopping_rounds=0).fit(X, y)
    assert zero.prevalence_ == y.mean()
    np.testing.assert_array_equal(zero.predict_proba(X), without.predict_proba(X))


def shares(y_true, y_score):
    return float(np.mean(y_score))


def _stops(how):
    patience = {"rounds": 5}
    return {
        "default": {"early_stopping_rounds": 5},
        "callback": {"callbacks": [xgb.callback.EarlyStopping(**patience)]},
        "named callback": {
            "callbacks": [xgb.callback.EarlyStopping(metric_name="average_precision", **patience)]
        },
        "score": {"eval_metric": average_precision_score, "early_stopping_rounds": 5},
        "score and callback": {
            "eval_metric": average_precision_score,
            "callbacks": [xgb.callback.EarlyStopping(**patience)],
        },
    }[how]


@pytest.mark.parametrize("how", ["callback", "named callback", "score", "score and callback"])
def test_xgboost_keeps_the_best_round_whoever_stops_it(how, rows):
    X, y = rows
    kept = {}
    for one in ("default", how):
        model = make("xgb", max_depth=2, **{**_stops(one), "n_estimators": 60})
        model.fit(X[:800], y[:800], eval_set=[(X[800:], y[800:])])
        kept[one] = model.get_booster().num_boosted_rounds()
    assert kept[how] == kept["default"] > 1


def test_less_is_better_for_a_loss_and_is_told_for_an_unknown_name(rows):
    X, y = rows
    sets = {"eval_set": [(X[800:], y[800:])]}
    stopping = {"early_stopping_rounds": 3, "n_estimators": 40}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make("xgb", eval_metric=log_loss, **stopping).fit(X[:800], y[:800], **sets)
    assert model.best_iteration > 1
    with pytest.warns(UserWarning, match="takes less of 'shares' for better"):
        make("xgb", eval_metric=shares, **stopping).fit(X[:800], y[:800], **sets)


def test_xgboosts_base_score_means_what_it_means_to_xgboost(rows):
    X, y = rows
    options = {"n_estimators": 2, "max_depth": 2, "n_jobs": 1}
    three = y + (X[:, 2] > 1)
    for labels, given in ((y, 0.3), (y, [0.3]), (three, 0.5), (three, [1.0, 0.0, -1.0])):
        stock = xgb.XGBClassifier(base_score=given, **options).fit(X, labels)
        model = FocalXGBClassifier(focal_gamma=0.0, base_score=given, **options).fit(X, labels)
        np.testing.assert_allclose(model.predict_proba(X), stock.predict_proba(X), atol=1e-5)
    for labels, given in ((y, [0.3, 0.7]), (three, [0.5, 0.5]), (three, [0.0, 0.0, np.inf])):
        with pytest.raises(ValueError, match="base_score="):
            FocalXGBClassifier(base_score=given, **options).fit(X, labels)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_loaded_model_is_fitted_anew_as_one_that_was_not(n_classes, rows, tmp_path):
    X, y = rows
    labels = y if n_classes == 2 else y + (X[:, 2] > 1)
    model = make("xgb").fit(X, labels)
    model.save_model(tmp_path / "model.json")
    loaded = make("xgb")
    loaded.load_model(tmp_path / "model.json")
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(clone(loaded).fit(X, labels).predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.fit(X, labels).predict_proba(X), expected)


def test_pos_label_in_a_vote_is_a_number(rows):
    X, y = rows
    labels = np.where(y == 1, "fraud", "legit")

    def vote(pos_label):
        return VotingClassifier([("x", make("xgb", pos_label=pos_label))], voting="soft")

    with pytest.raises(ValueError, match=r"VotingClassifier.*number the labels.*name the number"):
        vote("fraud").fit(X, labels)
    assert vote(0).fit(X, labels).estimators_[0].prevalence_ == pytest.approx(y.mean())


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_that_stopped_early_is_gone_on_from(library, rows):
    X, y = rows
    name = "xgb_model" if library == "xgb" else "init_model"
    first = make(library, early_stopping_rounds=3, n_estimators=60, random_state=0).fit(X, y)
    before = first.predict_proba(X)
    more = make(library, n_estimators=7).fit(X, y, **{name: first})
    if library == "xgb":
        done = first.get_booster().num_boosted_rounds()
        assert more.get_booster().num_boosted_rounds() == done + 7
        assert first.best_iteration == done - 1
    assert np.abs(more.predict_proba(X) - before).max() > 1e-3
    np.testing.assert_array_equal(first.predict_proba(X), before)


def test_weights_of_an_evaluation_set_that_is_not_there(rows):
    X, y = rows
    with pytest.raises(ValueError, match="eval_set has 1 sets, but there are weights for set 1"):
        make("lgbm").fit(X, y, eval_set=[(X, y)], eval_sample_weight={1: np.ones(y.size)})
