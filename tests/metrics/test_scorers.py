"""Every metric as a scorer, in scikit-learn's own tools."""

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate

from focaltab import metrics

OPTIONS = {
    "precision_at_k": {"k": 10},
    "recall_at_k": {"k": 10},
    "lift_at_k": {"k": 10},
    "recall_at_precision": {"precision": 0.3},
    "precision_at_recall": {"recall": 0.3},
    "recall_at_fpr": {"fpr": 0.1},
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3))
    return X, (X[:, 0] + rng.normal(size=1200) > 2).astype(int)


def test_every_metric_works_in_cross_validate(data):
    X, y = data
    scoring = {
        name: metrics.get_scorer(name, **OPTIONS.get(name, {}))
        for name in metrics.get_scorer_names()
    }
    assert len(scoring) >= 16
    folds = list(StratifiedKFold(5).split(X, y))
    result = cross_validate(
        LogisticRegression(), X, y, scoring=scoring, cv=folds, error_score="raise"
    )
    train, test = folds[0]
    model = LogisticRegression().fit(X[train], y[train])
    proba, called = model.predict_proba(X[test])[:, 1], model.predict(X[test])
    for name in scoring:
        second = called if name in ("expected_cost", "savings_score") else proba
        value = getattr(metrics, name)(y[test], second, **OPTIONS.get(name, {}))
        value = value.value if isinstance(value, metrics.BestThreshold) else value
        sign = -1 if name in ("calibration_error", "expected_cost") else 1
        assert result[f"test_{name}"][0] == pytest.approx(sign * value), name
        assert np.unique(result[f"test_{name}"]).size > 1, name


def test_a_scorer_is_the_metric_of_the_models_scores(data):
    X, y = data
    model = LogisticRegression().fit(X, y)
    words = np.where(y == 1, "yes", "no")
    worded = LogisticRegression().fit(X, words)
    proba = model.predict_proba(X)[:, 1]
    expected = average_precision_score(y, proba)
    assert metrics.get_scorer("average_precision")(model, X, y) == pytest.approx(expected)
    scorer = metrics.get_scorer("average_precision", pos_label="yes")
    assert scorer(worded, X, words) == pytest.approx(expected)
    cost = metrics.get_scorer("neg_expected_cost", fn_cost=20.0)
    assert cost(model, X, y) == -metrics.expected_cost(y, model.predict(X), fn_cost=20.0)


def test_a_search_can_use_one(data):
    X, y = data
    grid = {"C": [1e-4, 1.0]}
    scorer = metrics.get_scorer("log_loss_skill_score")
    search = GridSearchCV(LogisticRegression(), grid, scoring=scorer).fit(X, y)
    # Skill is a rising function of minus the log loss: the same order.
    plain = GridSearchCV(LogisticRegression(), grid, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_ == plain.best_params_ == {"C": 1.0}
    assert search.best_score_ > search.cv_results_["mean_test_score"][0] + 0.05


def test_costs_per_row_come_by_metadata_routing(data):
    X, y = data
    amount = np.random.default_rng(1).gamma(2.0, 50.0, y.size)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = metrics.get_scorer("expected_cost").set_score_request(fn_cost=True)
        result = cross_validate(
            LogisticRegression(), X, y, scoring=scorer, params={"fn_cost": amount}, cv=3
        )
    expected = []
    for train, test in StratifiedKFold(3).split(X, y):
        called = LogisticRegression().fit(X[train], y[train]).predict(X[test])
        expected.append(-metrics.expected_cost(y[test], called, fn_cost=amount[test]))
    np.testing.assert_allclose(result["test_score"], expected)


def test_folds_without_a_positive_row_have_a_cost():
    X, y = np.arange(40.0).reshape(-1, 1), np.repeat([0, 1], [30, 10])
    result = cross_validate(
        LogisticRegression(),
        X,
        y,
        cv=[(np.arange(10, 40), np.arange(10))],
        scoring=metrics.get_scorer("expected_cost"),
        error_score="raise",
    )
    assert result["test_score"] == [0.0]


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("recall_at_k", {}, "recall_at_k needs the option 'k'"),
        ("recall_at_k", {"n": 3}, "recall_at_k has no option 'n'; it has k, sample_weight"),
        ("max_f_beta", {"betta": 2.0}, "max_f_beta has no option 'betta'; it has beta"),
        ("neg_expected_cost", {"fncost": 2.0}, "expected_cost has no option 'fncost'"),
        ("average_precision", {"y_true": [0]}, "average_precision has no option 'y_true'"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(name, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.get_scorer(name, **options)


def test_scikit_learns_names_pass_and_others_do_not(data):
    X, y = data
    model = LogisticRegression().fit(X, y)
    proba = model.predict_proba(X)[:, 1]
    assert metrics.get_scorer("roc_auc")(model, X, y) == pytest.approx(roc_auc_score(y, proba))
    assert metrics.get_scorer("neg_log_loss")(model, X, y) == pytest.approx(-log_loss(y, proba))
    with pytest.raises(ValueError, match="no scorer named 'avg'"):
        metrics.get_scorer("avg")
    with pytest.raises(ValueError, match="no scorer named 'neg_recall_at_k'"):
        metrics.get_scorer("neg_recall_at_k")
    with pytest.raises(ValueError, match="takes no options"):
        metrics.get_scorer("roc_auc", k=3)
