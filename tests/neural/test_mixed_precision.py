"""Hidden layers in bfloat16: the same model but for small differences."""

import copy
import pickle

import pytest

pytest.importorskip("torch")

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import average_precision_score

from focaltab import FocalMLPClassifier
from focaltab.neural._state import from_arrays, to_arrays

# Where the CPU cannot multiply bfloat16 these tests are of the fall-back to float32.
pytestmark = pytest.mark.filterwarnings("ignore:mixed_precision=True has no effect")


def make(**parameters):
    options = {
        "hidden_layer_sizes": (32, 16),
        "max_iter": 10,
        "learning_rate_init": 0.005,
        "random_state": 0,
        "numeric_embedding": None,
        "early_stopping": False,
        "mixed_precision": True,
    }
    return FocalMLPClassifier(**{**options, **parameters})


@pytest.fixture(scope="module")
def rare():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4))
    return X, (rng.random(4000) < expit(1.5 * X[:, 0] + X[:, 1] - 3.5)).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"link": "focal", "label_smoothing": 0.05},
        {"n_members": 3},
        {"numeric_embedding": "piecewise_linear", "dropout": 0.0},
        {"activation": "gelu", "optimizer": "sgd", "sampler": "balanced"},
    ],
    ids=str,
)
def test_probabilities_are_nearly_those_of_float32(parameters, rare):
    X, y = rare
    mixed = make(**parameters).fit(X, y)
    single = make(**parameters, mixed_precision=False).fit(X, y)
    one, other = mixed.predict_proba(X)[:, 1], single.predict_proba(X)[:, 1]
    assert np.abs(one - other).mean() < 0.1 * y.mean()
    assert one.mean() == pytest.approx(other.mean(), rel=0.05)
    assert average_precision_score(y, one) == pytest.approx(
        average_precision_score(y, other), abs=0.03
    )
    again = clone(mixed).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), mixed.predict_proba(X))
    # Weights, and so the model that is kept, are in float32.
    assert {p.dtype for p in mixed.network_.parameters()} == {torch.float32}


def test_any_table_and_labels(rare):
    X, y = rare
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.loc[::5, "a"] = np.nan
    frame["huge"] = np.where(X[:, 2] > 0, 1e300, -1e300)
    frame["kind"] = pd.Categorical(np.where(X[:, 0] > 0, "u", "v"))
    labels = np.array(["none", "some", "many"])[y + (X[:, 3] > 1)]
    weight = np.random.default_rng(1).random(y.size)
    model = make(early_stopping=True, max_iter=5).fit(frame, labels, sample_weight=weight)
    probability = model.predict_proba(frame)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, rtol=1e-6)
    shares = [np.average(labels == label, weights=weight) for label in model.classes_]
    np.testing.assert_allclose(np.average(probability, axis=0, weights=weight), shares, atol=0.05)


def test_training_goes_on_in_either_precision_and_models_are_kept(rare):
    X, y = rare
    model = make(warm_start=True, learning_rate="constant").fit(X, y)
    for again in (pickle.loads(pickle.dumps(model)), from_arrays(to_arrays(model))):
        assert again.mixed_precision is True
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        mixed = copy.deepcopy(again).partial_fit(X, y)
        single = copy.deepcopy(again).set_params(mixed_precision=False).partial_fit(X, y)
        np.testing.assert_allclose(mixed.predict_proba(X), single.predict_proba(X), atol=0.1)
    before = model.loss_curve_[0]
    assert model.fit(X, y).loss_curve_[0] < before


def test_one_batch_of_all_rows_stays_in_double(rare):
    X, y = rare
    whole = {"batch_size": 4000, "max_iter": 3}
    np.testing.assert_array_equal(
        make(**whole).fit(X, y).predict_proba(X),
        make(**whole, mixed_precision=False).fit(X, y).predict_proba(X),
    )


def test_without_units_for_bfloat16_training_is_in_float32(rare, monkeypatch):
    X, y = rare
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    with pytest.warns(UserWarning, match="mixed_precision=True has no effect"):
        model = make(device="cpu").fit(X, y)
    single = make(device="cpu", mixed_precision=False).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), single.predict_proba(X))


@pytest.mark.skipif(
    not getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False),
    reason="needs a CPU with AVX512_BF16",
)
def test_hidden_layers_are_in_bfloat16_while_they_train(rare):
    X, y = rare
    mixed = make(device="cpu").fit(X, y)
    single = make(device="cpu", mixed_precision=False).fit(X, y)
    assert mixed.loss_curve_ != single.loss_curve_
    with pytest.raises(ValueError, match="mixed_precision must be one of"):
        make(mixed_precision="bf16").fit(X, y)
