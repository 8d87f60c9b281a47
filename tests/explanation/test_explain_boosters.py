"""Exact values of boosters, wherever they are: they sum to the margin that the model states."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from scipy.special import expit, logit, softmax
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.svm import SVC
from xgboost import XGBClassifier

from focaltab import FocalLGBMClassifier, FocalXGBClassifier, explain
from focaltab.boosting import lightgbm_objective, xgboost_objective
from focaltab.losses import FocalLoss
from focaltab.model_selection import AlertBudgetClassifier, CostThresholdClassifier
from focaltab.monitoring import Reference
from focaltab.pipeline import ResampledClassifier, TableFeatures, make_pipeline

FEW = {"n_estimators": 15, "n_jobs": 1}
QUIET = {**FEW, "verbosity": -1}


def numbers(n_rows=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4))
    X[rng.random(n_rows) < 0.1, 1] = np.nan
    y = X[:, 0] + np.nan_to_num(X[:, 1]) + rng.logistic(size=n_rows) > 3
    return X, y.astype(int)


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(0)
    n = 2500
    X = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(1.0, 80.0, n)),
            "country": rng.choice(["FR", "NO", None], n),
            "constant": 1.0,
            "merchant": [f"m{k}" for k in rng.integers(0, 200, n)],
            "when": pd.Timestamp("2025-03-01")
            + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s"),
        }
    )
    risk = X["amount"].fillna(60) / 60 + 2 * (X["when"].dt.hour < 4) + rng.logistic(size=n)
    return X, np.where(risk > 5, "fraud", "fine")


def check_sums(explanation, log_odds, atol=1e-4):
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(total, log_odds, atol=atol)


def positive_log_odds(model, X, label):
    p = model.predict_proba(X)[:, list(model.classes_).index(label)]
    return logit(p.astype(np.float64))


@pytest.mark.parametrize(
    "model",
    [
        FocalXGBClassifier(**FEW),
        FocalXGBClassifier(**FEW, booster="dart", rate_drop=0.2),
        FocalXGBClassifier(**FEW, early_stopping_rounds=3, random_state=0),
        FocalLGBMClassifier(**QUIET),
        FocalLGBMClassifier(**QUIET, sampling="hard_negative", random_state=0),
        XGBClassifier(**FEW),
        LGBMClassifier(**QUIET),
        LGBMClassifier(
            **QUIET, boosting_type="rf", subsample=0.7, subsample_freq=1, colsample_bytree=0.7
        ),
    ],
    ids=lambda m: type(m).__name__,
)
def test_values_sum_to_the_log_odds(model):
    X, y = numbers()
    explanation = explain(model.fit(X, y), X[:200])
    assert explanation.unit == "log-odds" and explanation.method == "trees"
    assert explanation.positive == 1 and explanation.values.dtype == np.float64
    assert explanation.values.shape == (200, 4)
    assert explanation.feature_names == ["0", "1", "2", "3"]
    check_sums(explanation, positive_log_odds(model, X[:200], 1))
    np.testing.assert_array_equal(explanation.probability, model.predict_proba(X[:200])[:, 1])


def test_early_stopping_of_a_stock_model_explains_its_best_rounds():
    X, y = numbers()
    model = XGBClassifier(n_estimators=200, early_stopping_rounds=2, n_jobs=1, learning_rate=0.9)
    model.fit(X[:1000], y[:1000], eval_set=[(X[1000:], y[1000:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    check_sums(explain(model, X[:100]), positive_log_odds(model, X[:100], 1))


@pytest.mark.parametrize("model", [FocalXGBClassifier(**FEW), FocalLGBMClassifier(**QUIET)])
def test_values_are_about_the_positive_label(model):
    X, y = numbers()
    labels = np.where(y == 1, "bad", "ok")
    flipped = model.set_params(pos_label="bad").fit(X, labels)
    explanation = explain(flipped, X[:100])
    assert explanation.positive == "bad"
    check_sums(explanation, positive_log_odds(flipped, X[:100], "bad"))
    with pytest.warns(UserWarning, match="positive class is 'ok'"):
        model.set_params(pos_label=None).fit(X, labels)
    unnamed = explain(model, X[:100])
    assert unnamed.positive == "ok"
    check_sums(unnamed, positive_log_odds(model, X[:100], "ok"))


@pytest.mark.parametrize("kind", [FocalXGBClassifier, FocalLGBMClassifier])
def test_focal_margins_say_what_they_are(kind):
    X, y = numbers()
    options = FEW if kind is FocalXGBClassifier else QUIET
    model = kind(**options, link="focal", focal_gamma=2.0, focal_alpha=0.25).fit(X, y)
    explanation = explain(model, X[:100])
    assert explanation.unit == "focal margin"
    total = explanation.values.sum(axis=1) + explanation.base_value
    stated = model.loss_.predict_proba(total)
    np.testing.assert_allclose(stated, model.predict_proba(X[:100]), atol=1e-5)
    assert "the focal margin by" in explanation.reasons(1)["reason"][0]


def test_stock_classes_with_the_raw_objective_have_focal_margins():
    X, y = numbers()
    loss = FocalLoss(2.0)
    xgb = XGBClassifier(**FEW, objective=xgboost_objective(loss), base_score=0.5).fit(X, y)
    lgbm = LGBMClassifier(**QUIET, objective=lightgbm_objective(loss)).fit(X, y)
    for model, margin in (
        (xgb, xgb.predict(X[:50], output_margin=True)),
        (lgbm, lgbm.predict(X[:50], raw_score=True)),
    ):
        explanation = explain(model, X[:50])
        assert explanation.unit == "focal margin"
        check_sums(explanation, margin)
        # Its own predict_proba would take the margin for a probability.
        np.testing.assert_allclose(
            explanation.probability, loss.predict_proba(margin)[:, 1], atol=1e-5
        )


def test_an_objective_without_probabilities_is_refused():
    X, y = numbers()

    def logistic(y_true, y_pred):
        p = expit(y_pred)
        return p - y_true, p * (1 - p)

    model = LGBMClassifier(**QUIET, objective=logistic).fit(X, y)
    with pytest.raises(ValueError, match="gives no probabilities"):
        explain(model, X[:5])


@pytest.mark.parametrize(
    "model",
    [
        FocalXGBClassifier(**FEW),
        FocalLGBMClassifier(**QUIET),
        XGBClassifier(**FEW),
        LGBMClassifier(**QUIET),
    ],
    ids=lambda m: type(m).__name__,
)
def test_several_classes(model):
    X, _ = numbers()
    y = np.digitize(X[:, 0] + 0.3 * X[:, 2], [-0.5, 0.8])
    explanation = explain(model.fit(X, y), X[:100])
    assert explanation.values.shape == (100, 4, 3) and explanation.base_value.shape == (3,)
    assert explanation.positive is None
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(softmax(total, axis=1), model.predict_proba(X[:100]), atol=1e-4)
    reasons = explanation.reasons(2)
    assert reasons["class"][::2].tolist() == model.predict(X[:100]).tolist()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FocalXGBClassifier(**FEW), random_state=0),
        make_pipeline(FocalLGBMClassifier(**QUIET), random_state=0),
        Pipeline([("t", TargetEncoder(cv=2, random_state=0)), ("m", FocalLGBMClassifier(**QUIET))]),
    ],
    ids=["xgb", "lgbm", "plain"],
)
def test_text_that_is_encoded_once_for_each_class(model):
    rng = np.random.default_rng(0)
    shop = rng.integers(0, 60, 1500)
    X = pd.DataFrame({"shop": [f"s{k}" for k in shop], "amount": rng.normal(size=1500)})
    if isinstance(model[0], TargetEncoder):
        X["amount"] = X["amount"].round(1)
    y = np.digitize(np.sin(shop) + X["amount"] + rng.normal(size=1500), [-0.5, 1.0])
    explanation = explain(model.fit(X, y), X[:100])
    assert explanation.method == "trees"
    total = explanation.values.sum(axis=1) + explanation.base_value
    np.testing.assert_allclose(softmax(total, axis=1), model.predict_proba(X[:100]), atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        LGBMClassifier(**QUIET, linear_tree=True),
        XGBClassifier(**FEW, multi_strategy="multi_output_tree"),
        XGBClassifier(**FEW, objective="multi:softprob", num_class=2),
    ],
    ids=["linear", "several outputs", "two outputs"],
)
def test_boosters_that_their_library_does_not_explain_are_sampled(model):
    pytest.importorskip("shap")
    X, y = numbers()
    X = np.nan_to_num(X)
    if model.get_params().get("multi_strategy"):
        y = y + (X[:, 2] > 1)
    explanation = explain(model.fit(X, y), X[:5], background=X[:50], random_state=0)
    assert explanation.method == "sampling" and explanation.values.shape[:2] == (5, 4)
    with pytest.raises(ValueError, match="background rows"):
        explain(model, X[:5])


@pytest.mark.parametrize("kind", [FocalXGBClassifier, FocalLGBMClassifier, XGBClassifier])
def test_pandas_categories_in_another_order(kind):
    rng = np.random.default_rng(0)
    names = rng.choice(["a", "b", "c", "d"], 1200)
    X = pd.DataFrame({"kind": pd.Categorical(names), "x": rng.normal(size=1200)})
    y = (rng.random(1200) < np.where(names == "c", 0.7, 0.1)).astype(int)
    options = QUIET if kind is FocalLGBMClassifier else {**FEW, "enable_categorical": True}
    model = kind(**options).fit(X, y)
    few = X[:40].assign(kind=X["kind"][:40].cat.reorder_categories(list("dcba")))
    explanation = explain(model, few)
    check_sums(explanation, positive_log_odds(model, few, 1))
    assert (explanation.values[(few["kind"] == "c").to_numpy(), 0] > 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resampler": "under"},
        {"resampler": "over", "threshold": 0.2},
        {"resampler": "under", "threshold": "f1"},
        {"threshold": {"fp_cost": 5.0, "fn_cost": "amount", "tp_cost": 5.0}},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [FocalXGBClassifier, FocalLGBMClassifier])
def test_pipelines_are_explained_by_the_columns_of_the_table(payments, kind, options):
    X, y = payments
    if "threshold" in options and isinstance(options["threshold"], dict):
        X = X.fillna({"amount": 60.0})
    booster = kind(**(FEW if kind is FocalXGBClassifier else QUIET))
    model = make_pipeline(booster, **options, pos_label="fraud", random_state=0).fit(X, y)
    explanation = explain(model, X[:100])
    assert explanation.method == "trees" and explanation.unit == "log-odds"
    # The constant was left out.
    assert explanation.feature_names == [name for name in X.columns if name != "constant"]
    check_sums(explanation, positive_log_odds(model, X[:100], "fraud"))


def test_a_wrapper_that_names_the_other_label_turns_the_signs(payments):
    X, y = payments
    for resampler in (None, "under"):
        model = make_pipeline(
            FocalLGBMClassifier(**QUIET),
            resampler=resampler,
            threshold=0.5,
            pos_label="fine",
            random_state=0,
        ).fit(X, y)
        explanation = explain(model, X[:50])
        assert explanation.positive == "fine"
        check_sums(explanation, positive_log_odds(model, X[:50], "fine"))


@pytest.mark.parametrize("encoding", ["native", "numbers", "scaled"])
def test_source_columns_are_those_that_the_names_tell(payments, encoding):
    X, y = payments
    features = TableFeatures(encoding, random_state=0).fit(X, y == "fraud")
    names, sources = features.get_feature_names_out(), features.source_columns()
    assert len(names) == len(sources) == features.transform(X[:5]).shape[1]
    for name, source in zip(names, sources, strict=True):
        assert name.removeprefix("missing_").startswith(X.columns[source]), name


def test_what_was_derived_is_summed_up(payments):
    X, y = payments
    model = make_pipeline(
        FocalXGBClassifier(**FEW), features=TableFeatures("scaled", random_state=0)
    ).fit(X, y == "fraud")
    explanation = explain(model, X[:60])
    check_sums(explanation, positive_log_odds(model, X[:60], True))
    encoded = model[:-1].transform(X[:60])
    inner = explain(model[-1], encoded)
    dates = [name.startswith("when") for name in encoded.columns]
    countries = [name.startswith("country") for name in encoded.columns]
    assert sum(dates) > 1 and sum(countries) > 1
    np.testing.assert_allclose(explanation.values[:, 3], inner.values[:, dates].sum(axis=1))
    np.testing.assert_allclose(explanation.values[:, 1], inner.values[:, countries].sum(axis=1))


def test_scikit_learn_around_a_booster():
    X, y = numbers()
    steps = [("scale", StandardScaler()), ("model", LGBMClassifier(**QUIET))]
    search = GridSearchCV(Pipeline(steps), {"model__max_depth": [2, 3]}, cv=2).fit(X, y)
    for model in (search, CostThresholdClassifier(Pipeline(steps), fn_cost=9.0).fit(X, y)):
        explanation = explain(model, X[:50])
        assert explanation.method == "trees"
        check_sums(explanation, positive_log_odds(model, X[:50], 1))


def test_a_column_that_the_model_is_not_given_is_not_explained(payments):
    X, y = payments
    days = X.assign(day=X["when"].dt.date.astype(str))
    model = AlertBudgetClassifier(
        make_pipeline(FocalLGBMClassifier(**QUIET)), k=1, period="day", cv=2, random_state=0
    ).fit(days, y)
    explanation = explain(model, days[:50], background=days)
    assert explanation.feature_names == [name for name in X.columns if name != "constant"]
    check_sums(explanation, positive_log_odds(model, days[:50], "fraud"))


def test_resampling_is_in_the_base_value():
    X, y = numbers()
    model = ResampledClassifier(LGBMClassifier(**QUIET), random_state=0).fit(X, y)
    raw = ResampledClassifier(LGBMClassifier(**QUIET), random_state=0, correct=False).fit(X, y)
    corrected, stated = explain(model, X[:50]), explain(raw, X[:50])
    np.testing.assert_allclose(corrected.values, stated.values)
    shift = np.log(model.rates_[0] / model.rates_[1])
    assert corrected.base_value == pytest.approx(stated.base_value + shift)
    check_sums(corrected, positive_log_odds(model, X[:50], 1))


def test_focal_margins_cannot_be_corrected_by_a_shift():
    pytest.importorskip("shap")
    X, y = numbers()
    model = ResampledClassifier(FocalLGBMClassifier(**QUIET, link="focal"), random_state=0)
    with pytest.raises(ValueError, match=r"corrected in log-odds.*background"):
        explain(model.fit(X, y), X[:5])
    explanation = explain(model, X[:5], background=X[:30])
    assert explanation.unit == "log-odds" and explanation.method == "sampling"
    check_sums(explanation, positive_log_odds(model, X[:5], 1))


def test_equal_columns_in_a_symmetric_model_get_equal_values():
    # Each tree splits by one column at the same place: what a column adds depends on its value.
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (4000, 2)).astype(float)
    both = np.concatenate([x, x[:, ::-1]])
    chance = expit(-3 + 2 * both.sum(axis=1))
    y = (np.tile(rng.random(4000), 2) < chance).astype(int)
    model = XGBClassifier(n_estimators=60, max_depth=1, n_jobs=1, learning_rate=0.2).fit(both, y)
    values = explain(model, np.array([[1.0, 1.0], [0.0, 0.0]])).values
    np.testing.assert_allclose(values[:, 0], values[:, 1], rtol=0.02)


def test_typical_comes_from_the_background():
    X, y = numbers()
    model = FocalXGBClassifier(**FEW).fit(X, y)
    shifted = X + 100.0
    assert explain(model, X).typical["0"] == pytest.approx(np.median(X[:, 0]), abs=0.01)
    rows = explain(model, X, background=shifted)
    reference = explain(model, X, background=Reference.from_rows(shifted))
    assert rows.typical["0"] == pytest.approx(reference.typical["0"], abs=0.05)
    assert rows.typical["0"] == pytest.approx(100.0, abs=0.1)
    np.testing.assert_array_equal(rows.values, reference.values)


BAD_ROWS = {
    "lacks": (lambda X: X.drop(columns="b"), "X lacks the column 'b'"),
    "more": (lambda X: X.assign(z=1.0), "X has the column 'z'"),
    "order": (lambda X: X[["b", "a", "c", "d"]], "Column 0 of X is 'b', but was 'a'"),
    "array": (lambda X: X.to_numpy()[:, :3], "X has 3 columns"),
    "empty": (lambda X: X.iloc[:0], "X has 0 rows"),
}


@pytest.mark.parametrize("change", BAD_ROWS)
@pytest.mark.parametrize("kind", [FocalXGBClassifier, FocalLGBMClassifier])
def test_other_columns_are_refused_by_name(kind, change):
    X, y = numbers(400)
    X = pd.DataFrame(X, columns=list("abcd"))
    model = kind(**(FEW if kind is FocalXGBClassifier else QUIET)).fit(X, y)
    changed, message = BAD_ROWS[change]
    with pytest.raises(ValueError, match=message):
        explain(model, changed(X))


def test_a_pipeline_finds_its_columns_by_name():
    X, y = numbers(400)
    X = pd.DataFrame(X, columns=list("abcd"))
    model = make_pipeline(FocalLGBMClassifier(**QUIET)).fit(X, y)
    expected = explain(model, X[:20])
    others = explain(model, X[:20].assign(z="text")[["z", "d", "b", "c", "a"]])
    assert others.feature_names == ["d", "b", "c", "a"]
    np.testing.assert_array_equal(others.values, expected.values[:, [3, 1, 2, 0]])
    with pytest.raises(ValueError, match=r"lack 1 column\(s\) .*: b"):
        explain(model, X.drop(columns="b"))
    for rows, message in ((X.to_numpy()[:, :3], "X has 3 columns"), (X.iloc[:0], "X has 0 rows")):
        with pytest.raises(ValueError, match=message):
            explain(model, rows)


def test_what_is_no_fitted_classifier_is_refused():
    X, y = numbers(200)
    X = np.nan_to_num(X)
    with pytest.raises(NotFittedError):
        explain(FocalXGBClassifier(), X)
    with pytest.raises(NotFittedError):
        explain(make_pipeline(FocalLGBMClassifier()), X)
    with pytest.raises(ValueError, match="SVC has no predict_proba"):
        explain(SVC().fit(X, y), X)
    with pytest.raises(ValueError, match="LinearRegression has no predict_proba"):
        explain(LinearRegression().fit(X, y), X)
    with pytest.raises(ValueError, match="got the class"):
        explain(FocalXGBClassifier, X)
    fitted = FocalXGBClassifier(**FEW).fit(X, y)
    with pytest.raises(ValueError, match="has no predict_proba"):
        explain(fitted.get_booster(), X)


def test_backgrounds_that_do_not_fit_are_refused():
    X, y = numbers(200)
    model = FocalLGBMClassifier(**QUIET).fit(X, y)
    with pytest.raises(ValueError, match="background has 2 columns, but X has 4"):
        explain(model, X, background=X[:, :2])
    with pytest.raises(ValueError, match="both be DataFrames"):
        explain(model, X, background=pd.DataFrame(X))
    with pytest.raises(ValueError, match="lacks the column '2'"):
        explain(model, X, background=Reference.from_rows(X[:, :2]))
