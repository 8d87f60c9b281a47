"""One call from a mixed table to decisions, with the models that people put into it."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.ensemble import BalancedRandomForestClassifier, EasyEnsembleClassifier
from imblearn.over_sampling import SMOTE, SMOTENC
from lightgbm import LGBMClassifier
from optional import FocalMLPClassifier
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import f1_score, get_scorer, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.pipeline import make_pipeline as plain_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.metrics import expected_cost
from focaltab.model_selection import AlertBudgetClassifier, FocalSearchCV
from focaltab.persistence import load, save
from focaltab.pipeline import TableFeatures, TabularPipeline, make_pipeline

BOOSTING = {"n_estimators": 15, "n_jobs": 1}
FOREST = {"n_estimators": 15, "random_state": 0, "max_depth": 6}
MODELS = {
    "focal xgb": FocalXGBClassifier(**BOOSTING),
    "focal lgbm": FocalLGBMClassifier(**BOOSTING, verbosity=-1),
    "focal mlp": FocalMLPClassifier(max_iter=3, random_state=0),
    "xgb": XGBClassifier(**BOOSTING),
    "lgbm": LGBMClassifier(**BOOSTING, verbosity=-1, min_child_weight=1.0),
    "hist": HistGradientBoostingClassifier(max_iter=15),
    "forest": RandomForestClassifier(**FOREST),
    "balanced forest": BalancedRandomForestClassifier(**FOREST),
    "logistic": LogisticRegression(),
    "mlp": MLPClassifier((8,), max_iter=200, random_state=0),
    "calibrated": CalibratedClassifierCV(LGBMClassifier(**BOOSTING, verbosity=-1), cv=2),
}


@parametrize_with_checks([TableFeatures("scaled")])
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([TableFeatures()])
def test_scikit_learn_for_trees(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(0)
    n = 4000
    start = pd.Timestamp("2025-03-01", tz="UTC")
    X = pd.DataFrame(
        {
            "amount [EUR]": rng.gamma(1.0, 80.0, n),
            "age": pd.array(rng.integers(18, 90, n), dtype="Int64"),
            "chip": pd.array(rng.random(n) < 0.7, dtype="boolean"),
            "when": start + pd.to_timedelta(rng.integers(0, 60 * 86_400, n), unit="s"),
            "country": rng.choice(["FR", "NO", "IT"], n),
            "kind": pd.Categorical(rng.choice(["card", "wire"], n)),
            "merchant": [f"m{k}" for k in rng.integers(0, 300, n)],
            "nothing": np.nan,
            "same": "x",
        }
    )
    risk = X["amount [EUR]"] / 90 + 1.5 * (X["country"] == "NO") + 2.0 * (X["when"].dt.hour < 4)
    y = np.where(risk + rng.logistic(size=n) > 5.0, "fraud", "fine")
    X.loc[rng.random(n) < 0.1, "amount [EUR]"] = np.nan
    X.loc[rng.random(n) < 0.1, ["age", "chip", "country", "kind", "merchant", "when"]] = None
    return X, y


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_from_a_mixed_table(payments, name):
    X, y = payments
    train, new = slice(0, 3000), slice(3000, None)
    if name == "xgb":  # which takes no other labels than these
        y = (y == "fraud").astype(int)
    model = make_pipeline(MODELS[name], random_state=0).fit(X[train], y[train])
    strange = X[new].copy()
    strange["country"] = strange["country"].replace("IT", "??")
    p = model.predict_proba(strange)
    assert isinstance(p, np.ndarray) and p.shape == (1000, 2)
    assert roc_auc_score(y[new], p[:, 1]) > 0.62
    assert model.classes_.tolist() == np.unique(y).tolist()
    encoded = model[0].transform(X[new])
    assert encoded.columns.tolist() == model[:-1].get_feature_names_out().tolist()
    assert set(model[0].left_out_) == {"nothing", "same"}
    inner = model[-1].estimator if name == "calibrated" else model[-1]
    native = encoded["country"].dtype == "category" if "country" in encoded else False
    assert native == (
        inner.__class__.__name__
        not in (
            "RandomForestClassifier",
            "BalancedRandomForestClassifier",
            "LogisticRegression",
            "MLPClassifier",
        )
    )
    assert encoded.isna().any().any() == native
    names = getattr(model[-1], "feature_names_in_", None)
    if names is not None and "lgbm" not in name:
        assert list(names) == encoded.columns.tolist()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(strange), p)


def test_what_boosters_refuse_in_names_is_replaced_for_them_alone(payments):
    X, y = payments
    boosted = make_pipeline(MODELS["focal xgb"]).fit(X, y)
    assert "amount__EUR_" in boosted[-1].get_booster().feature_names
    plain = make_pipeline(MODELS["forest"]).fit(X, y)
    assert "amount [EUR]" in plain[-1].feature_names_in_


def test_a_merchant_that_appears_once_does_not_tell_its_own_label():
    rng = np.random.default_rng(0)
    n = 3000
    # Each merchant twice: fewer than half as many values as rows, and nothing to learn.
    X = pd.DataFrame({"merchant": [f"m{k // 3}" for k in range(n)]})
    y = (rng.random(n) < 0.1).astype(int)
    features = TableFeatures(random_state=0)
    train = features.fit_transform(X, y)["merchant"]
    assert features.kinds_ == {"merchant": "text"}
    # Its own label would show as an AUC close to 1.
    assert 0.4 < roc_auc_score(y, train) < 0.6
    again = TableFeatures(random_state=0).fit_transform(X, y)["merchant"]
    np.testing.assert_array_equal(train, again)
    assert features.transform(pd.DataFrame({"merchant": ["new"]})).iloc[0, 0] == pytest.approx(
        y.mean()
    )


def test_kinds_are_told_by_type_and_values():
    n = 60
    X = pd.DataFrame(
        {
            "python numbers": pd.Series([1, 2.5, None] * 20, dtype=object),
            "iso": [f"2025-01-{1 + k % 28:02d} 0{k % 7}:00" for k in range(n)],
            "lasts": pd.to_timedelta(np.arange(n), unit="s"),
            "month": pd.period_range("2024-01", periods=n, freq="M"),
            "id": [f"u{k}" for k in range(n)],
            "zip": pd.Categorical([75001, 20121] * 30),
        }
    )
    with pytest.warns(UserWarning, match="Column 'id' is left out: text that hardly repeats"):
        features = TableFeatures().fit(X)
    assert features.kinds_ == {
        "python numbers": "number",
        "iso": "date",
        "lasts": "number",
        "month": "date",
        "zip": "category",
    }
    out = features.transform(X)
    assert out["iso_hour"].tolist()[:7] == list(range(7))
    assert out["lasts"].tolist()[:3] == [0.0, 1.0, 2.0]
    # A number that comes back as a float, for a gap elsewhere, is the same category.
    floats = X.assign(zip=[75001.0, np.nan] * 30)
    zips = features.transform(floats)["zip"]
    assert zips.iloc[0] == out["zip"].iloc[0] != out["zip"].iloc[1]
    assert zips.iloc[1:2].isna().all()


def test_columns_of_arrow_and_an_index_that_repeats(payments):
    X, y = payments
    arrow = X.assign(
        when=X["when"].astype("timestamp[ns, tz=UTC][pyarrow]"),
        age=X["age"].astype("int64[pyarrow]"),
        merchant=X["merchant"].astype("string[pyarrow]"),
    ).set_index(np.zeros(len(X), int))
    plain, other = (make_pipeline(MODELS["focal lgbm"], random_state=0) for _ in range(2))
    np.testing.assert_array_equal(
        plain.fit(X, y).predict_proba(X), other.fit(arrow, y).predict_proba(arrow)
    )


def test_one_hot_columns_of_one_name_stay_apart():
    X = pd.DataFrame({"a": ["b", "c"] * 10, "a_b": np.arange(20.0)})
    names = TableFeatures("numbers").fit(X).get_feature_names_out().tolist()
    assert len(set(names)) == len(names) == 3


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda X: X.assign(age="old"), "Column 'age' was numeric in training.*'old' in row 0"),
        (
            lambda X: X.assign(age=X["when"]),
            "Column 'age' was numeric in training, but holds dates",
        ),
        (lambda X: X.assign(when=7), "Column 'when' held dates in training, but numbers"),
        (lambda X: X.drop(columns="country"), "country"),
        (lambda X: X.assign(**{"amount [EUR]": np.inf}), r"column 'amount \[EUR\]', row 0"),
    ],
)
def test_rows_that_do_not_fit_training_are_refused(payments, change, message):
    X, y = payments
    model = make_pipeline(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.predict(change(X[:50].copy()))


@pytest.mark.parametrize(
    "X, message",
    [
        (pd.DataFrame({"a": [[1], [2]]}), "Column 'a' holds lists or records"),
        (pd.DataFrame({"a": [np.nan] * 2, "b": [1, 1]}), "'a' is always missing; 'b' is constant"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "Column name 'a' stands more than"),
        (
            pd.DataFrame({"a": [*range(50), "unknown"] * 2}),
            "Column 'a' mixes numbers and text .for example 'unknown' in row 50",
        ),
        (pd.DataFrame({"a": [1.0, np.inf]}), "Infinite value .* column 'a', row 1"),
    ],
)
def test_tables_that_cannot_be_learned_from(X, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(LogisticRegression()).fit(X, [0, 1] * (len(X) // 2))


def test_arrays_and_sparse_matrices(payments):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = (X[:, 0] + rng.normal(size=500) > 1).astype(int)
    X[::9, 1] = np.nan
    for model in (LogisticRegression(), MODELS["focal xgb"]):
        fitted = make_pipeline(model).fit(X, y)
        from_list = clone(fitted).fit(X.tolist(), y)
        np.testing.assert_array_equal(fitted.predict_proba(X), from_list.predict_proba(X))
    X[np.isnan(X)] = 0.0
    plain = LogisticRegression().fit(sparse.csr_matrix(X), y)
    fitted = make_pipeline(LogisticRegression()).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(
        fitted.predict_proba(sparse.coo_matrix(X)), plain.predict_proba(X), atol=1e-8
    )


def test_resampled_training_states_probabilities_of_all_rows(payments):
    X, y = payments
    prevalence = (y == "fraud").mean()
    for resampler in ("under", "over", SMOTE(random_state=0)):
        model = make_pipeline(LogisticRegression(), resampler=resampler, random_state=0).fit(X, y)
        assert model.predict_proba(X)[:, 1].mean() == pytest.approx(prevalence, rel=0.15)
        assert model[-1].n_resampled_ != len(y)
    # SMOTE measures distances: even a booster is given scaled numbers without gaps.
    model = make_pipeline(MODELS["focal lgbm"], resampler=SMOTE(random_state=0)).fit(X, y)
    assert not model[0].transform(X).isna().any().any()
    native = make_pipeline(MODELS["focal lgbm"], resampler="under").fit(X, y)
    assert native[0].transform(X)["country"].dtype == "category"


def test_thresholds(payments):
    X, y = payments
    base = make_pipeline(LogisticRegression(), random_state=0).fit(X, y)
    p = base.predict_proba(X)[:, 1]
    fixed = make_pipeline(
        LogisticRegression(), threshold=0.1, pos_label="fraud", random_state=0
    ).fit(X, y)
    np.testing.assert_array_equal(fixed.predict(X) == "fraud", p >= 0.1)
    tuned = make_pipeline(
        LogisticRegression(), threshold="f1", pos_label="fraud", random_state=0
    ).fit(X, y)
    assert f1_score(y, tuned.predict(X), pos_label="fraud") > f1_score(
        y, base.predict(X), pos_label="fraud"
    )
    with pytest.raises(ValueError, match="say which is positive with pos_label"):
        make_pipeline(LogisticRegression(), threshold="f1").fit(X, y)
    numbers = make_pipeline(LogisticRegression(), threshold="matthews_corrcoef").fit(X, y)
    assert 0.0 < numbers.best_threshold_ < 1.0


@pytest.mark.parametrize("resampler", [None, "under"])
def test_row_wise_costs_come_from_the_table_as_it_was(payments, resampler):
    X, y = payments
    X = X.assign(stake=X["amount [EUR]"].fillna(10.0))
    costs = {"fp_cost": 5.0, "tp_cost": 5.0, "fn_cost": "stake"}
    model = make_pipeline(
        LogisticRegression(),
        threshold=costs,
        resampler=resampler,
        random_state=0,
        pos_label="fraud",
    ).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    should = p * np.maximum(X["stake"] - 5.0, 0) > (1 - p) * 5.0
    np.testing.assert_array_equal(model.predict(X) == "fraud", should)
    paid = {"fp_cost": 5.0, "tp_cost": 5.0, "fn_cost": X["stake"], "pos_label": "fraud"}
    half = make_pipeline(LogisticRegression(), resampler=resampler, random_state=0).fit(X, y)
    assert expected_cost(y, model.predict(X), **paid) < expected_cost(y, half.predict(X), **paid)
    assert cross_val_score(model, X, y, cv=3, error_score="raise").shape == (3,)


class Witness(ClassifierMixin, BaseEstimator):
    """A model that remembers the weights it was given."""

    def fit(self, X, y, sample_weight=None):
        self.classes_, self.seen_ = np.unique(y), sample_weight
        return self

    def predict_proba(self, X):
        return np.tile([0.7, 0.3], (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.mark.parametrize("routing", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "threshold, resampler",
    [
        (None, None),
        (0.2, None),
        pytest.param("f1", "under", marks=pytest.mark.slow),
        ({"fn_cost": 9.0}, None),
        (None, "under"),
        ({"fn_cost": 9.0}, "under"),
    ],
)
def test_weights_reach_the_model(payments, routing, threshold, resampler):
    X, y = payments
    X, y, weight = X[:600], y[:600], np.linspace(0.5, 2.0, 600)
    with sklearn.config_context(enable_metadata_routing=routing):
        model = make_pipeline(
            Witness(), threshold=threshold, resampler=resampler, pos_label="fraud", random_state=0
        )
        model.fit(X, y, sample_weight=weight)
        done = cross_validate(
            model,
            X,
            y,
            cv=2,
            params={"sample_weight": weight},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
    for fitted, rows in [
        (model, np.arange(600)),
        *zip(done["estimator"], done["indices"]["train"], strict=True),
    ]:
        pipeline = fitted if isinstance(fitted, Pipeline) else fitted.estimator_
        last = pipeline[-1]
        if resampler is None:
            np.testing.assert_array_equal(last.seen_, weight[rows])
        else:
            drawn = last.resampler_.sample_indices_
            np.testing.assert_array_equal(last.estimator_.seen_, weight[rows][drawn])


def test_a_model_that_declines_weights_is_asked_no_more(payments):
    X, y = payments
    X, y = X[:300], y[:300]
    with sklearn.config_context(enable_metadata_routing=True):
        declines = Witness().set_fit_request(sample_weight=False)
        with pytest.raises(TypeError, match="unexpected argument"):
            make_pipeline(declines).fit(X, y, sample_weight=np.ones(300))


def test_search_over_model_resampling_and_features(payments):
    X, y = payments
    X, y = X[:1500], y[:1500]
    model = make_pipeline(LogisticRegression(), resampler="under", random_state=0)
    grid = {"model__estimator__C": [1e-6, 1.0], "features__max_categories": [2, 40]}
    search = GridSearchCV(model, grid, cv=3, scoring="roc_auc", error_score="raise").fit(X, y)
    assert search.best_params_["model__estimator__C"] == 1.0
    assert isinstance(search.best_estimator_, TabularPipeline)
    assert search.best_estimator_.feature_names_in_.tolist() == X.columns.tolist()


def test_features_of_ones_own_and_none(payments):
    X, y = payments
    amount = FunctionTransformer(lambda X: X[["amount [EUR]"]].fillna(0.0))
    model = make_pipeline(LogisticRegression(), features=amount).fit(X, y)
    assert model[-1].feature_names_in_.tolist() == ["amount [EUR]"]
    rows = X[["amount [EUR]"]].fillna(0.0)
    bare = make_pipeline(LogisticRegression(), features=None).fit(rows, y)
    np.testing.assert_array_equal(bare.predict_proba(rows), model.predict_proba(X))


def test_the_estimator_that_is_given_stays_as_it_was(payments):
    X, y = payments
    given = XGBClassifier(**BOOSTING, enable_categorical=False)
    before = given.get_params()
    make_pipeline(given, resampler="under").fit(X, y == "fraud")
    assert str(given.get_params()) == str(before) and not hasattr(given, "n_features_in_")
    with sklearn.config_context(enable_metadata_routing=True):
        request = given.get_metadata_routing().fit.requests["sample_weight"]
    assert request is None


@pytest.mark.parametrize(
    "options, message",
    [
        ({"threshold": 1.5}, r"must lie in \[0, 1\]"),
        ({"threshold": "average_precision"}, "names no metric of decisions"),
        ({"threshold": {"cost": 3}}, "takes the costs fp_cost"),
        ({"threshold": True}, "threshold must be None"),
        ({"features": "all"}, "features must be 'auto'"),
        ({"resampler": SMOTENC([0])}, "SMOTENC works on categories"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(LogisticRegression(), **options)


def test_too_few_positives_to_tune_by(payments):
    X, _ = payments
    y = np.repeat([0, 1], [97, 3])
    with pytest.raises(ValueError, match="rarer class has 3 rows, fewer than the 5 folds"):
        make_pipeline(LogisticRegression(), threshold="f1").fit(X[:100], y)


def test_one_positive_only(payments):
    X = payments[0].drop(columns="merchant")
    y = np.repeat([0, 1], [299, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = make_pipeline(LogisticRegression(), resampler="over").fit(X[:300], y)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.slow
def test_import_loads_no_framework():
    code = (
        "import sys, focaltab.pipeline; "
        "print([m for m in ('torch', 'xgboost', 'lightgbm', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@parametrize_with_checks(
    [make_pipeline(LogisticRegression(), random_state=0)],
    # The first two as of scikit-learn's own Pipeline.
    expected_failed_checks=lambda estimator: {
        "check_dont_overwrite_parameters": "a pipeline fits the steps it is given",
        "check_estimators_overwrite_params": "a pipeline fits the steps it is given",
        "check_sample_weight_equivalence_on_dense_data": "scaling counts rows, not weights",
    },
)
def test_scikit_learn_on_the_whole(estimator, check):
    check(estimator)


def test_a_pipeline_of_ones_own_is_given_plain_numbers(payments):
    X, y = payments
    own = Pipeline([("pick", FunctionTransformer()), ("model", MODELS["focal lgbm"])])
    model = make_pipeline(own).fit(X, y)
    assert not model[0].transform(X).isna().any().any()


@pytest.mark.slow
def test_a_threshold_made_before_imbalanced_learn_is_imported_fits_after_it():
    script = """
from focaltab.pipeline import make_pipeline
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
model = make_pipeline(LogisticRegression(), threshold="f1", pos_label=1)
import imblearn.pipeline
import numpy as np
X = np.random.default_rng(0).normal(size=(300, 2))
model.fit(X, (X[:, 0] > 1).astype(int))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_positive_label_reaches_the_model_which_may_not_be_told_another():
    model = make_pipeline(FocalXGBClassifier(), threshold=0.1, pos_label="fraud")
    assert innermost_of(model).pos_label == "fraud"
    with pytest.raises(ValueError, match=r"estimator\.pos_label='legit' name different positive"):
        make_pipeline(FocalXGBClassifier(pos_label="legit"), pos_label="fraud")
    X = pd.DataFrame({"x": np.arange(400.0)})
    y = np.where(np.arange(400) > 360, "fraud", "legit")
    early = FocalXGBClassifier(n_estimators=20, early_stopping_rounds=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a positive class that is the common one
        make_pipeline(early, threshold=0.1, pos_label="fraud").fit(X, y)


def innermost_of(model):
    return model.estimator.steps[-1][1]


@pytest.mark.parametrize(
    "threshold",
    [
        get_scorer("f1"),
        *(
            pytest.param(k, marks=pytest.mark.slow)
            for k in ("balanced_accuracy", get_scorer("accuracy"))
        ),
    ],
)
def test_a_tuned_threshold_is_of_the_positive_label_whichever_comes_first(threshold, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(2000, 2)), columns=["a", "b"])
    is_fraud = X["a"] + rng.normal(size=2000) > 2.6
    models = []
    for label in ("zfraud", "fraud"):
        y = np.where(is_fraud, label, "legit")
        model = make_pipeline(
            LogisticRegression(), threshold=threshold, pos_label=label, random_state=0
        ).fit(X, y)
        assert "TunedThreshold" in repr(model)
        called = model.predict(X) == label
        models.append((model.best_threshold_, called.mean()))
        save(model, tmp_path / label, X=X, y=y)
        np.testing.assert_array_equal(load(tmp_path / label).predict(X) == label, called)
    assert models[0] == pytest.approx(models[1])


def test_the_label_that_the_model_is_told_is_the_threshold_s(payments):
    X, y = payments
    y = np.where(y == "fraud", "fraud", "legit")
    options = {"threshold": 0.05, "random_state": 0}
    inner = make_pipeline(FocalXGBClassifier(**BOOSTING, pos_label="fraud"), **options)
    outer = make_pipeline(FocalXGBClassifier(**BOOSTING), pos_label="fraud", **options)
    np.testing.assert_array_equal(inner.fit(X, y).predict(X), outer.fit(X, y).predict(X))
    assert (inner.predict(X) == "fraud").mean() > 0.02


def test_a_metric_that_is_no_scorer_is_refused():
    with pytest.raises(ValueError, match="is no scorer"):
        make_pipeline(LogisticRegression(), threshold=f1_score)


def plain_metric(y_true, y_pred):
    return f1_score(y_true, y_pred)


WRAPPED = [
    CalibratedClassifierCV(LogisticRegression(), cv=2),
    plain_pipeline(StandardScaler(), LogisticRegression()),
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, scoring="f1_macro", cv=2),
    FocalSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_trials=2, cv=2, random_state=0),
    AlertBudgetClassifier(LogisticRegression(), k=20, cv=2, random_state=0),
]


@pytest.mark.parametrize(
    "estimator, threshold",
    [
        *[(model, 0.3) for model in WRAPPED],
        *[pytest.param(model, "f1", marks=pytest.mark.slow) for model in WRAPPED[2:]],
        (WRAPPED[0], "f1"),
        pytest.param(WRAPPED[1], "f1", marks=pytest.mark.slow),
        pytest.param(WRAPPED[0], get_scorer("f1"), marks=pytest.mark.slow),
        pytest.param(WRAPPED[1], make_scorer(plain_metric), marks=pytest.mark.slow),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value),
)
def test_weights_reach_wrapped_models_below_a_threshold(estimator, threshold):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(600, 2)), columns=["a", "b"])
    y = (X["a"] + rng.normal(size=600) > 1.2).to_numpy().astype(int)
    weight = np.where(y == 1, 9.0, 1.0)
    model = make_pipeline(estimator, threshold=threshold, pos_label=1, random_state=0)
    shares = [
        clone(model).fit(X, y, **options).predict_proba(X)[:, 1].mean()
        for options in ({}, {"sample_weight": weight})
    ]
    assert shares[1] > 1.5 * shares[0]
    assert model.get_params()["estimator"] is model.estimator
    # The model may be another one by then.
    other = clone(model).set_params(estimator__model=LogisticRegression(C=0.1))
    assert other.fit(X, y, sample_weight=weight).predict_proba(X)[:, 1].mean() > 1.5 * shares[0]


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(LGBMClassifier(**BOOSTING, verbosity=-1), n_estimators=2),
        BaggingClassifier(HistGradientBoostingClassifier(max_iter=3), n_estimators=2),
        EasyEnsembleClassifier(2, estimator=FocalLGBMClassifier(**BOOSTING, verbosity=-1)),
        VotingClassifier(
            [
                ("lgbm", FocalLGBMClassifier(**BOOSTING, verbosity=-1)),
                ("xgb", FocalXGBClassifier(**BOOSTING)),
            ],
            voting="soft",
        ),
    ],
    ids=["bagging", "bagging hist", "easy ensemble", "voting"],
)
def test_boosters_inside_of_others_get_what_these_pass_on(payments, estimator):
    X, y = payments
    X = X.rename(columns={X.columns[0]: "amount [EUR]"})
    stated = make_pipeline(estimator).fit(X, y).predict_proba(X)[:, 1]
    assert roc_auc_score(y == "fraud", stated) > 0.7


@pytest.mark.parametrize(
    "kind", ["text", "datetime64[s]", "datetime64[us]", "python", "timestamp[us][pyarrow]"]
)
@pytest.mark.parametrize("placeholder", ["9999-12-31", "0001-01-01"])
def test_dates_that_stand_for_no_end_are_days_like_others(kind, placeholder):
    text = pd.Series(["2024-01-01T00:00:00", "2024-02-03T04:00:00", f"{placeholder}T00:00:00"] * 9)
    moments = pd.Series(text.to_numpy().astype("datetime64[s]"))
    column = {"text": text, "python": moments.astype("datetime64[us]").dt.to_pydatetime()}.get(kind)
    if column is None:
        column = moments.astype(kind)
    X = pd.DataFrame({"until": pd.Series(column), "a": np.arange(27.0)})
    days = TableFeatures().fit_transform(X, np.arange(27) % 2)["until_days"].to_numpy()
    expected = moments.to_numpy().astype("datetime64[s]").astype(np.int64) / 86_400
    np.testing.assert_array_equal(days, expected)


def test_arrow_durations_are_seconds_and_complex_numbers_are_refused():
    gone = pd.Series(pd.to_timedelta([1, 2, None] * 9, unit="h")).astype("duration[ns][pyarrow]")
    X = pd.DataFrame({"gone": gone, "a": np.arange(27.0)})
    features = TableFeatures().fit_transform(X, np.arange(27) % 2)
    np.testing.assert_array_equal(features["gone"][:3], [3600.0, 7200.0, np.nan])
    with pytest.raises(ValueError, match="Column 'z' holds complex numbers"):
        TableFeatures().fit(X.assign(z=1j * np.arange(27)), np.arange(27) % 2)


def test_a_threshold_over_a_fitted_pipeline_takes_weights():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
    y = (X["a"] + rng.normal(size=400) > 1).to_numpy().astype(int)
    model = make_pipeline(LogisticRegression(), threshold="f1")
    model.estimator.fit(X, y)
    model.set_params(cv="prefit", refit=False).fit(X, y, sample_weight=np.ones(400))
    assert 0.0 < model.best_threshold_ < 1.0


def test_a_stack_takes_costs():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    y = (X["a"] + rng.normal(size=300) > 1).to_numpy().astype(int)
    stack = StackingClassifier([("linear", LogisticRegression())], cv=2)
    model = make_pipeline(stack, threshold={"fn_cost": 5.0}).fit(X, y)
    assert model.predict(X).mean() > y.mean()


@pytest.mark.parametrize(
    "cities, zones",
    [
        (["Oslo", "nan", None], ["1", "2", "3"]),
        (["zone_1", "Oslo", "Rome"], ["1", "2", "1"]),
    ],
)
def test_values_whose_columns_would_have_one_name_stay_apart(cities, zones):
    X = pd.DataFrame({"city": cities * 50, "city_zone": zones * 50})
    features = TableFeatures("numbers").fit(X)
    names = features.get_feature_names_out().tolist()
    encoded = features.transform(X)
    assert len(set(names)) == len(names) and encoded.columns.tolist() == names
    np.testing.assert_array_equal(encoded.sum(axis=1), 2.0)
    y = X["city"] == "Oslo"
    assert make_pipeline(LogisticRegression()).fit(X, y).score(X, y) == 1.0


def test_a_table_is_read_as_the_sparse_matrix_that_a_model_was_fitted_on():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3)) * (rng.random((600, 3)) > 0.5)
    y = (X[:, 0] + rng.logistic(size=600) > 2).astype(int)
    model = make_pipeline(FocalXGBClassifier(n_estimators=10, n_jobs=1))
    model.fit(sparse.csr_matrix(X), y)
    stated = model.predict_proba(sparse.csr_matrix(X))
    np.testing.assert_array_equal(model.predict_proba(X), stated)


def test_durations_are_no_numbers_of_an_unknown_unit():
    hours = pd.DataFrame({"age": np.arange(100.0)})
    durations = pd.DataFrame({"age": pd.to_timedelta(hours["age"], unit="h")})
    with pytest.raises(ValueError, match="'age' was numeric in training, but holds durations"):
        TableFeatures().fit(hours).transform(durations)
    of_durations = TableFeatures().fit(durations)
    np.testing.assert_array_equal(of_durations.transform(durations), hours * 3600.0)
    np.testing.assert_array_equal(of_durations.transform(hours * 3600.0), hours * 3600.0)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_whose_score_takes_no_weights():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] > 1).astype(int)
    model = make_pipeline(LogisticRegressionCV(cv=2))
    assert model.fit(X, y, sample_weight=rng.random(200)).score(X, y) > 0.9


@pytest.mark.parametrize("threshold", [None, 0.1, "f1"])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_label_is_named(missing, threshold):
    X = pd.DataFrame({"amount": np.arange(100.0), "name": [f"m{k % 60}" for k in range(100)]})
    y = np.where(np.arange(100) % 10 == 0, "fraud", "legit").astype(object)
    y[7] = missing
    model = make_pipeline(LogisticRegression(), threshold=threshold, pos_label="fraud")
    with pytest.raises(ValueError, match=r"missing .* label in row 7"):
        model.fit(X, y)


@pytest.mark.parametrize("name", ["focal xgb", "focal lgbm", "focal mlp"])
def test_evaluation_sets_go_through_all_steps_and_teach_them_nothing(payments, name):
    if name == "focal mlp":
        pytest.importorskip("torch")
    X, y = payments
    X = X.assign(code=np.arange(len(X)) % 3)
    stop = np.arange(len(X)) % 4 == 0
    option = "n_iter_no_change" if name == "focal mlp" else "early_stopping_rounds"
    estimator = clone(MODELS[name]).set_params(**{option: 2})
    model = make_pipeline(estimator, categorical=["code"], random_state=0)
    alone = clone(model[0]).fit(X[~stop], y[~stop])
    weight = np.linspace(0.5, 1.5, (~stop).sum())
    model.fit(X[~stop], y[~stop], sample_weight=weight, eval_set=[(X[stop], y[stop])])
    assert model[0].kinds_["code"] == "category" and model[0].categories_ == alone.categories_
    by_hand = clone(model[1]).fit(
        clone(model[0]).fit_transform(X[~stop], y[~stop]),
        y[~stop],
        sample_weight=weight,
        eval_set=[(alone.transform(X[stop]), y[stop])],
    )
    expected = by_hand.predict_proba(alone.transform(X))
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    with pytest.raises(ValueError, match="eval_set must be a pair"):
        clone(model).fit(X, y, eval_set=[X])


def test_columns_named_as_categorical(payments):
    X, y = payments
    codes = np.char.zfill((np.arange(len(X)) % 60).astype(str), 3).astype(object)
    codes[5] = "misc"  # else refused as a stray word among numbers
    X = X.assign(code=codes)
    with pytest.raises(ValueError, match=r"'misc' in row 5.*name it as categorical"):
        TableFeatures().fit(X, y)
    fitted = TableFeatures(categorical=("code",), random_state=0).fit(X, y)
    assert fitted.kinds_["code"] == "text" and "misc" in fitted.categories_["code"]
    assert fitted.outputs_["code"] == ["code"]
    for bad, message in (("code", "must be a list"), (["cod"], "not there: 'cod'")):
        with pytest.raises((TypeError, ValueError), match=message):
            TableFeatures(categorical=bad).fit(X, y)
