"""What a network keeps, forgets and refuses between calls."""

import copy
import pickle
import warnings

import pytest

pytest.importorskip("torch")

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.metrics import average_precision_score

from focaltab import FocalMLPClassifier
from focaltab.neural._state import from_arrays, to_arrays


def make(**parameters):
    options = {
        "hidden_layer_sizes": (16,),
        "max_iter": 8,
        "learning_rate_init": 0.005,
        "random_state": 0,
        "numeric_embedding": None,
        "early_stopping": False,
    }
    return FocalMLPClassifier(**{**options, **parameters})


@pytest.fixture(scope="module")
def rare():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    return X, (rng.random(3000) < expit(1.5 * X[:, 0] - 3.0)).astype(int)


def test_a_failed_fit_leaves_the_model_as_it_was(rare):
    X, y = rare
    model = make().fit(X, y)
    before = model.predict_proba(X)
    for attempt in (
        lambda: model.fit(X[:, :3], np.zeros(3000)),
        lambda: model.fit(X[:, :3], y, eval_set=(X[:2, :3], [0, 0])),
        lambda: model.set_params(learning_rate_init=1e30, optimizer="sgd").fit(X[:, :2], y),
        lambda: model.set_params(warm_start=True).fit(X, y),
        lambda: model.partial_fit(X, y),
    ):
        with pytest.raises(ValueError):
            attempt()
        np.testing.assert_array_equal(model.predict_proba(X), before)


def test_a_network_that_the_last_step_breaks_is_refused(rare):
    X, y = rare
    model = make(
        batch_size=3000,
        optimizer="sgd",
        learning_rate_init=1e200,
        learning_rate="constant",
        max_iter=1,
    )
    with pytest.raises(ValueError, match="learning_rate_init=1e\\+200 is too high"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="too high"):
        model.partial_fit(X, y, classes=[0, 1])


def test_a_fitted_model_does_not_follow_its_parameters(rare):
    X, y = rare
    model = make(label_smoothing=0.2, sampler="balanced").fit(X, y)
    before = model.predict_proba(X)
    model.set_params(label_smoothing=0.0, sampler=None, focal_gamma=5.0, link="focal")
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"link": "logit"}, "link='focal'"),
        ({"focal_gamma": 3.0}, "focal_gamma=2.0"),
        ({"hidden_layer_sizes": (9,)}, "hidden_layer_sizes"),
        ({"activation": "tanh"}, "activation='relu'"),
        ({"n_members": 3}, "n_members=1"),
        ({"pos_label": 0}, "set pos_label"),
    ],
    ids=str,
)
def test_warm_start_goes_on_with_the_same_network_only(change, message, rare):
    X, y = rare
    model = make(link="focal", warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.set_params(**change).fit(X, y)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (np.array([8, 4]), np.array([8, 4])),
        ((8, 4), [8, 4]),
        ([8, 4], np.array([8, 4])),
        (8, (8,)),
        ((8,), np.int64(8)),
        ((), []),
    ],
    ids=str,
)
def test_warm_start_knows_an_architecture_however_it_is_written(first, then, rare):
    X, y = rare
    model = make(hidden_layer_sizes=first, warm_start=True, max_iter=1).fit(X, y)
    before = model.network_.state_dict()
    model.set_params(hidden_layer_sizes=then).fit(X, y)
    after = model.network_.state_dict()
    assert {k: v.shape for k, v in after.items()} == {k: v.shape for k, v in before.items()}
    model.set_params(hidden_layer_sizes=(9, 4))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=.* which cannot become \(9, 4\)"):
        model.fit(X, y)


def test_warm_start_sees_layers_that_were_changed_in_place(rare):
    X, y = rare
    sizes = [8]
    model = make(hidden_layer_sizes=sizes, warm_start=True, max_iter=1).fit(X, y)
    sizes[0] = 9
    with pytest.raises(ValueError, match=r"\[8\], which cannot become \[9\]"):
        model.fit(X, y)


def test_partial_fit_goes_on_from_a_copy_as_from_itself(rare):
    X, y = rare
    model = make(dropout=0.3).partial_fit(X, y, classes=[0, 1])
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        one = copy.deepcopy(model).partial_fit(X[:500], y[:500])
        other.partial_fit(X[:500], y[:500])
        np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    # Another order of rows and other dropout masks than the call before.
    losses = [model.partial_fit(X, y).loss_curve_[-1] for _ in range(2)]
    assert losses[0] != losses[1]
    before = model.predict_proba(X)
    model.set_params(learning_rate_init=1e-12, weight_decay=0.0).partial_fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), before, atol=1e-6)
    assert model.best_iter_ == model.n_iter_ == 4


def test_a_table_that_can_only_become_an_array(rare):
    X, y = rare

    class Columns:
        def __array__(self, dtype=None, copy=None):
            return X

    for train in (
        lambda table: make(max_iter=2).fit(table, y),
        lambda table: make().partial_fit(table, y, classes=[0, 1]),
    ):
        np.testing.assert_array_equal(train(Columns()).predict_proba(X), train(X).predict_proba(X))
    with pytest.raises(ValueError, match="X has 3000 rows but y has 2 labels"):
        make().partial_fit(Columns(), y[[0, y.argmax()]], classes=[0, 1])


def test_partial_fit_takes_class_weights_and_the_scale_of_weights(rare):
    X, y = rare
    plain = make().partial_fit(X, y, classes=[0, 1])
    weighted = make(class_weight={0: 1.0, 1: 50.0}).partial_fit(X, y, classes=[0, 1])
    assert weighted.predict_proba(X)[:, 1].mean() > 5 * plain.predict_proba(X)[:, 1].mean()
    before = plain.predict_proba(X)
    plain.set_params(weight_decay=0.0).partial_fit(X, y, sample_weight=np.full(3000, 1e-12))
    nothing = np.abs(plain.predict_proba(X) - before).max()
    again = make().partial_fit(X, y, classes=[0, 1]).set_params(weight_decay=0.0)
    again.partial_fit(X, y)
    assert nothing < np.abs(again.predict_proba(X) - before).max()
    with pytest.raises(ValueError, match="class_weight='balanced' needs all rows"):
        make(class_weight="balanced").partial_fit(X, y, classes=[0, 1])
    sampled = make(sampler="balanced").fit(X, y).set_params(sampler=None)
    with pytest.raises(ValueError, match="Fit anew"):
        sampled.partial_fit(X, y)
    with pytest.raises(ValueError, match="y: label 7 in row 0"):
        again.partial_fit(X[:2], [7, 0])


@pytest.mark.slow
def test_smoothed_labels_keep_small_probabilities_in_order(rare):
    X, _ = rare
    rng = np.random.default_rng(1)
    y = (rng.random(3000) < expit(2.0 * X[:, 0] - 6.5)).astype(int)
    plain = make(max_iter=25).fit(X, y)
    smooth = make(max_iter=25, label_smoothing=0.1).fit(X, y)
    probability = smooth.predict_proba(X)[:, 1]
    assert probability.min() > 1e-7
    assert np.unique(probability).size > 2900
    assert probability.mean() == pytest.approx(y.mean(), rel=0.5)
    ratio = average_precision_score(y, probability) / average_precision_score(
        y, plain.predict_proba(X)[:, 1]
    )
    assert ratio > 0.8


@pytest.mark.parametrize("link", ["logit", "focal"])
def test_the_defaults_are_calibrated_where_positives_are_rare(link):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 4))
    known = expit(1.2 * X[:, 0] - 5.5)
    y = (rng.random(20_000) < known).astype(int)
    model = FocalMLPClassifier((32,), max_iter=15, link=link, random_state=0).fit(X, y)
    probability = model.predict_proba(X)[:, 1]
    assert probability.mean() == pytest.approx(known.mean(), rel=0.3)
    assert average_precision_score(y, probability) > 0.7 * average_precision_score(y, known)


def test_regularisation_does_what_its_parameters_say(rare):
    X, y = rare
    free = make(weight_decay=0.0, dropout=0.0).fit(X, y)
    for name, value in (("weight_decay", 20.0), ("dropout", 0.9)):
        model = make(**{"weight_decay": 0.0, "dropout": 0.0, name: value}).fit(X, y)
        spread = np.ptp(model.predict_proba(X)[:, 1])
        assert spread < 0.9 * np.ptp(free.predict_proba(X)[:, 1])
    # Predictions draw no dropout masks.
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))


@pytest.mark.slow
def test_a_tolerance_ends_training_and_an_adaptive_rate_goes_on(rare):
    X, y = rare
    options = {"max_iter": 40, "n_iter_no_change": 2, "tol": 0.05, "learning_rate": "constant"}
    ended = make(**options).fit(X, y)
    assert ended.n_iter_ < 40
    assert make(**{**options, "tol": 0.0, "n_iter_no_change": 40}).fit(X, y).n_iter_ == 40
    adaptive = make(**{**options, "learning_rate": "adaptive"}).fit(X, y)
    assert adaptive.n_iter_ > ended.n_iter_


def test_patience_may_be_endless_as_in_scikit_learn(rare):
    X, y = rare
    options = {"tol": 10.0, "max_iter": 6}
    assert make(n_iter_no_change=2, **options).fit(X, y).n_iter_ < 6
    patient = make(n_iter_no_change=np.inf, **options).fit(X, y)
    assert patient.n_iter_ == 6
    again = from_arrays(to_arrays(patient))
    assert again.n_iter_no_change == np.inf
    np.testing.assert_array_equal(again.predict_proba(X), patient.predict_proba(X))
    for bad in (0, -np.inf, 2.5, np.nan, True):
        with pytest.raises(ValueError, match="n_iter_no_change"):
            make(n_iter_no_change=bad).fit(X, y)


def test_what_is_warned_of_as_in_scikit_learn_and_what_is_not(rare):
    X, y = rare
    frame = pd.DataFrame(X, columns=list("abcd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A schedule that has run to its end is no failure to converge.
        model = make(max_iter=2).fit(frame, y)
        stated = model.predict_proba(frame)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but FocalMLP"):
        np.testing.assert_array_equal(model.predict_proba(X), stated)


def test_held_out_rows_count_by_their_weight(rare):
    X, y = rare
    weight = np.where(X[:, 1] > 0, 10.0, 0.1)
    options = {"early_stopping": True, "refit": False, "max_iter": 2}
    unweighted = make(**options).fit(X, y)
    weighted = make(**options).fit(X, y, sample_weight=weight)
    assert weighted.validation_scores_ != unweighted.validation_scores_
    one = make(**options).fit(X, y, sample_weight=np.full(3000, 3.0))
    assert one.validation_scores_ == pytest.approx(unweighted.validation_scores_, abs=0.02)


@pytest.mark.parametrize(
    "column, message",
    [
        (pd.Series(pd.to_timedelta(np.arange(40), unit="h")), "'new' holds dates or times"),
        (pd.Series(pd.period_range("2026-01", periods=40, freq="M")), "'new' holds dates or times"),
        (pd.Series(["x", 1.0] * 20, dtype=object), "'new' mixes values of types float, str"),
        (pd.Series([1.0, np.inf] * 20), "'new', row 1"),
    ],
    ids=["timedelta", "period", "mixed", "infinite"],
)
def test_columns_that_are_no_features(column, message):
    frame = pd.DataFrame({"x": np.arange(40.0), "new": column})
    with pytest.raises(ValueError, match=message):
        make().fit(frame, np.tile([0, 1], 20))


def test_columns_of_python_numbers_are_numbers(rare):
    X, y = rare
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.loc[::5, "b"] = np.nan
    as_objects = frame.astype(object).where(frame.notna(), None)
    np.testing.assert_array_equal(
        make().fit(as_objects, y).predict_proba(as_objects),
        make().fit(frame, y).predict_proba(frame),
    )


def test_other_kinds_of_values_in_scoring_are_named(rare):
    X, y = rare
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["kind"] = pd.Categorical((X[:, 1] > 0).astype(int))
    model = make(max_iter=1).fit(frame, y)
    with pytest.raises(ValueError, match="'kind' held categories of type int"):
        model.predict_proba(frame.assign(kind=frame["kind"].astype(str)))
    with pytest.raises(ValueError, match="'a' held numbers in training"):
        model.predict_proba(frame.assign(a="q"))
    with pytest.raises(ValueError, match="pass a DataFrame"):
        model.predict_proba(np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"X, column 1, row 2"):
        bad = X.copy()
        bad[2, 1] = np.inf
        make().fit(bad, y)


def test_huge_values_and_sorted_tables_keep_their_scale():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    X[:, 1] = np.where(np.arange(400) % 2, 1e308, -1e308)
    y = (X[:, 1] > 0).astype(int)
    model = make(max_iter=30).fit(X, y)
    assert np.mean(model.predict(X) == y) == 1.0
    X[:3, 0] = 1e200, 1e300, -1e300
    numbers = model.encoder_.transform(X[:3])[0][:, 0]
    np.testing.assert_allclose(numbers, [3.0, 3.0, -3.0], rtol=1e-6)


def test_partial_fit_does_not_stop_early_but_goes_on_from_the_best_epoch(rare):
    X, y = rare
    options = {"learning_rate": "constant", "n_iter_no_change": 2, "tol": 0.0}
    model = make(early_stopping=True, refit=False, max_iter=20, **options).fit(X, y)
    assert model.best_iter_ < model.n_iter_
    n_done, best = model.n_iter_, model.predict_proba(X)
    for wanted in (model, make(early_stopping=True)):
        with pytest.raises(ValueError, match="partial_fit has no held-out rows to stop early by"):
            wanted.partial_fit(X, y, classes=[0, 1])
    for early_stopping in (False, "auto"):
        more = copy.deepcopy(model).set_params(early_stopping=early_stopping, weight_decay=0.0)
        more.set_params(learning_rate_init=1e-12).partial_fit(X, y)
        np.testing.assert_allclose(more.predict_proba(X), best, atol=1e-6)
        assert more.best_iter_ == more.n_iter_ == n_done + 1
        assert more.validation_scores_ is None and more.best_validation_score_ is None
