"""Every metric as a scorer, in scikit-learn's own tools."""

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_validate

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
    result = cross_validate(LogisticRegression(), X, y, scoring=scoring, error_score="raise")
    for name in scoring:
        values = result[f"test_{name}"]
        assert np.isfinite(values).all(), name
    assert (result["test_calibration_error"] <= 0).all()
    assert (result["test_expected_cost"] <= 0).all()


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
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [0.01, 1.0]},
        scoring=metrics.get_scorer("log_loss_skill_score"),
    ).fit(X, y)
    assert search.best_score_ > 0


def test_costs_per_row_come_by_metadata_routing(data):
    X, y = data
    amount = np.random.default_rng(1).gamma(2.0, 50.0, y.size)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = metrics.get_scorer("expected_cost").set_score_request(fn_cost=True)
        result = cross_validate(
            LogisticRegression(), X, y, scoring=scorer, params={"fn_cost": amount}, cv=3
        )
    assert (result["test_score"] < -1).all()


def test_scikit_learns_names_pass_and_others_do_not():
    assert metrics.get_scorer("roc_auc") is not None
    assert metrics.get_scorer("neg_log_loss") is not None
    with pytest.raises(ValueError, match="no scorer named 'avg'"):
        metrics.get_scorer("avg")
    with pytest.raises(ValueError, match="no scorer named 'neg_recall_at_k'"):
        metrics.get_scorer("neg_recall_at_k")
    with pytest.raises(ValueError, match="takes no options"):
        metrics.get_scorer("roc_auc", k=3)
