"""Any other classifier, against background rows: known values, and rows of any types."""

import subprocess
import sys
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from optional import FocalMLPClassifier
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from focaltab import FocalEnsembleClassifier, FocalLGBMClassifier, explain
from focaltab.monitoring import Reference
from focaltab.pipeline import make_pipeline


class Formula(ClassifierMixin, BaseEstimator):
    """Probabilities from a formula of the log-odds."""

    def __init__(self, log_odds):
        self.log_odds = log_odds

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict_proba(self, X):
        p = expit(self.log_odds(np.asarray(X, dtype=float)))
        return np.column_stack([1 - p, p])


def interacting(X):
    return X[:, 0] * X[:, 1] + np.maximum(X[:, 2], X[:, 0]) - 1


def brute_force(log_odds, x, background):
    """Shapley's own formula, over every set of columns."""
    n = x.size

    def worth(known):
        rows = background.copy()
        rows[:, list(known)] = x[list(known)]
        return log_odds(rows).mean()

    values = np.zeros(n)
    for k in range(n):
        others = [j for j in range(n) if j != k]
        for size in range(n):
            share = factorial(size) * factorial(n - size - 1) / factorial(n)
            for known in combinations(others, size):
                values[k] += share * (worth((*known, k)) - worth(known))
    return values


def test_values_are_shapleys():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(4, 3)), rng.normal(size=(20, 3))
    model = Formula(interacting).fit(X, [0, 1, 0, 1])
    explanation = explain(model, X, background=background, random_state=0)
    assert explanation.method == "sampling" and explanation.unit == "log-odds"
    assert explanation.base_value == pytest.approx(interacting(background).mean())
    expected = [brute_force(interacting, x, background) for x in X]
    np.testing.assert_allclose(explanation.values, expected, atol=1e-8)


def wide(X):
    return X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] * X[:, 4] + X[:, 5:].sum(axis=1) - 1


def test_sampled_values_sum_exactly_and_come_close_to_shapleys():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(3, 9)), rng.normal(size=(15, 9))
    model = Formula(wide).fit(X, [0, 1, 0])
    explanation = explain(model, X, background=background, random_state=0)
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(total, wide(X), atol=1e-8)
    expected = np.array([brute_force(wide, x, background) for x in X])
    # Ten orders of nine columns: 190 of 512 sets.
    assert np.abs(explanation.values - expected).max() < 0.3 * np.abs(expected).max()
    # Columns that add up are exact in any order.
    np.testing.assert_allclose(explanation.values[:, 5:], expected[:, 5:], atol=1e-8)
    exact = explain(model, X, background=background, max_evals=512)
    np.testing.assert_allclose(exact.values, expected, atol=1e-8)


def test_symmetric_columns_get_equal_values():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    background = rng.normal(size=(25, 1)) * np.ones((1, 3))
    model = Formula(lambda X: X.prod(axis=1)).fit(background, rng.integers(0, 2, 25))
    values = explain(model, np.array([[2.0, 2.0, 2.0]]), background=background).values[0]
    np.testing.assert_allclose(values, values[0])


def test_a_row_like_every_background_row_has_no_reasons():
    pytest.importorskip("shap")
    background = np.ones((5, 3))
    model = Formula(interacting).fit(background, [0, 1, 0, 1, 0])
    explanation = explain(
        model, np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 1.0]]), background=background
    )
    np.testing.assert_array_equal(explanation.values[0], 0.0)
    assert explanation.reasons()["row"].tolist() == [1]


def test_seeds_repeat_and_leave_global_random_numbers_alone():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(2, 9)), rng.normal(size=(300, 9))
    model = Formula(wide).fit(X, [0, 1])
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, same, other = (
        explain(model, X, background=background, random_state=seed).values for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(0)
    n = 800
    X = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.2, np.nan, rng.gamma(1.0, 80.0, n)),
            "items": rng.integers(1, 9, n),
            "country": pd.Series(rng.choice(["FR", "NO", None], n)),
            "card": pd.Categorical(rng.choice(["gold", "blue"], n)),
            "when": pd.Timestamp("2025-03-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s"),
        }
    )
    risk = X["amount"].fillna(60) / 60 + 2 * (X["country"] == "NO") + rng.logistic(size=n)
    return X, np.where(risk > 4, "fraud", "fine")


FOREST = RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0)
MIXED = {
    "forest": make_pipeline(FOREST),
    "logistic under a threshold": make_pipeline(
        LogisticRegression(), resampler="under", threshold=0.3, pos_label="fraud", random_state=0
    ),
    "network": make_pipeline(FocalMLPClassifier(max_iter=2, random_state=0)),
    "voting": VotingClassifier(
        [("one", make_pipeline(FOREST)), ("two", make_pipeline(LogisticRegression()))],
        voting="soft",
    ),
    "ensemble": FocalEnsembleClassifier(
        {"one": FocalLGBMClassifier(n_estimators=5, verbosity=-1), "two": LogisticRegression()},
        cv=2,
        random_state=0,
        pos_label="fine",
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixed_tables(payments, name):
    pytest.importorskip("shap")
    X, y = payments
    model = MIXED[name].fit(X, y)
    few = X.iloc[[3, 14, 15]]
    explanation = explain(model, few, background=X[100:120], random_state=0)
    positive = "fine" if name == "ensemble" else "fraud"
    assert explanation.positive == positive
    stated = model.predict_proba(few)[:, model.classes_.tolist().index(positive)]
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(total, logit(np.clip(stated, 1e-7, 1 - 1e-7)), atol=1e-4)
    assert explanation.feature_names == list(X.columns)
    pd.testing.assert_frame_equal(explanation.data, few)


def test_categories_in_another_order_are_the_same_values(payments):
    pytest.importorskip("shap")
    X, y = payments
    model = make_pipeline(FOREST).fit(X, y)
    turned = X.assign(card=X["card"].cat.reorder_categories(["gold", "blue"]))
    one, other = (explain(model, rows[:3], background=X[100:120]).values for rows in (X, turned))
    np.testing.assert_allclose(one, other)


def test_several_classes_sum_to_log_probabilities():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    model = LogisticRegression().fit(X, y)
    explanation = explain(model, X[:5], background=X[:50])
    assert explanation.values.shape == (5, 3, 3) and explanation.positive is None
    total = explanation.values.sum(axis=1) + explanation.base_value
    stated = np.maximum(model.predict_proba(X[:5]), 1e-7)
    np.testing.assert_allclose(total, np.log(stated), atol=1e-6)


def test_a_linear_model_has_its_textbook_values():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    model = LogisticRegression().fit(X, X[:, 0] + rng.normal(size=300) > 1)
    explanation = explain(model, X[:4], background=X[:100])
    expected = model.coef_[0] * (X[:4] - X[:100].mean(axis=0))
    np.testing.assert_allclose(explanation.values, expected, atol=1e-8)


def test_a_booster_behind_unknown_columns_is_sampled():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    steps = [("sum", FunctionTransformer(lambda X: X[:, :2] + X[:, 1:])), ("model", None)]
    steps[1] = ("model", FocalLGBMClassifier(n_estimators=5, verbosity=-1))
    model = Pipeline(steps).fit(X, X[:, 0] > 1)
    with pytest.raises(ValueError, match=r"FunctionTransformer mixes columns.*background"):
        explain(model, X[:3])
    explanation = explain(model, X[:3], background=X[:30])
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(total, logit(model.predict_proba(X[:3])[:, 1]), atol=1e-6)


def test_what_sampling_needs_is_said(payments):
    pytest.importorskip("shap")
    X, y = payments
    model = make_pipeline(FOREST).fit(X, y)
    with pytest.raises(ValueError, match=r"RandomForestClassifier is no booster.*as background"):
        explain(model, X[:3])
    with pytest.raises(ValueError, match="not a Reference"):
        explain(model, X[:3], background=Reference.from_rows(X))
    with pytest.raises(ValueError, match="background lacks the column 'card'"):
        explain(model, X[:3], background=X.drop(columns="card"))
    with pytest.raises(ValueError, match="max_evals must be at least 11 for 5 columns, got 3"):
        explain(model, X[:3], background=X[:9], max_evals=3)
    with pytest.raises(ValueError, match="'auto' or a whole number"):
        explain(model, X[:3], background=X[:9], max_evals="many")


@pytest.mark.slow
def test_without_shap_the_extra_is_named():
    code = (
        "import sys; sys.modules['shap'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'shap' else find(n, *a)\n"
        "import numpy as np; from sklearn.linear_model import LogisticRegression\n"
        "from focaltab import FocalLGBMClassifier, explain\n"
        "X = np.random.default_rng(0).normal(size=(200, 2)); y = X[:, 0] > 1\n"
        "explain(FocalLGBMClassifier(n_estimators=2, verbosity=-1).fit(X, y), X)\n"
        "try: explain(LogisticRegression().fit(X, y), X, background=X)\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "focaltab[explain]"' in done.stdout
