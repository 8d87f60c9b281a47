import pickle
import warnings

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier

from focaltab._compat.lightgbm import (
    BOOSTER,
    OVERRIDDEN,
    aliases_of,
    as_feval,
    category_positions,
    evaluation_arguments,
    evaluation_result,
    fitted_attributes,
    forget_class_weights,
    further_parameters,
    leave_network,
    list_categories,
    listed_categories,
    nothing_to_split,
    set_fitted,
    set_labels,
    training_parameters,
)

FEW = {"n_estimators": 5, "verbosity": -1, "n_jobs": 1, "random_state": 0}
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 3))
codes = (X[:, 0] + rng.normal(size=300) > 0.8).astype(int)
LABELS = np.array(["fine", "fraud"])


def test_aliases_hold_the_name_and_the_others():
    assert {"objective", "application", "loss"} <= aliases_of("objective")
    both = aliases_of("metric", "num_threads")
    assert both == aliases_of("metric") | aliases_of("num_threads")
    assert {"metrics", "n_jobs"} <= both


def test_parameters_beyond_the_named_ones_are_found():
    model = LGBMClassifier(**FEW, scale_pos_weight=3.0)
    assert further_parameters(model) == {"verbosity": -1, "scale_pos_weight": 3.0}


def test_evaluation_sets_are_taken_without_a_word():
    model = LGBMClassifier(**FEW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(
            X,
            codes,
            **evaluation_arguments([(X[:50], codes[:50]), (X, codes)], {1: np.ones(len(X))}, {}),
        )
        LGBMClassifier(**FEW).fit(X, codes, **evaluation_arguments([]))
    assert [len(one["binary_logloss"]) for one in model.evals_result_.values()] == [5, 5]


def test_figures_of_a_callback_are_recorded_and_stopped_by():
    def evaluate(env):
        value = -abs(env.iteration - 3.0)
        env.evaluation_result_list.append(evaluation_result("held out", "nearness", value, True))

    evaluate.order = 5
    recorded = {}
    callbacks = [evaluate, lgb.record_evaluation(recorded), lgb.early_stopping(2, verbose=False)]
    params = {"objective": "binary", "metric": "None", "verbosity": -1, "num_threads": 1}
    data = lgb.Dataset(X, codes)
    booster = lgb.train(params, data, 20, valid_sets=[data], callbacks=callbacks)
    assert recorded["held out"]["nearness"] == [-3.0, -2.0, -1.0, 0.0, -1.0, -2.0]
    assert booster.best_iteration == 4


@pytest.mark.parametrize("n_arguments", [2, 3, 4])
def test_metrics_are_handed_as_much_as_they_take(n_arguments):
    seen = []
    metrics = {
        2: lambda y_true, y_score: seen.append((y_true, y_score)) or ("own", 1.0, True),
        3: lambda y_true, y_score, w: seen.append((y_true, y_score, w)) or ("own", 1.0, True),
        4: lambda y_true, y_score, w, g: seen.append((y_true, y_score, w, g)) or ("own", 1.0, True),
    }
    weight = np.linspace(0.5, 1.5, 300)
    data = lgb.Dataset(X, codes, weight=weight)
    params = {"objective": "binary", "metric": "None", "verbosity": -1, "num_threads": 1}
    feval = [as_feval(metrics[n_arguments])]
    booster = lgb.train(params, data, 1, valid_sets=[data], feval=feval)
    (given,) = seen
    assert len(given) == n_arguments
    np.testing.assert_array_equal(given[0], codes)
    np.testing.assert_allclose(given[1], booster.predict(X))
    if n_arguments > 2:
        np.testing.assert_allclose(given[2], weight, rtol=1e-6)


def test_the_error_of_constant_columns_is_told_from_others():
    def objective(y_true, y_score):
        return y_score - y_true, np.ones_like(y_score)

    with pytest.raises(lgb.basic.LightGBMError) as found:
        LGBMClassifier(**FEW, objective=objective).fit(np.zeros((300, 1)), codes)
    assert nothing_to_split(found.value)
    with pytest.raises(lgb.basic.LightGBMError) as found:
        LGBMClassifier(**FEW, objective="no such one").fit(X, codes)
    assert not nothing_to_split(found.value)


def test_a_booster_that_was_trained_elsewhere_makes_a_classifier():
    # As of a table in files, columns have names.
    frame, weights = pd.DataFrame(X, columns=["a", "b", "c"]), rng.uniform(size=300)
    expected = LGBMClassifier(**FEW).fit(
        frame,
        codes,
        sample_weight=weights,
        **evaluation_arguments([(frame[:50], codes[:50])]),
    )
    model = LGBMClassifier(**FEW)
    params = training_parameters(model, codes)
    data, recorded = lgb.Dataset(frame, codes, weight=weights, params=params), {}
    record = lgb.record_evaluation(recorded)
    held_out = lgb.Dataset(frame[:50], codes[:50], reference=data, params=params)
    booster = lgb.train(params, data, 5, valid_sets=[held_out], callbacks=[record])
    set_fitted(model, booster, recorded)
    set_labels(model, LABELS, "binary")
    assert model.classes_.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(model.predict(frame), LABELS[expected.predict(frame)])
    np.testing.assert_array_equal(model.predict_proba(frame), expected.predict_proba(frame))
    for name in (
        "n_classes_",
        "n_features_",
        "n_features_in_",
        "feature_name_",
        "feature_names_in_",
        "feature_importances_",
        "evals_result_",
        "best_iteration_",
        "best_score_",
        "objective_",
        "n_estimators_",
        "n_iter_",
    ):
        np.testing.assert_equal(getattr(model, name), getattr(expected, name), err_msg=name)
    # scikit-learn asks whether a classifier is fitted, and LightGBM leaves nothing else behind.
    assert model.__sklearn_is_fitted__()
    assert vars(expected).keys() - vars(model).keys() <= {"_class_map", "_class_weight"}


def test_class_weights_of_an_earlier_fit_are_forgotten():
    model = LGBMClassifier(**FEW, class_weight="balanced").fit(X, codes)
    weighted = model.predict_proba(X)
    forget_class_weights(model.set_params(class_weight=None))
    plain = LGBMClassifier(**FEW).fit(X, codes).predict_proba(X)
    assert (weighted != plain).any()
    np.testing.assert_array_equal(model.fit(X, codes).predict_proba(X), plain)


def test_what_a_fit_left_behind_makes_another_estimator_the_same():
    model = LGBMClassifier(**FEW).fit(X, LABELS[codes])
    parameters = model.get_params()
    model.client = "a connection"
    again = LGBMClassifier(**parameters)
    again.__dict__.update(fitted_attributes(model, parameters, labels=True))
    assert not hasattr(again, "client")
    again = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    unlabelled = fitted_attributes(model, parameters, labels=False)
    assert unlabelled.keys() < fitted_attributes(model, parameters, labels=True).keys()
    again = LGBMClassifier(**parameters)
    again.__dict__.update(unlabelled)
    set_labels(again, LABELS)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_fit_goes_by_what_is_overridden():
    assert OVERRIDDEN == ("_process_params",)
    stages = []

    class Shallow(LGBMClassifier):
        def _process_params(self, stage):
            stages.append(stage)
            params = super()._process_params(stage)
            assert params["objective"] == "binary" or stage != "fit"
            return {**params, "max_depth": 1, "num_leaves": 2}

    model = Shallow(**FEW).fit(X, codes)
    assert stages == ["fit"]
    trees = model.booster_.dump_model()["tree_info"]
    assert {tree["num_leaves"] for tree in trees} == {2}
    model.predict_proba(X)
    assert stages == ["fit", "predict"]


def test_the_booster_is_where_it_is_looked_for():
    model = LGBMClassifier(**FEW).fit(X, codes)
    assert vars(model)[BOOSTER] is model.booster_


def test_a_network_is_left_also_where_there_is_none():
    leave_network()
    LGBMClassifier(**FEW).fit(X, codes)


def test_a_booster_says_which_columns_are_categories_and_lists_them(tmp_path):
    frame = pd.DataFrame(
        {"x": np.zeros(60), "c": pd.Categorical.from_codes(np.arange(60) % 3, range(3))}
    )
    booster = LGBMClassifier(**FEW).fit(frame, np.arange(60) % 2).booster_
    assert category_positions(booster) == [1]
    assert listed_categories(booster) == [[0, 1, 2]]
    list_categories(booster, [["Ж", "東京", "é"]])
    booster.save_model(tmp_path / "model.txt")
    again = lgb.Booster(model_file=tmp_path / "model.txt")
    assert listed_categories(again) == [["Ж", "東京", "é"]]
    names = frame.assign(c=frame["c"].cat.rename_categories(["Ж", "東京", "é"]))
    np.testing.assert_array_equal(again.predict(names), booster.predict(names))
