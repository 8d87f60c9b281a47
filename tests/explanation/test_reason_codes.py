"""Reasons that an analyst can read, and the same values for shap's plots."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from focaltab import FocalLGBMClassifier, explain
from focaltab.monitoring import Reference
from focaltab.pipeline import make_pipeline


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(0)
    n = 3000
    X = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(1.0, 80.0, n).round(2)),
            "items": rng.integers(1, 9, n),
            "country": rng.choice(["FR", "FR", "NO"], n),
            "when": pd.Timestamp("2025-03-01")
            + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s"),
        }
    )
    risk = X["amount"].fillna(400) / 60 + 3 * (X["country"] == "NO")
    y = np.where(rng.random(n) < expit(risk - 6), "fraud", "fine")
    booster = FocalLGBMClassifier(n_estimators=40, verbosity=-1, n_jobs=1)
    return X, make_pipeline(booster, random_state=0).fit(X, y)


def one_row(**values):
    when = pd.Timestamp("2025-05-01 04:12:30")
    return pd.DataFrame([{"amount": 40.0, "items": 3, "country": "FR", "when": when, **values}])


def test_the_strongest_columns_come_first(payments):
    X, model = payments
    explanation = explain(model, X[:100])
    reasons = explanation.reasons(2)
    assert reasons.columns.tolist() == [
        "row", "rank", "feature", "value", "typical", "direction", "contribution", "reason",
    ]  # fmt: skip
    for row, lines in reasons.groupby("row"):
        size = np.abs(explanation.values[row])
        np.testing.assert_allclose(lines["contribution"].abs(), np.sort(size)[::-1][:2])
        assert lines["rank"].tolist() == [1, 2]
        for line in lines.itertuples():
            k = explanation.feature_names.index(line.feature)
            assert line.contribution == explanation.values[row, k]
            assert line.direction == ("raises" if line.contribution > 0 else "lowers")
    assert len(explanation.reasons(9)) <= 400


def test_sentences(payments):
    X, model = payments
    rows = pd.concat(
        [
            one_row(amount=912.4),
            one_row(amount=np.nan),
            one_row(country="NO"),
            one_row(country="FR"),
        ],
        ignore_index=True,
    )
    reasons = explain(model, rows, background=X).reasons(4)
    said = reasons.set_index(["row", "feature"])["reason"]
    median = X["amount"].quantile(0.5, interpolation="lower")
    assert said[0, "amount"].startswith(f"amount 912.40 is high (typical {median:.2f}): raises the")
    assert said[1, "amount"].startswith(f"amount is missing (typical {median:.2f}): raises the")
    assert said[2, "country"].startswith("country NO (typical FR): raises the log-odds by ")
    assert said[3, "country"].startswith("country FR is typical: lowers the log-odds by ")
    assert said[0, "when"].startswith("when 2025-05-01 04:12 (typical 2025-04-")
    size = reasons["contribution"][0]
    assert reasons["reason"][0].endswith(f"by {abs(size):.1f}")


def test_a_reference_says_the_same_as_its_rows(payments):
    X, model = payments
    of_rows = explain(model, X[:20], background=X).reasons(4)
    of_reference = explain(model, X[:20], background=Reference.from_rows(X)).reasons(4)
    same = of_rows["feature"] != "when"  # a reference keeps moments as days
    assert of_rows["reason"][same].tolist() == of_reference["reason"][same].tolist()


def test_a_reference_compares_in_the_types_of_the_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "code": pd.Categorical(rng.choice([10, 10, 10, 20], 1000)),
            "flag": rng.random(1000) < 0.2,
            "sure": pd.Categorical(rng.random(1000) < 0.7),
        }
    )
    odds = 2.0 * (X["code"].astype(int) == 20) + 2.0 * X["flag"] - 2.0 * X["sure"].astype(bool)
    y = rng.random(1000) < expit(odds)
    model = FocalLGBMClassifier(n_estimators=20, verbosity=-1, n_jobs=1).fit(X, y)
    of_rows = explain(model, X[:50], background=X).reasons(3)
    of_reference = explain(model, X[:50], background=Reference.from_rows(X)).reasons(3)
    assert of_reference["reason"].tolist() == of_rows["reason"].tolist()
    assert of_rows["reason"].str.contains("is typical").any()
    # A number that names a category is neither high nor low.
    assert of_rows["reason"].str.startswith("code 20 (typical 10): raises").any()


def test_numbers_among_objects_are_high_or_low_too():
    pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"amount": rng.gamma(2.0, 50.0, 500)})
    y = rng.random(500) < expit(X["amount"] / 50.0 - 3.0)
    model = make_pipeline(LogisticRegression()).fit(X, y)
    objects = X.astype(object)
    said, of_objects = (
        explain(model, rows[:20], background=rows, random_state=0).reasons()["reason"].tolist()
        for rows in (X, objects)
    )
    assert of_objects == said
    assert any("is high (typical" in reason for reason in said)


def test_only_alerts_have_reasons_if_asked(payments):
    X, model = payments
    explanation = explain(model, X[:300])
    alerts = np.flatnonzero(model.predict_proba(X[:300])[:, 1] >= 0.5)
    assert 0 < alerts.size < 300
    assert explanation.reasons(1, threshold=0.5)["row"].tolist() == alerts.tolist()
    nothing = explanation.reasons(1, threshold=1.0)
    assert nothing.empty and "reason" in nothing.columns


def test_rows_are_counted_whatever_their_index(payments):
    X, model = payments
    assert set(explain(model, X[50:55]).reasons(1)["row"]) == set(range(5))


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_n_must_be_a_count(payments, n):
    X, model = payments
    with pytest.raises(ValueError, match="n must be a whole number"):
        explain(model, X[:2]).reasons(n)


def test_threshold_must_be_a_probability(payments):
    X, model = payments
    with pytest.raises(ValueError, match="threshold must lie"):
        explain(model, X[:2]).reasons(threshold=1.5)


def test_shap_takes_the_values(payments):
    shap = pytest.importorskip("shap")
    X, model = payments
    explanation = explain(model, X[:50])
    for_shap = explanation.to_shap()
    assert isinstance(for_shap, shap.Explanation)
    np.testing.assert_array_equal(for_shap.values, explanation.values)
    np.testing.assert_array_equal(for_shap.base_values, np.full(50, explanation.base_value))
    assert list(for_shap.feature_names) == list(X.columns)
    assert for_shap.data.dtype == np.float64 and for_shap.display_data[0, 2] in ("FR", "NO")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shap.plots.waterfall(for_shap[0], show=False)
    shap.plots.beeswarm(for_shap, show=False)
    plt.close("all")
