"""Early stopping without an evaluation set: folds say how many rounds, all rows are trained on."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.boosting import EarlyStopWarning

LIBRARIES = ["xgb", "lgbm"]


def make(library, **options):
    options = {"n_estimators": 120, "learning_rate": 0.2, "n_jobs": 1, "random_state": 0, **options}
    if library == "lgbm":
        return FocalLGBMClassifier(verbosity=-1, min_child_weight=1.0, **options)
    return FocalXGBClassifier(**options)


def stopping(library, **options):
    return make(library, early_stopping_rounds=10, **options)


def best_round(model):
    return getattr(model, "best_iteration_", None) or model.best_iteration + 1


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    risk = 2.0 * X[:, 0] + X[:, 1] * X[:, 2] + rng.logistic(size=1500)
    return X, np.where(risk > 4.0, "fraud", "fine")


@pytest.fixture(scope="module")
def stopped(data):
    """A model of each library that stopped by folds."""
    made = {}

    def of(library):
        if library not in made:
            made[library] = stopping(library, pos_label="fraud").fit(*data)
        return made[library]

    return of


def log_loss_metric(library):
    """The figure as each library takes it from a user, lower being better."""
    if library == "xgb":
        return {"eval_metric": "logloss"}, {}

    def loss(y_true, probability):
        return "loss", log_loss(y_true, probability, labels=[0, 1]), False

    return {}, {"eval_metric": loss}


@pytest.mark.parametrize("library", LIBRARIES)
def test_rounds_are_those_that_folds_say(library, data, stopped):
    X, y = data
    codes = (y == "fraud").astype(int)
    options, fit_options = log_loss_metric(library)
    best = []
    for train, held in StratifiedKFold(5, shuffle=True, random_state=0).split(X, codes):
        fold = stopping(library, **options)
        fold.fit(X[train], codes[train], eval_set=[(X[held], codes[held])], **fit_options)
        best.append(best_round(fold))
    expected = round(1.25 * math.exp(np.mean(np.log(best))))
    assert best_round(stopped(library)) == expected
    assert 3 < expected < 120
    assert list(stopped(library).evals_result_) == [f"fold_{k}" for k in range(5)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_model_is_that_of_all_rows_and_so_many_rounds(library, data, stopped):
    X, y = data
    model = stopped(library)
    plain = make(library, n_estimators=best_round(model), pos_label="fraud").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert model.n_estimators == 120
    assert model.early_stopping_rounds == 10
    assert model.classes_.tolist() == ["fine", "fraud"]
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_best_score_is_the_folds_mean_log_loss(library, stopped):
    model = stopped(library)
    score = model.best_score if library == "xgb" else model.best_score_["folds"]["logloss"]
    lowest = [min(history["logloss"]) for history in model.evals_result_.values()]
    assert score == pytest.approx(np.mean(lowest), rel=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_part_is_held_out_without_refit(library, data):
    X, y = data
    model = stopping(library, refit=False).fit(X, y)
    (history,) = model.evals_result_.values()
    assert best_round(model) == 1 + int(np.argmin(history["logloss"]))
    assert len(history["logloss"]) == min(best_round(model) + 10, 120)


@pytest.mark.parametrize("library", LIBRARIES)
def test_splits_of_the_users(library, data):
    X, y = data
    earlier, later = np.arange(1050), np.arange(1050, 1500)
    model = stopping(library, early_stopping_folds=[(earlier, later)]).fit(X, y)
    (history,) = model.evals_result_.values()
    best = 1 + int(np.argmin(history["logloss"]))
    assert best_round(model) == round(best / 0.7)
    over_time = stopping(library, early_stopping_folds=TimeSeriesSplit(3)).fit(X, y)
    assert len(over_time.evals_result_) == 3


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_rare_class_makes_fewer_folds(library, data):
    X, _ = data
    y = np.zeros(200, dtype=int)
    y[:3] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EarlyStopWarning)
        model = stopping(library).fit(X[:200], y)
        assert len(model.evals_result_) == 3
        with pytest.raises(ValueError, match="early_stopping_folds=5, but class number 1 has 3"):
            stopping(library, early_stopping_folds=5).fit(X[:200], y)
    y[1:3] = 0
    with pytest.raises(ValueError, match="has 1 row: pass eval_set, or switch early stopping off"):
        stopping(library).fit(X[:200], y)


@pytest.mark.parametrize("folds", ["many", 1, 0, True, 2.5, None])
def test_what_are_no_folds(folds, data):
    with pytest.raises(ValueError, match="early_stopping_folds must be 'auto'"):
        stopping("xgb", early_stopping_folds=folds).fit(*data)
    with pytest.raises(ValueError, match=r"fold 0 .*lacks a class to train on"):
        one_class = np.flatnonzero(data[1] == "fine")
        splits = [(one_class, np.arange(10))]
        stopping("lgbm", early_stopping_folds=splits).fit(*data)


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_without_weight_are_as_if_they_were_not_there(library, data):
    X, y = data
    weight = np.tile([1.0, 0.0, 2.0], 500)
    kept = weight > 0
    # One feature of few values: the libraries' bins, which count all rows, are then the same.
    few = np.round(X)
    weighted = stopping(library).fit(few, y, sample_weight=weight)
    plain = stopping(library).fit(few[kept], y[kept], sample_weight=weight[kept])
    assert best_round(weighted) == best_round(plain)


@pytest.mark.parametrize("library", LIBRARIES)
def test_tables_of_all_kinds(library, data):
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.loc[::7, "b"] = np.nan
    frame["land"] = pd.Categorical(np.where(X[:, 3] > 0, "Ж", "ы"))
    assert stopping(library).fit(frame, y).predict_proba(frame).shape == (1500, 2)
    matrix = sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0.0))
    several = np.where(X[:, 3] > 1.0, "other", y)
    model = stopping(library, early_stopping_folds=2).fit(matrix, several)
    assert model.predict_proba(matrix).shape == (1500, 3)
    lowest = [min(next(iter(history.values()))) for history in model.evals_result_.values()]
    assert np.mean(lowest) < log_loss(several, np.tile(model.prevalence_, (1500, 1)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_focal_margins_are_judged_by_their_probabilities(library, data):
    X, y = data
    model = stopping(library, link="focal", early_stopping_folds=2).fit(X, y)
    lowest = [min(history["logloss"]) for history in model.evals_result_.values()]
    share = np.mean(y == "fraud")
    assert np.mean(lowest) < 0.8 * log_loss(y, np.tile([1 - share, share], (1500, 1)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_margin_of_the_users_goes_with_its_rows(library, data):
    X, y = data
    name = "base_margin" if library == "xgb" else "init_score"
    model = stopping(library, early_stopping_folds=2)
    model.fit(X, y, **{name: 2.0 * X[:, 0] - 4.0})
    first = [history["logloss"][0] for history in model.evals_result_.values()]
    share = np.mean(y == "fraud")
    # With most of the answer given, the first round is far below what a constant reaches.
    assert np.mean(first) < 0.8 * log_loss(y, np.tile([1 - share, share], (1500, 1)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_that_hardly_learns_is_told_of(library):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 3)), np.tile([0, 0, 0, 1], 100)
    with pytest.warns(EarlyStopWarning, match="ended the model at round [123] of at most 120"):
        stopping(library).fit(X, y)
    with pytest.warns(EarlyStopWarning):
        stopping(library).fit(X, y, eval_set=[(X[::-1], y)])


def test_lightgbm_trains_all_rounds_of_dart(data):
    with pytest.warns(UserWarning, match="does not stop dart early"):
        model = stopping("lgbm", boosting_type="dart", n_estimators=12).fit(*data)
    assert model.n_iter_ == 12
