"""What the estimators refuse, name and keep when something is wrong or unusual."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from scipy import sparse
from scipy.special import expit
from sklearn.metrics import average_precision_score, log_loss

from focaltab import FocalLGBMClassifier, FocalXGBClassifier

LIBRARIES = ["xgb", "lgbm"]


def make(library, **parameters):
    if library == "xgb":
        return FocalXGBClassifier(**parameters)
    return FocalLGBMClassifier(**{"verbosity": -1, **parameters})


def continued(library, model, X, y, previous):
    return model.fit(X, y, **{"xgb_model" if library == "xgb" else "init_model": previous})


@pytest.fixture(scope="module")
def rare():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4))
    return X, (rng.random(4000) < expit(1.5 * X[:, 0] - 3.0)).astype(int)


@pytest.mark.parametrize("link", ["logit", "focal"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_pos_label_makes_the_first_label_the_positive_class(library, link, rare):
    """Whatever the labels are called, the same class is rare and is learned the same way."""
    X, y = rare
    options = {
        "focal_gamma": (1.0, 3.0),
        "focal_alpha": 0.25,
        "link": link,
        "n_estimators": 60,
        "early_stopping_rounds": 5,
        "random_state": 0,
    }
    numbers = make(library, **options).fit(X, y)
    labels = np.where(y == 1, "fraud", "legit")
    named = make(library, pos_label="fraud", **options).fit(X, labels)
    assert named.classes_.tolist() == ["fraud", "legit"]
    assert named.prevalence_ == numbers.prevalence_
    np.testing.assert_array_equal(named.predict_proba(X)[:, ::-1], numbers.predict_proba(X))
    np.testing.assert_array_equal(named.predict(X) == "fraud", numbers.predict(X) == 1)
    by_label = make(library, pos_label="fraud", class_weight={"fraud": 5, "legit": 1}).fit(
        X, labels
    )
    by_number = make(library, class_weight={1: 5, 0: 1}).fit(X, y)
    np.testing.assert_array_equal(by_label.predict_proba(X)[:, 0], by_number.predict_proba(X)[:, 1])
    one_each = make(library, pos_label="fraud", focal_alpha=[5.0, 1.0]).fit(X, labels)
    by_dict = make(library, focal_alpha={1: 5.0, 0: 1.0}).fit(X, y)
    np.testing.assert_array_equal(one_each.predict_proba(X)[:, 0], by_dict.predict_proba(X)[:, 1])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_common_positive_class_is_pointed_out(library, rare):
    X, y = rare
    labels = np.where(y == 1, "fraud", "legit")
    labels[np.flatnonzero(y == 1)[::2]] = "legit"
    with pytest.warns(UserWarning, match="pos_label='fraud'"):
        make(library, n_estimators=2).fit(X, labels)
    with pytest.raises(ValueError, match="'card' must be one of two labels"):
        make(library, pos_label="card").fit(X, labels)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("stopping", [None, 5])
def test_lengths_that_differ(library, stopping, rare):
    X, y = rare
    model = make(library, early_stopping_rounds=stopping, n_estimators=3)
    for X_, y_ in ((X, y[:3000]), (X[:3000], y)):
        with pytest.raises(ValueError, match=rf"X has {len(X_)} rows but y has {len(y_)}"):
            model.fit(X_, y_)
    with pytest.raises(ValueError, match="eval_set 0: X has 10 rows but y has 9"):
        model.fit(X, y, eval_set=[(X[:10], y[:9])])


@pytest.mark.parametrize("library", LIBRARIES)
def test_evaluation_sets_that_cannot_judge(library, rare):
    X, y = rare
    negatives = np.flatnonzero(y == 0)[:50]
    model = make(library, early_stopping_rounds=5, n_estimators=3)
    with pytest.raises(ValueError, match="eval_set 0 has no row of class 1"):
        model.fit(X, y, eval_set=[(X[negatives], y[negatives])])
    name = "sample_weight_eval_set" if library == "xgb" else "eval_sample_weight"
    with pytest.raises(ValueError, match="eval_set 0 must be finite and not negative"):
        model.fit(X, y, eval_set=[(X, y)], **{name: [-np.ones(y.size)]})


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("labels", [["a", 1], [1, "a"], ["a", 2.5]])
def test_labels_of_mixed_types(library, labels):
    y = np.array(labels * 20, dtype=object)
    with pytest.raises(ValueError, match="y mixes labels of types"):
        make(library).fit(np.zeros((40, 2)), y)


@pytest.mark.parametrize("library", LIBRARIES)
def test_few_rows_and_early_stopping(library):
    X = np.random.default_rng(0).normal(size=(9, 2))
    model = make(library, early_stopping_rounds=3, n_estimators=4)
    model.fit(X, np.tile([0, 1], 5)[:9])
    assert model.predict_proba(X).shape == (9, 2)
    with pytest.raises(ValueError, match=r"validation_fraction=0\.9 of 9 rows"):
        model.set_params(validation_fraction=0.9, refit=False).fit(X, np.tile([0, 1], 5)[:9])
    model.set_params(validation_fraction=np.float32(0.2)).fit(X, np.tile([0, 1], 5)[:9])


@pytest.mark.parametrize("library", LIBRARIES)
def test_scale_pos_weight_is_for_two_classes(library, rare):
    X, y = rare
    three = y + (X[:, 1] > 1)
    plain = make(library, n_estimators=5).fit(X, three)
    with pytest.warns(UserWarning, match="ignored"):
        scaled = make(library, n_estimators=5, scale_pos_weight=20).fit(X, three)
    np.testing.assert_array_equal(scaled.predict_proba(X), plain.predict_proba(X))
    for wrong in (-1.0, 0.0, np.nan):
        with pytest.raises(ValueError, match="scale_pos_weight must be positive"):
            make(library, scale_pos_weight=wrong).fit(X, y)


@pytest.mark.parametrize("library", LIBRARIES)
def test_class_without_weight(library, rare):
    X, y = rare
    three = y + (X[:, 1] > 1)
    with pytest.raises(ValueError, match="class number 2 are all zero"):
        make(library).fit(X, three, sample_weight=(three < 2).astype(float))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "X, message",
    [
        ([[1.0, 2.0], [np.inf, 3.0]] * 20, "column 0, row 1"),
        (sparse.lil_matrix(np.array([[1.0, 2.0], [np.inf, 3.0]] * 20)), "Infinite"),
        (pd.DataFrame({"when": pd.date_range("2026-01-01", periods=40)}), "'when' holds dates"),
        (pd.DataFrame(np.zeros((40, 2)), columns=["a", "a"]), "'a' stands more than once"),
    ],
    ids=["list", "lil", "dates", "names"],
)
def test_features_that_are_none(library, X, message):
    with pytest.raises(ValueError, match=message):
        make(library).fit(X, np.tile([0, 1], 20))


def test_frames_in_another_order_of_columns_are_refused(rare):
    X, y = rare
    frame = pd.DataFrame(X, columns=list("abcd"))
    for library in LIBRARIES:
        model = make(library, n_estimators=3).fit(frame, y)
        with pytest.raises(ValueError, match=r"(?i)feature.?names"):
            model.predict_proba(frame[list("dcba")])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_is_continued_only_where_its_margins_mean_the_same(library, rare):
    X, y = rare
    focal = make(library, link="focal", focal_alpha=0.1, n_estimators=5).fit(X, y)
    for change, message in (
        ({"link": "logit"}, "link='focal'"),
        ({"focal_gamma": 1.0}, "focal_gamma=2.0"),
        ({"focal_alpha": 0.2}, "focal_alpha"),
    ):
        other = make(library, **{"link": "focal", "focal_alpha": 0.1, **change})
        with pytest.raises(ValueError, match=message):
            continued(library, other, X, y, focal)
    labels = np.where(y == 1, "bad", "good")
    named = make(library, n_estimators=2, pos_label="bad").fit(X, labels)
    for other, target in ((make(library, n_estimators=2), labels), (make(library), y)):
        with pytest.raises(ValueError, match="trained on classes"):
            continued(library, other, X, target, named)
    # True log-odds mean the same under every loss.
    logit = make(library, n_estimators=30).fit(X, y)
    more = make(library, focal_gamma=0.0, n_estimators=1, learning_rate=1e-6)
    continued(library, more, X, y, logit)
    np.testing.assert_allclose(more.predict_proba(X), logit.predict_proba(X), atol=1e-5)


def test_loaded_xgboost_models_know_their_parameters_and_go_on(rare, tmp_path):
    X, y = rare
    options = {"link": "focal", "focal_gamma": 4.0, "focal_alpha": 0.1, "n_estimators": 5}
    labels = np.where(y == 1, "bad", "good")
    model = make("xgb", pos_label="bad", **options).fit(X, labels)
    model.save_model(tmp_path / "model.json")
    again = FocalXGBClassifier()
    again.load_model(tmp_path / "model.json")
    for name in ("link", "focal_gamma", "pos_label", "prevalence_"):
        assert getattr(again, name) == getattr(model, name)
    assert again.focal_alpha == pytest.approx(0.1)
    more = make("xgb", pos_label="bad", **options).fit(X, labels, xgb_model=model)
    loaded_more = again.set_params(n_estimators=5).fit(X, labels, xgb_model=again)
    np.testing.assert_allclose(
        loaded_more.predict_proba(X), more.predict_proba(X), rtol=0, atol=1e-6
    )


def test_the_xgboost_file_of_an_early_stopped_model_predicts_what_the_model_does(rare, tmp_path):
    X, y = rare
    for options in ({}, {"eval_metric": "logloss"}):
        model = make("xgb", n_estimators=300, early_stopping_rounds=20, random_state=0, **options)
        model.fit(X, y)
        model.save_model(tmp_path / "model.json")
        native = xgb.Booster(model_file=tmp_path / "model.json").predict(xgb.DMatrix(X))
        np.testing.assert_allclose(native, model.predict_proba(X)[:, 1], atol=1e-6)
        assert model.get_booster().num_boosted_rounds() == model.best_iteration + 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_interrupted_refit_leaves_the_old_model_whole(library, rare):
    class Interrupt(xgb.callback.TrainingCallback):
        def before_iteration(self, model, epoch, evals_log):
            raise KeyboardInterrupt

    def interrupt(environment):
        raise KeyboardInterrupt

    X, y = rare
    model = make(library, n_estimators=3, pos_label="bad")
    model.fit(X, np.where(y == 1, "bad", "good"))
    before, labels = model.predict_proba(X), model.predict(X)
    options = {}
    if library == "xgb":
        model.set_params(callbacks=[Interrupt()])
    else:
        options["callbacks"] = [interrupt]
    model.set_params(pos_label=None)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y + (X[:, 1] > 1), **options)
    assert model.classes_.tolist() == ["bad", "good"]
    np.testing.assert_array_equal(model.predict_proba(X), before)
    np.testing.assert_array_equal(model.predict(X), labels)


def test_xgboost_metrics_that_would_misread_the_focal_margin(rare):
    X, y = rare
    for metric in ("logloss", ["auc", "error"]):
        with pytest.raises(ValueError, match="needs probabilities"):
            make("xgb", link="focal", eval_metric=metric).fit(X, y, eval_set=[(X, y)])
    with pytest.raises(ValueError, match="needs probabilities"):
        three = y + (X[:, 1] > 1)
        make("xgb", link="focal", eval_metric="auc").fit(X, three)
    model = make("xgb", link="focal", n_estimators=3).fit(X, y, eval_set=[(X, y)])
    last = model.evals_result()["validation_0"]["average_precision"][-1]
    assert last == pytest.approx(average_precision_score(y, model.predict_proba(X)[:, 1]), abs=1e-6)


@pytest.mark.parametrize("link", ["logit", "focal"])
def test_scikit_learn_metrics_serve_both_libraries(link, rare):
    X, y = rare

    def logarithmic(y_true, y_score):
        return "logarithmic", log_loss(y_true, y_score), False

    by_xgb = make("xgb", link=link, n_estimators=4, eval_metric=log_loss)
    by_xgb.fit(X, y, eval_set=(X, y))
    by_lgbm = make("lgbm", link=link, n_estimators=4)
    by_lgbm.fit(X, y, eval_set=(X, y), eval_metric=logarithmic)
    for model, log, name in (
        (by_xgb, by_xgb.evals_result(), "log_loss"),
        (by_lgbm, by_lgbm.evals_result_, "logarithmic"),
    ):
        last = next(iter(log.values()))[name][-1]
        assert last == pytest.approx(log_loss(y, model.predict_proba(X)), rel=1e-5)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"linear_trees": True}, "linear"),
        ({"metrics": "binary_logloss"}, "needs probabilities"),
        ({"boosting": "rf"}, "rf"),
        ({"application": "regression"}, "objective is focal loss"),
        ({"unbalanced_sets": True}, "class_weight"),
    ],
    ids=str,
)
def test_lightgbm_parameters_under_their_other_names(parameters, message, rare):
    with pytest.raises(ValueError, match=message):
        make("lgbm", **parameters).fit(*rare)


@pytest.mark.parametrize("name", ["early_stopping_round", "n_iter_no_change"])
def test_lightgbm_stops_early_under_every_name(name, rare):
    model = make("lgbm", n_estimators=300, random_state=0, **{name: 5}).fit(*rare)
    assert model.best_iteration_ < 200


def test_lightgbm_evaluation_class_weights_go_by_label(rare):
    X, y = rare
    labels = np.where(y == 1, "b", "a")
    model = make("lgbm", n_estimators=3)
    model.fit(X, labels, eval_set=[(X, labels)], eval_class_weight=[{"a": 1.0, "b": 7.0}])
    expected = average_precision_score(
        y, model.predict_proba(X)[:, 1], sample_weight=np.where(y == 1, 7.0, 1.0)
    )
    log = next(iter(model.evals_result_.values()))["average_precision"]
    assert log[-1] == pytest.approx(expected, abs=1e-6)


def test_xgboost_parameters_that_a_custom_objective_could_break(rare):
    X, y = rare
    exact = make("xgb", n_estimators=5, focal_gamma=0.0, tree_method="exact").fit(X, y)
    stock = xgb.XGBClassifier(n_estimators=5, tree_method="exact").fit(X, y)
    np.testing.assert_allclose(exact.predict_proba(X), stock.predict_proba(X), atol=1e-5)
    three = y + (X[:, 1] > 1)
    flat = make("xgb", n_estimators=5, focal_gamma=0.0, base_score=0.5).fit(X, three)
    stock = xgb.XGBClassifier(n_estimators=5, base_score=0.5).fit(X, three)
    np.testing.assert_allclose(flat.predict_proba(X), stock.predict_proba(X), atol=1e-4)


def test_lightgbm_fits_leave_no_trace_of_each_other(rare):
    X, y = rare
    model = make("lgbm", n_estimators=5, class_weight={0: 1.0, 1: 9.0}).fit(X, y)
    assert model.class_weight == {0: 1.0, 1: 9.0}
    model.set_params(class_weight=None).fit(X, np.where(y == 1, "b", "a"))
    fresh = lgb.LGBMClassifier(n_estimators=5, verbosity=-1).fit(X, y)
    refit = make("lgbm", n_estimators=5, focal_gamma=0.0).fit(X, y)
    np.testing.assert_allclose(refit.predict_proba(X), fresh.predict_proba(X), atol=1e-6)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=0.2)


@pytest.mark.parametrize("library", LIBRARIES)
def test_text_is_refused_with_its_column_in_training_and_in_scoring(library):
    X = pd.DataFrame({"amount": np.arange(60.0), "city": ["Oslo", "Rome", "Bonn"] * 20})
    y = np.arange(60) % 2
    model = make(library)
    with pytest.raises(ValueError, match=r"Column 'city' holds text.*astype\('category'\)"):
        model.fit(X, y)
    model.fit(X.astype({"city": "category"}), y)
    with pytest.raises(ValueError, match="Column 'city' holds text"):
        model.predict_proba(X.astype({"city": object}))


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_that_come_as_objects_are_labels(library, rare):
    X, y = rare
    model = make(library, n_estimators=2)
    plain = model.fit(X, y).predict_proba(X)
    as_objects = model.fit(X, np.array(y.tolist(), dtype=object))
    np.testing.assert_array_equal(as_objects.predict_proba(X), plain)
    assert as_objects.classes_.tolist() == [0, 1]
