"""A saved model is the model: for every estimator, in every wrapping, in another process too."""

import json
import pickle
import subprocess
import sys
import warnings

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from imblearn.over_sampling import SMOTE
from lightgbm import LGBMClassifier
from optional import FocalMLPClassifier
from scipy.special import expit
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

import focaltab
from focaltab import (
    ClassBalanced,
    FocalEnsembleClassifier,
    FocalLGBMClassifier,
    FocalSearchCV,
    FocalXGBClassifier,
)
from focaltab.model_selection import AlertBudgetClassifier
from focaltab.monitoring import Reference
from focaltab.persistence import read_manifest
from focaltab.pipeline import ResampledClassifier, make_pipeline

N = 700
XGB = {"n_estimators": 6, "max_depth": 3, "random_state": 0}
LGBM = {"n_estimators": 6, "random_state": 0, "num_leaves": 5, "verbosity": -1}


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    X[::11, 1] = np.nan
    return X


@pytest.fixture(scope="module")
def frame(numbers):
    rng = np.random.default_rng(1)
    cities = pd.Series(rng.choice(["Rome", "Oslo", None], N))
    return pd.DataFrame(
        {
            "amount": numbers[:, 0],
            "gaps": numbers[:, 1],
            "city": cities,
            "shop": rng.choice([f"shop {k}" for k in range(60)], N),
            "when": pd.Timestamp("2024-05-01") + pd.to_timedelta(rng.integers(0, 999, N), "h"),
        }
    )


@pytest.fixture(scope="module")
def y(numbers):
    noise = np.random.default_rng(2).normal(size=N)
    return np.where(numbers[:, 0] + 0.5 * noise > 1.2, "fraud", "fine")


def kinds(y):
    return pd.cut(np.arange(len(y)) % 7, [-1, 3, 5, 7], labels=["a", "b", "c"]).astype(str)


MODELS = {
    "xgb": FocalXGBClassifier(**XGB, early_stopping_rounds=2, pos_label="fine"),
    "xgb focal margin": FocalXGBClassifier(
        **XGB, link="focal", focal_gamma=1.5, focal_alpha=ClassBalanced(0.99)
    ),
    "xgb pair of gammas": FocalXGBClassifier(**XGB, focal_gamma=(0.5, 2.0), focal_alpha=0.3),
    "lgbm": FocalLGBMClassifier(**LGBM, early_stopping_rounds=2, focal_alpha="balanced"),
    "lgbm focal margin": FocalLGBMClassifier(**LGBM, link="focal"),
    "sampled": FocalXGBClassifier(**XGB, sampling="hard_negative"),
    "mlp": FocalMLPClassifier((8,), max_iter=2, pos_label="fraud", random_state=0),
    "budget": AlertBudgetClassifier(FocalXGBClassifier(**XGB), k=30, cv=2, random_state=0),
    "calibrated": CalibratedClassifierCV(FocalXGBClassifier(**XGB), cv=2),
    "voting": VotingClassifier(
        [("xgb", FocalXGBClassifier(**XGB)), ("lgbm", FocalLGBMClassifier(**LGBM))], voting="soft"
    ),
    "plain pipeline": Pipeline([("scale", StandardScaler()), ("model", FocalXGBClassifier(**XGB))]),
    "xgboost's own": XGBClassifier(**XGB),
    "lightgbm's own": LGBMClassifier(**LGBM),
    "trees": ResampledClassifier(ExtraTreesClassifier(5, random_state=0), "over", random_state=0),
}
TABLE_MODELS = {
    "undersampled": make_pipeline(FocalXGBClassifier(**XGB), resampler="under", random_state=0),
    "threshold by metric": make_pipeline(
        FocalLGBMClassifier(**LGBM), threshold="f1", pos_label="fraud", random_state=0
    ),
    "fixed threshold": make_pipeline(LogisticRegression(), threshold=0.3, pos_label="fraud"),
    "threshold by cost": make_pipeline(
        FocalMLPClassifier((8,), max_iter=2, random_state=0),
        threshold={"fp_cost": 1.0, "fn_cost": 20.0},
        pos_label="fraud",
    ),
}


def equal(model, again, X):
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.classes_, model.classes_)


def saved(model, folder, **options):
    digest = focaltab.save(model, folder, **options)
    assert not any(b"pickle" in path.read_bytes() for path in folder.iterdir())
    return focaltab.load(folder, sha256=digest)


@pytest.mark.parametrize("name", MODELS)
def test_estimators_of_numbers(name, numbers, y, tmp_path):
    target = (y == "fraud").astype(int) if "own" in name else y
    model = clone(MODELS[name]).fit(np.nan_to_num(numbers) if name == "trees" else numbers, target)
    X = np.nan_to_num(numbers) if name == "trees" else numbers
    again = saved(model, tmp_path / "m")
    equal(model, again, X)
    # What was loaded is a whole estimator: it clones, pickles, fits and saves again.
    equal(clone(again).fit(X, target), clone(model).fit(X, target), X)
    equal(model, pickle.loads(pickle.dumps(again)), X)
    equal(model, saved(again, tmp_path / "again"), X)


@pytest.mark.parametrize("name", TABLE_MODELS)
def test_pipelines_of_tables(name, frame, y, tmp_path):
    model = clone(TABLE_MODELS[name]).fit(frame, y)
    again = saved(model, tmp_path / "m")
    equal(model, again, frame)
    strange = frame.head(20).assign(city="Atlantis", shop=None, gaps=np.nan)
    equal(model, again, strange)


def test_pandas_categories_and_several_classes(frame, y, tmp_path):
    X = frame[["amount", "city"]].astype({"city": "category"})
    for k, model in enumerate([FocalXGBClassifier(**XGB), FocalLGBMClassifier(**LGBM)]):
        for link in ("logit", "focal"):
            fitted = clone(model).set_params(link=link).fit(X, kinds(y))
            again = saved(fitted, tmp_path / f"{k} {link}")
            equal(fitted, again, X)
            assert again.prevalence_.tolist() == fitted.prevalence_.tolist()
            assert repr(again.loss_) == repr(fitted.loss_)


def test_labels_keep_their_type(numbers, tmp_path):
    for k, labels in enumerate(
        [
            np.arange(N) % 5 == 0,
            (np.arange(N) % 5 == 0) * 2.0,
            pd.Series(np.where(np.arange(N) % 5 == 0, "yes", "no"), dtype=object),
        ]
    ):
        models = [FocalXGBClassifier(**XGB), FocalMLPClassifier((4,), max_iter=1)]
        for j, model in enumerate(models):
            fitted = model.fit(numbers, labels)
            again = saved(fitted, tmp_path / f"{k} {j}")
            assert again.classes_.dtype == fitted.classes_.dtype
            equal(fitted, again, numbers)


def test_a_search_and_an_ensemble(numbers, y, tmp_path):
    X = np.nan_to_num(numbers)
    search = FocalSearchCV(FocalXGBClassifier(**XGB), n_trials=2, cv=2, random_state=0).fit(X, y)
    again = saved(search, tmp_path / "search")
    equal(search, again, X)
    assert again.verdict_ == search.verdict_ and again.best_params_ == search.best_params_
    assert again.score(X, y) == search.score(X, y)
    members = {
        "xgb": FocalXGBClassifier(**XGB),
        "mlp": FocalMLPClassifier((4,), max_iter=2),
        "trees": ExtraTreesClassifier(5),
        "linear": LogisticRegression(),
    }
    ensemble = FocalEnsembleClassifier(members, cv=2, random_state=0).fit(X, y)
    again = saved(ensemble, tmp_path / "ensemble")
    equal(ensemble, again, X)
    assert again.weights_ == ensemble.weights_
    pd.testing.assert_frame_equal(again.out_of_fold_, ensemble.out_of_fold_)


def test_training_goes_on_from_a_loaded_model(numbers, y, tmp_path):
    X = numbers
    for name in ("xgb", "lgbm"):
        model = clone(MODELS[name]).set_params(early_stopping_rounds=None).fit(X, y)
        again = saved(model, tmp_path / name)
        keyword = "xgb_model" if name == "xgb" else "init_model"
        equal(
            clone(model).fit(X, y, **{keyword: model}),
            clone(model).fit(X, y, **{keyword: again}),
            X,
        )


def test_the_native_files_are_right_without_focaltab(numbers, y, tmp_path):
    model = clone(MODELS["xgb"]).fit(numbers, y)
    focaltab.save(model, tmp_path / "x")
    booster = xgb.Booster(model_file=tmp_path / "x" / "xgboost.json")
    np.testing.assert_allclose(
        booster.predict(xgb.DMatrix(numbers)), model.predict_proba(numbers)[:, 0], atol=1e-6
    )
    own = FocalXGBClassifier()
    own.load_model(tmp_path / "x" / "xgboost.json")
    equal(model, own, numbers)
    model = clone(MODELS["lgbm"]).fit(numbers, y)
    focaltab.save(model, tmp_path / "l")
    raw = lgb.Booster(model_file=tmp_path / "l" / "lightgbm.txt").predict(
        numbers, raw_score=True, num_iteration=model.best_iteration_
    )
    np.testing.assert_allclose(expit(raw), model.predict_proba(numbers)[:, 1], atol=1e-6)


@pytest.mark.slow
def test_another_process_has_the_same_probabilities(frame, y, tmp_path):
    model = clone(TABLE_MODELS["threshold by cost"]).fit(frame, y)
    focaltab.save(model, tmp_path / "m")
    frame.to_parquet(tmp_path / "rows.parquet")
    script = (
        "import numpy as np, pandas as pd, focaltab; m = focaltab.load('m'); "
        "np.save('p.npy', m.predict_proba(pd.read_parquet('rows.parquet')))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), model.predict_proba(frame))


def test_the_manifest_says_what_is_known(frame, y, tmp_path):
    model = clone(TABLE_MODELS["fixed threshold"]).fit(frame, y)
    metrics = {"average_precision": np.float64(0.5)}
    focaltab.save(model, tmp_path / "m", X=frame, y=y, metrics=metrics)
    found = read_manifest(tmp_path / "m")
    assert found.classes == ["fine", "fraud"] and found.positive == "fraud"
    assert found.threshold == 0.3 and found.loss is None
    assert found.prevalence == np.mean(y == "fraud")
    assert found.feature_names == list(frame.columns) and found.n_features == 5
    assert found.feature_types == ["number", "number", "category", "text", "date"]
    assert found.metrics == {"average_precision": 0.5}
    assert (
        set(found.versions) == {"numpy", "pandas", "scikit-learn", "skops"}
        and found.focaltab == focaltab.__version__
    )
    score = model.predict_proba(frame)[:, 1]
    expected = Reference.from_rows(frame, y, score=score, pos_label="fraud")
    assert Reference.from_dict(found.reference) == expected
    # It can be read by anything that reads JSON.
    json.loads((tmp_path / "m" / "manifest.json").read_text())


def test_the_loss_of_a_booster_is_in_the_manifest(numbers, y, tmp_path):
    model = FocalXGBClassifier(**XGB, focal_gamma=(0.5, 2.0), focal_alpha=0.3).fit(numbers, y)
    focaltab.save(model, tmp_path / "m")
    found = read_manifest(tmp_path / "m")
    assert found.loss["gamma"] == [0.5, 2.0] and found.loss["link"] == "logit"
    assert found.loss["class_weights"] == list(model.loss_.class_weights)
    assert found.prevalence == model.prevalence_ == np.mean(y == "fraud")


def test_a_resampled_model_does_not_tell_the_prevalence_of_its_draws(numbers, y, tmp_path):
    model = ResampledClassifier(FocalXGBClassifier(**XGB), "under", random_state=0).fit(numbers, y)
    focaltab.save(model, tmp_path / "without")
    assert read_manifest(tmp_path / "without").prevalence is None
    focaltab.save(model, tmp_path / "with", X=numbers, y=y)
    assert read_manifest(tmp_path / "with").prevalence == np.mean(y == "fraud")


def test_rows_of_training_are_not_in_the_folder(numbers, y, tmp_path):
    X = np.nan_to_num(numbers)
    model = ResampledClassifier(FocalXGBClassifier(**XGB), SMOTE(random_state=0)).fit(X, y)
    focaltab.save(model, tmp_path / "m")
    assert sum(path.stat().st_size for path in (tmp_path / "m").iterdir()) < X.nbytes
    equal(model, focaltab.load(tmp_path / "m"), X)


def test_code_that_only_fit_needs_is_left_out_with_a_warning(numbers, y, tmp_path):
    model = FocalXGBClassifier(**XGB, eval_metric=lambda y, p: 0.0).fit(numbers, y)
    with pytest.warns(UserWarning, match="eval_metric holds code"):
        focaltab.save(model, tmp_path / "m")
    again = focaltab.load(tmp_path / "m")
    assert again.eval_metric is None and model.eval_metric is not None
    equal(model, again, numbers)


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return 2.0 * np.asarray(X)


def test_types_of_the_user_s_own_need_trust_twice(numbers, y, tmp_path):
    model = Pipeline([("double", Doubled()), ("model", FocalXGBClassifier(**XGB))]).fit(numbers, y)
    name = f"{Doubled.__module__}.Doubled"
    with pytest.raises(TypeError, match=rf"holds {name}.*trusted="):
        focaltab.save(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    focaltab.save(model, tmp_path / "m", trusted=[name])
    with pytest.raises(ValueError, match=rf"not trusted.*{name}"):
        focaltab.load(tmp_path / "m")
    equal(model, focaltab.load(tmp_path / "m", trusted=[name]), numbers)


def test_a_function_inside_of_a_model_is_refused(numbers, y, tmp_path):
    inner = FocalXGBClassifier(**XGB)
    model = AlertBudgetClassifier(inner, k=5, cv=2, period=lambda X: X[:, 0] > 0)
    model.fit(numbers, y)
    with pytest.raises(TypeError, match="lambda"):
        focaltab.save(model, tmp_path / "m")


@pytest.mark.parametrize(
    "model, error, message",
    [
        (FocalXGBClassifier(), NotFittedError, "not fitted"),
        (FocalMLPClassifier(), NotFittedError, "not fitted"),
        (FocalXGBClassifier, TypeError, "takes a fitted estimator"),
        ({"a": 1}, TypeError, "takes a fitted estimator"),
    ],
)
def test_what_is_no_fitted_model_is_refused(model, error, message, tmp_path):
    with pytest.raises(error, match=message):
        focaltab.save(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_a_failure_leaves_nothing(numbers, y, tmp_path):
    model = FocalXGBClassifier(**XGB).fit(numbers, y)
    (tmp_path / "m").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        focaltab.save(model, tmp_path / "m")
    with pytest.raises(FileNotFoundError, match="no folder"):
        focaltab.save(model, tmp_path / "nowhere" / "m")
    with pytest.raises(ValueError, match="JSON"):
        focaltab.save(model, tmp_path / "new", metrics={"a": {1, 2}})
    with pytest.raises(ValueError, match="pass them with X"):
        focaltab.save(model, tmp_path / "new", y=y)
    with pytest.raises(ValueError, match=r"not both"):
        reference = Reference.from_rows(numbers)
        focaltab.save(model, tmp_path / "new", X=numbers, reference=reference)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert list((tmp_path / "m").iterdir()) == []


def test_saving_leaves_the_model_as_it_was(frame, y, tmp_path):
    model = clone(TABLE_MODELS["threshold by metric"]).fit(frame, y)
    before, scorer = model.predict_proba(frame), model.scoring
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        focaltab.save(model, tmp_path / "m")
    assert model.scoring is scorer
    np.testing.assert_array_equal(model.predict_proba(frame), before)
    request = model.estimator_.steps[-1][1].get_metadata_routing()
    assert isinstance(request.owner, FocalLGBMClassifier)


def test_types_of_columns_are_known_without_rows(frame, y, tmp_path):
    X = frame[["amount", "city"]].astype({"city": "category"})
    models = {
        "xgb": FocalXGBClassifier(**XGB),
        "mlp": FocalMLPClassifier((4,), max_iter=1),
        "lgbm": FocalLGBMClassifier(**LGBM),
    }
    found = {}
    for name, model in models.items():
        focaltab.save(model.fit(X, y), tmp_path / name)
        found[name] = read_manifest(tmp_path / name).feature_types
    assert found["xgb"] == found["mlp"] == ["number", "category"]
    assert found["lgbm"] == ["", ""]  # LightGBM keeps values of categories, not whose they are
    focaltab.save(models["lgbm"], tmp_path / "with rows", X=X)
    assert read_manifest(tmp_path / "with rows").feature_types == ["number", "category"]


def test_several_classes_have_rows_and_no_prevalence_in_the_reference(numbers, y, tmp_path):
    model = FocalXGBClassifier(**XGB).fit(numbers, kinds(y))
    focaltab.save(model, tmp_path / "m", X=numbers, y=kinds(y))
    found = read_manifest(tmp_path / "m")
    assert found.positive is None and len(found.prevalence) == 3
    assert Reference.from_dict(found.reference).prevalence is None


def _rare_first(random_state):
    """Labels of which the rare one comes first in sorted order."""
    rng = np.random.default_rng(random_state)
    X = pd.DataFrame({"a": rng.normal(size=2000)})
    return X, np.where(X["a"] + rng.logistic(size=2000) > 3.5, "bad", "good")


_INNER = FocalXGBClassifier(n_estimators=5, pos_label="bad")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(
            make_pipeline(FocalXGBClassifier(n_estimators=5), threshold="f1", pos_label="bad"),
            id="metric",
        ),
        pytest.param(
            make_pipeline(FocalXGBClassifier(n_estimators=5), threshold=0.2, pos_label="bad"),
            id="threshold",
        ),
        pytest.param(CalibratedClassifierCV(_INNER, cv=2), id="calibrated"),
        pytest.param(FixedThresholdClassifier(_INNER, threshold=0.7), id="second decides"),
    ],
)
def test_the_positive_label_wherever_it_is_named(model, tmp_path):
    pytest.importorskip("shap")
    X, y = _rare_first(0)
    model = clone(model).fit(X, y)
    focaltab.save(model, tmp_path / "m", X=X, y=y)
    found = read_manifest(tmp_path / "m")
    assert found.positive == "bad"
    np.testing.assert_allclose(found.prevalence, np.mean(y == "bad"))
    if found.threshold is not None:
        called = model.predict_proba(X)[:, 0] >= found.threshold
        np.testing.assert_array_equal(called, model.predict(X) == "bad")
    assert focaltab.explain(model, X[:5], background=X[:20]).positive == "bad"
