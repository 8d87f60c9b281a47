"""What `to_onnx` and `onnx_inputs` refuse, and what they say."""

import subprocess
import sys

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from export_rows import session_of
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.svm import LinearSVC

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.export import onnx_inputs, to_onnx
from focaltab.model_selection import CostThresholdClassifier


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, (X[:, 0] + rng.normal(size=300) > 1).astype(int)


def booster(**options):
    return FocalXGBClassifier(n_estimators=3, n_jobs=1, **options)


def test_what_is_no_fitted_classifier(small):
    X, y = small
    with pytest.raises(NotFittedError):
        to_onnx(booster())
    with pytest.raises(NotFittedError):
        to_onnx(Pipeline([("model", booster())]))
    with pytest.raises(ValueError, match="got FocalXGBClassifier \\(a class\\)"):
        to_onnx(FocalXGBClassifier)
    with pytest.raises(ValueError, match="fitted classifier with predict_proba, got LinearSVC"):
        to_onnx(LinearSVC().fit(X, y))
    with pytest.raises(ValueError, match="got str"):
        to_onnx("model.json")


def test_files(small, tmp_path):
    model = booster().fit(*small)
    there = tmp_path / "model.onnx"
    there.write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        to_onnx(model, there)
    assert there.read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="no folder"):
        to_onnx(model, tmp_path / "nowhere" / "model.onnx")


@pytest.mark.parametrize("opset", [17, 1000, "18"])
def test_opsets(opset, small):
    with pytest.raises(ValueError, match="opset must be a whole number from 18"):
        to_onnx(booster().fit(*small), opset=opset)


def test_newer_opsets(small):
    X, y = small
    model = booster(link="focal").fit(X, y)
    session = session_of(to_onnx(model, opset=21))
    found = session.run(None, onnx_inputs(session, X))[0]
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)


def test_parts_without_a_form_are_named(small):
    X, y = small
    several = np.digitize(X[:, 0], [-0.5, 0.5])

    def shout(values):
        return values

    cases = {
        "gblinear": xgb.XGBClassifier(booster="gblinear", n_estimators=2).fit(X, y),
        "multi_output_tree": xgb.XGBClassifier(
            n_estimators=2, multi_strategy="multi_output_tree"
        ).fit(X, several),
        "several labels": xgb.XGBClassifier(n_estimators=2).fit(X, np.column_stack([y, 1 - y])),
        "linear_tree": lgb.LGBMClassifier(n_estimators=2, linear_tree=True, verbosity=-1).fit(X, y),
        "binary:hinge": xgb.XGBClassifier(n_estimators=2, objective="binary:hinge").fit(X, y),
        "FunctionTransformer of shout": Pipeline(
            [("f", FunctionTransformer(shout)), ("model", booster())]
        ).fit(X, y),
        "PolynomialFeatures in float64": Pipeline(
            [("f", PolynomialFeatures(2)), ("model", booster())]
        ).fit(X, y),
        "CalibratedClassifierCV": CalibratedClassifierCV(booster(), cv=2).fit(X, y),
        "fn_cost": CostThresholdClassifier(booster(), fn_cost=lambda X: np.ones(len(X))).fit(X, y),
    }
    for said, model in cases.items():
        with pytest.raises(ValueError, match=f"to_onnx cannot express this.*{said}"):
            to_onnx(model)


def test_column_named_as_an_output(small):
    X, y = small
    table = pd.DataFrame(X, columns=["amount", "label", "b"])
    with pytest.raises(ValueError, match="'label' has the name of one of the graph's outputs"):
        to_onnx(booster().fit(table, y))


def test_lightgbm_that_does_not_say_its_categories(small):
    X, y = small
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        size=pd.Categorical(np.array(["s", "m"])[y], categories=["s", "m"], ordered=True)
    )
    model = FocalLGBMClassifier(n_estimators=3, verbosity=-1).fit(table, y)
    with pytest.raises(ValueError, match="pass some of the training rows as X"):
        to_onnx(model)
    session = session_of(to_onnx(model, X=table))
    found = session.run(None, onnx_inputs(session, table))[0]
    np.testing.assert_allclose(found, model.predict_proba(table), atol=1e-6)


def test_inputs(small):
    X, y = small
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    session = session_of(to_onnx(booster().fit(table, y)))
    with pytest.raises(ValueError, match=r"lacks 1 column\(s\) that the model reads: \['b'\]"):
        onnx_inputs(session, table.drop(columns="b"))
    with pytest.raises(ValueError, match="reads columns by name, but X is a ndarray"):
        onnx_inputs(session, X)
    with pytest.raises(ValueError, match=r"Column 'a' was numeric in training.*'x' in row 0"):
        onnx_inputs(session, table.assign(a="x"))


def test_inputs_of_arrays(small):
    X, y = small
    session = session_of(to_onnx(booster().fit(X, y)))
    assert onnx_inputs(session, X)["X"].dtype == np.float32
    with pytest.raises(ValueError, match=r"shape \(n_samples, 3\), as in training, got \(300, 2\)"):
        onnx_inputs(session, X[:, :2])
    with pytest.raises(ValueError, match="sparse matrix"):
        onnx_inputs(session, sparse.csr_matrix(X))


def test_without_the_extra(small, monkeypatch):
    model = booster().fit(*small)
    monkeypatch.setattr("focaltab._optional.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'to_onnx needs onnx: pip install "focaltab\[onnx\]"'):
        to_onnx(model)


@pytest.mark.slow
def test_onnx_is_imported_when_it_is_needed():
    code = (
        "import sys, focaltab; print('focaltab.export' in sys.modules); import focaltab.export; "
        "print([m for m in ('onnx', 'onnxruntime', 'skl2onnx', 'torch', 'xgboost', 'lightgbm') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]
