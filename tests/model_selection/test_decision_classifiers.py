"""Decisions by cost and by budget, on data whose probabilities are known."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from focaltab import FocalLGBMClassifier
from focaltab.metrics import expected_cost
from focaltab.model_selection import AlertBudgetClassifier, CostThresholdClassifier


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
    by_name = CostThresholdClassifier(Oracle(), fp_cost=5.0, fn_cost="amount").fit(X, y)
    model = CostThresholdClassifier(
        make_pipeline(LogisticRegression()),
        fp_cost=lambda X: np.full(len(X), 5.0),
        fn_cost=lambda X: X["amount"],
        pos_label="fraud",
    ).fit(X, words)
    called = model.predict(X) == "fraud"
    assert np.mean(called == (by_name.predict(X) == 1)) > 0.97
    assert model.predict_proba(X).shape == (len(X), 2)


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
        search = GridSearchCV(model, {"estimator__C": [0.1, 1.0]}, cv=2, scoring="f1").fit(X, y)
        assert search.best_params_["estimator__C"] in (0.1, 1.0)


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
        (AlertBudgetClassifier(LogisticRegression(), k=5, cv=7), "rarer class has 6 rows"),
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
