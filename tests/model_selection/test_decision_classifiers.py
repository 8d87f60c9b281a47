"""Decisions by cost and by budget, on data whose probabilities are known."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.metrics import expected_cost, get_scorer
from focaltab.model_selection import (
    AlertBudgetClassifier,
    CostThresholdClassifier,
    TimeGapSplit,
)


class Oracle(ClassifierMixin, BaseEstimator):
    """Knows the probability: it is a column."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = X["probability"].to_numpy()
        return np.column_stack([1 - p, p])


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(0)
    n = 60_000
    frame = pd.DataFrame(
        {
            "risk": rng.normal(size=n),
            "amount": rng.gamma(1.0, 80.0, n),
            "day": rng.integers(0, 30, n),
        }
    )
    frame["probability"] = expit(-5.0 + 1.5 * frame["risk"])
    return frame, (rng.random(n) < frame["probability"]).to_numpy().astype(int)


@parametrize_with_checks(
    [
        CostThresholdClassifier(LogisticRegression()),
        AlertBudgetClassifier(LogisticRegression(), k=5, cv=2, random_state=0),
    ],
    # As of scikit-learn's own TunedThresholdClassifierCV: decisions are not the likelier label.
    expected_failed_checks=lambda estimator: (
        {"check_classifiers_train": "the budget decides, not a probability of one half"}
        if isinstance(estimator, AlertBudgetClassifier)
        else {}
    ),
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_row_wise_decisions_are_cheaper_than_any_threshold(payments):
    X, y = payments
    costs = {"fp_cost": 5.0, "tp_cost": 5.0}
    model = CostThresholdClassifier(Oracle(), fn_cost="amount", **costs).fit(X, y)
    ours = expected_cost(y, model.predict(X), fn_cost=X["amount"], **costs)
    p = X["probability"].to_numpy()
    one = [
        expected_cost(y, (p >= t).astype(int), fn_cost=X["amount"], **costs)
        for t in np.geomspace(1e-3, 0.5, 60)
    ]
    assert ours < 0.97 * min(one)


def test_one_cost_is_the_bayes_threshold(payments):
    X, y = payments
    model = CostThresholdClassifier(Oracle(), fp_cost=1.0, fn_cost=19.0).fit(X, y)
    np.testing.assert_allclose(model.thresholds(X), 0.05)
    np.testing.assert_array_equal(model.predict(X), (X["probability"] > 0.05).astype(int))
    rows = X[["risk"]].to_numpy().tolist()
    listed = CostThresholdClassifier(LogisticRegression(), fn_cost=19.0).fit(rows, y)
    assert listed.thresholds(rows).shape == y.shape


def test_a_payment_of_less_than_a_review_is_let_through(payments):
    X, y = payments
    model = CostThresholdClassifier(Oracle(), fp_cost=5.0, tp_cost=5.0, fn_cost="amount").fit(X, y)
    small = (X["amount"] < 5.0).to_numpy()
    assert small.any() and not model.predict(X)[small].any()
    assert (model.thresholds(X)[small] == 1.0).all()


def test_costs_from_a_callable_string_labels_and_the_other_label_as_positive(payments):
    X, y = payments
    words = np.array(["fraud", "genuine"])[1 - y]
    base = make_pipeline(StandardScaler(), LogisticRegression())
    by_name = CostThresholdClassifier(base, fp_cost=5.0, fn_cost="amount").fit(X, y)
    model = CostThresholdClassifier(
        base,
        fp_cost=lambda X: np.full(len(X), 5.0),
        fn_cost=lambda X: X["amount"],
        pos_label="fraud",
    ).fit(X, words)
    called = model.predict(X) == "fraud"
    assert 0.001 < called.mean() < 0.5
    assert np.mean(called == (by_name.predict(X) == 1)) > 0.9999
    # "fraud" sorts before "genuine": the other column.
    np.testing.assert_allclose(
        model.predict_proba(X)[:, 0], by_name.predict_proba(X)[:, 1], atol=1e-5
    )


def test_the_budget_is_kept_on_average_and_exactly(payments):
    X, y = payments
    train, new = X[:40_000], X[40_000:]
    model = AlertBudgetClassifier(
        make_pipeline(StandardScaler(), LogisticRegression()), k=10, period="day", random_state=0
    ).fit(train, y[:40_000])
    assert model.n_periods_ == 30
    # 20,000 rows over 30 days are half as many a day as in training.
    assert model.predict(new).sum() == pytest.approx(150, rel=0.3)
    alerts = model.alerts(new)
    assert (new["day"][alerts].value_counts() == 10).all() and alerts.sum() == 300
    p = model.predict_proba(new)[:, 1]
    for _, rows in new.reset_index(drop=True).groupby("day"):
        chosen = alerts[rows.index]
        assert p[rows.index][chosen].min() >= p[rows.index][~chosen].max()


def test_out_of_fold_scores_keep_the_budget_where_the_model_overfits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 5))
    y = (X[:, 0] + 2 * rng.normal(size=20_000) > 4).astype(int)
    base = FocalLGBMClassifier(n_estimators=60, verbosity=-1, n_jobs=1)
    model = AlertBudgetClassifier(base, k=200, random_state=0).fit(X[:10_000], y[:10_000])
    in_sample = np.sort(model.predict_proba(X[:10_000])[:, 1])[-200]
    p = model.predict_proba(X[10_000:])[:, 1]
    assert (p >= in_sample).sum() < 120
    assert model.predict(X[10_000:]).sum() == pytest.approx(200, rel=0.25)


def test_decisions_survive_clone_pickle_and_search(payments):
    X, y = payments
    X, y = X[:5000], y[:5000]
    for model in (
        CostThresholdClassifier(LogisticRegression(), fn_cost="amount", fp_cost=5.0),
        AlertBudgetClassifier(LogisticRegression(), k=20, random_state=0),
    ):
        fitted = clone(model).fit(X, y)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
        search = GridSearchCV(model, {"estimator__C": [1e-4, 1.0]}, cv=2, scoring="f1").fit(X, y)
        means = search.cv_results_["mean_test_score"]
        assert means[0] != means[1]
        best = search.best_params_["estimator__C"]
        assert best == [1e-4, 1.0][means.argmax()] == search.best_estimator_.estimator_.C
        refit = clone(model).set_params(estimator__C=best).fit(X, y)
        np.testing.assert_array_equal(search.predict(X), refit.predict(X))


def test_the_period_is_no_feature_and_may_be_a_date(payments):
    X, y = payments
    X, y = X[:6000], y[:6000]
    dated = X.assign(day=pd.Timestamp("2025-01-01") + pd.to_timedelta(X["day"], unit="D"))
    model = AlertBudgetClassifier(LogisticRegression(), k=5, period="day", random_state=0)
    by_number, by_date = clone(model).fit(X, y), clone(model).fit(dated, y)
    assert list(by_date.feature_names_in_) == ["risk", "amount", "probability"]
    assert by_date.estimator_.n_features_in_ == 3
    assert by_date.threshold_ == by_number.threshold_
    alone = X.drop(columns="day")  # a stream need not know its period
    np.testing.assert_array_equal(by_date.predict(alone), by_number.predict(X))
    np.testing.assert_array_equal(by_date.alerts(dated), by_number.alerts(X))
    with pytest.raises(ValueError, match="'day' is no column"):
        by_date.alerts(alone)
    made = clone(model).set_params(period=lambda X: X["day"]).fit(X, y)
    assert made.n_periods_ == 30 and "day" in made.feature_names_in_


@pytest.mark.parametrize(
    "model, broken",
    [
        (AlertBudgetClassifier(LogisticRegression(), k=5, random_state=0), {"k": 10_000}),
        (AlertBudgetClassifier(LogisticRegression(), k=5, random_state=0), {"cv": 99}),
        (AlertBudgetClassifier(LogisticRegression(), k=5, random_state=0), {"pos_label": "x"}),
        (CostThresholdClassifier(LogisticRegression(), fn_cost=9.0), {"fn_cost": "nowhere"}),
    ],
)
def test_a_refit_that_fails_changes_nothing(payments, model, broken):
    X, y = payments
    model = clone(model).fit(X[:3000], y[:3000])
    before = {k: v for k, v in vars(model).items() if k.endswith("_")}
    decided = model.predict(X)
    kept = {name: model.get_params()[name] for name in broken}
    with pytest.raises(ValueError):
        model.set_params(**broken).fit(X[3000:5000], y[3000:5000])
    model.set_params(**kept)
    after = {k: v for k, v in vars(model).items() if k.endswith("_")}
    assert after.keys() == before.keys() and all(after[k] is before[k] for k in before)
    np.testing.assert_array_equal(model.predict(X), decided)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        CostThresholdClassifier(LogisticRegression(), fp_cost=5.0, fn_cost="amount"),
        AlertBudgetClassifier(LogisticRegression(), k=20, cv=3, random_state=0),
    ],
)
def test_weights_reach_the_estimator(payments, model, enabled):
    X, y = payments
    X, y = X[:4000], y[:4000]
    weight = np.where(X["risk"] > 0.5, 9.0, 0.1)
    options = {"cv": 3, "return_estimator": True, "error_score": "raise"}
    with sklearn.config_context(enable_metadata_routing=enabled):
        model = clone(model)
        if enabled:
            model.estimator.set_fit_request(sample_weight=True)
        done = cross_validate(model, X, y, params={"sample_weight": weight}, **options)
    for fitted, (train, _) in zip(done["estimator"], StratifiedKFold(3).split(X, y), strict=True):
        direct = LogisticRegression().fit(X.iloc[train], y[train], sample_weight=weight[train])
        np.testing.assert_allclose(fitted.estimator_.coef_, direct.coef_)
        unweighted = LogisticRegression().fit(X.iloc[train], y[train])
        assert not np.allclose(fitted.estimator_.coef_, unweighted.coef_)


def test_routing_is_as_of_scikit_learns_own_classifier(payments):
    X, y = payments
    X, y, weight = X[:2000], y[:2000], np.linspace(0.5, 2.0, 2000)
    with sklearn.config_context(enable_metadata_routing=True):
        for estimator, error in (
            (LogisticRegression(), UnsetMetadataPassedError),
            (LogisticRegression().set_fit_request(sample_weight="w"), TypeError),
        ):
            for model in (
                FixedThresholdClassifier(estimator),
                CostThresholdClassifier(estimator),
                AlertBudgetClassifier(estimator, k=5),
            ):
                with pytest.raises(error):
                    model.fit(X, y, sample_weight=weight)


def test_groups_reach_the_splitter_and_costs_the_scorer(payments):
    X, y = payments
    X, y = X[:4000], y[:4000]
    customer = np.arange(4000) % 500
    amount = X["amount"].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("expected_cost", fp_cost=5.0).set_score_request(fn_cost=True)
        model = AlertBudgetClassifier(LogisticRegression(), k=20, cv=GroupKFold(4))
        done = cross_validate(
            model,
            X,
            y,
            cv=GroupKFold(3),
            params={"groups": customer, "fn_cost": amount},
            scoring=scorer,
            return_indices=True,
            return_estimator=True,
            error_score="raise",
        )
    for k, fitted in enumerate(done["estimator"]):
        train, test = (done["indices"][part][k] for part in ("train", "test"))
        folds = GroupKFold(4).split(X.iloc[train], y[train], customer[train])
        again = AlertBudgetClassifier(LogisticRegression(), k=20, cv=list(folds))
        again.fit(X.iloc[train], y[train])
        assert again.threshold_ == fitted.threshold_
        called = fitted.predict(X.iloc[test])
        cost = expected_cost(y[test], called, fp_cost=5.0, fn_cost=amount[test])
        assert done["test_score"][k] == pytest.approx(-cost)


@pytest.mark.parametrize(
    "model, message",
    [
        (CostThresholdClassifier(Oracle(), fn_cost="sum"), "'sum' is no column of X"),
        (CostThresholdClassifier(Oracle(), fn_cost=lambda X: [1.0]), "one value for each of"),
        (CostThresholdClassifier(Oracle(), fn_cost=np.nan), "fn_cost is nan"),
        (CostThresholdClassifier(Oracle(), fp_cost=0.0), "fp_cost must exceed tn_cost"),
        (CostThresholdClassifier(Oracle(), pos_label="x"), "pos_label='x'"),
        (CostThresholdClassifier(Perceptron()), "no predict_proba"),
        (AlertBudgetClassifier(LogisticRegression(), k=0), "k must be a whole number"),
        (AlertBudgetClassifier(LogisticRegression(), k=9, period="day"), "more than the 100 rows"),
        (
            AlertBudgetClassifier(LogisticRegression(), k=5, cv=7),
            "6 rows of the positive class 1, fewer than 7 folds",
        ),
        (AlertBudgetClassifier(LogisticRegression(), k=5, period="week"), "'week' is no column"),
    ],
)
def test_bad_input(payments, model, message):
    X, _ = payments
    y = np.repeat([0, 1], [94, 6])
    with pytest.raises(ValueError, match=message):
        model.fit(X[:100], y)


def test_three_classes_are_refused(payments):
    X, _ = payments
    with pytest.raises(ValueError, match="Only binary"):
        CostThresholdClassifier(LogisticRegression()).fit(X[:90], np.arange(90) % 3)


def labelled(n=1500, labels=("fraud", "legit")):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, np.where(X[:, 0] + rng.normal(size=n) > 1.5, *labels)


def test_the_label_that_the_model_is_told_is_the_one_that_is_called():
    X, y = labelled()
    booster = FocalXGBClassifier(n_estimators=10, pos_label="fraud")
    told = CostThresholdClassifier(booster, fp_cost=1.0, fn_cost=20.0).fit(X, y)
    outer = clone(told).set_params(pos_label="fraud").fit(X, y)
    np.testing.assert_array_equal(told.predict(X), outer.predict(X))
    assert (told.predict(X) == "fraud").mean() > (y == "fraud").mean()
    with pytest.raises(ValueError, match="name different positive labels"):
        clone(told).set_params(pos_label="legit").fit(X, y)


@pytest.mark.parametrize("labels", [(1, 2), ("fraud", "legit"), (True, False)])
def test_a_budget_is_met_with_a_model_that_is_told_its_label(labels):
    X, y = labelled(labels=labels)
    booster = FocalXGBClassifier(
        n_estimators=20, pos_label=labels[0], scale_pos_weight=50.0, random_state=0
    )
    weighted = LogisticRegression(class_weight={labels[0]: 10, labels[1]: 1})
    new, _ = labelled(20_000)
    for model in (booster, weighted):
        alert = AlertBudgetClassifier(model, k=75, pos_label=labels[0], random_state=0).fit(X, y)
        assert 0.03 < (alert.predict(new) == labels[0]).mean() < 0.075


def test_a_budget_is_found_on_the_rows_that_folds_in_time_test():
    X, y = labelled()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(day=np.arange(len(X)) // 50)
    model = AlertBudgetClassifier(
        LogisticRegression(), k=5, period="day", cv=TimeGapSplit(3, time="day"), pos_label="fraud"
    ).fit(frame, y)
    scores = np.concatenate(
        [
            LogisticRegression().fit(X[train], y[train]).predict_proba(X[test])[:, 0]
            for train, test in TimeGapSplit(3, time="day").split(frame)
        ]
    )
    assert model.n_periods_ == len(scores) // 50 < 30
    # Scored among other rows, a row's score may end in another digit.
    above, at, below = np.sort(scores)[-5 * model.n_periods_ + np.array([1, 0, -1])]
    assert model.threshold_ == pytest.approx(at, rel=1e-9)
    assert above > at * (1 + 1e-6) and below < at * (1 - 1e-6)
    order = np.argsort(y == "legit", kind="stable")
    with pytest.raises(ValueError, match="fold 1 has no row of the negative class 'legit'"):
        AlertBudgetClassifier(LogisticRegression(), k=5, cv=KFold(20), pos_label="fraud").fit(
            X[order], y[order]
        )
    twice = [(np.arange(700), np.arange(700, 1500))] * 2
    with pytest.raises(ValueError, match="tests rows more than once"):
        AlertBudgetClassifier(LogisticRegression(), k=5, cv=twice).fit(X, y)


def test_a_stack_that_is_not_fitted_yet_states_probabilities():
    X, y = labelled(400)
    stack = StackingClassifier([("linear", LogisticRegression())], cv=2)
    assert len(CostThresholdClassifier(stack, fn_cost=3.0).fit(X, y).predict(X)) == 400
    stack.set_params(final_estimator=Perceptron())
    with pytest.raises(ValueError, match="no predict_proba"):
        CostThresholdClassifier(stack).fit(X, y)


def test_costs_of_rows_come_from_a_column(payments):
    X, y = payments
    with pytest.raises(ValueError, match="fn_cost must be a number, the name of a column"):
        CostThresholdClassifier(Oracle(), fn_cost=X["amount"].to_numpy()).fit(X, y)
