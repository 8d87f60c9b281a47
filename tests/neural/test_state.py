"""A network taken apart into arrays and put together again."""

import io
import json

import pytest

pytest.importorskip("torch")

import numpy as np
import pandas as pd
import torch

from focaltab import FocalMLPClassifier
from focaltab.losses import ClassBalanced
from focaltab.neural._state import from_arrays, to_arrays


def table(n=600, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "few": rng.integers(0, 3, n),
            "fixed": 1.0,
            "city": pd.Categorical(rng.choice(["Oslo", "Rome", "Bonn"], n)),
            "code": pd.Categorical(rng.choice([7, 8, 9], n)),
            "word": rng.choice(["a", None, "b"], n),
        }
    )


def labels(n=600):
    return np.where(np.arange(n) % 4 == 0, "fraud", "fine")


def through_a_file(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as read:
        return dict(read)


def make(**parameters):
    options = {"hidden_layer_sizes": (8, 4), "max_iter": 3, "random_state": 0}
    return FocalMLPClassifier(**{**options, **parameters})


CASES = {
    "plain": {"numeric_embedding": None},
    "members": {"n_members": 3},
    "piecewise": {"numeric_embedding": "piecewise_linear"},
    "periodic": {"numeric_embedding": "periodic", "n_members": 2},
    "balanced": {"sampler": "balanced", "focal_alpha": {"fraud": 2.0, "fine": 1.0}},
    "flipped": {"pos_label": "fine", "focal_gamma": (1.0, 3.0), "focal_alpha": ClassBalanced(0.9)},
    "focal link": {"link": "focal", "label_smoothing": 0.1, "activation": "gelu"},
    "whole batch": {"batch_size": 600, "random_state": np.random.RandomState(0)},
    "no layers": {"hidden_layer_sizes": ()},
    "one layer": {"hidden_layer_sizes": np.array([8])},
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_probabilities_bit_for_bit(case):
    model = make(**CASES[case]).fit(table(), labels())
    arrays = to_arrays(model)
    assert all(values.dtype.kind in "fiub" for values in arrays.values())
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    again = from_arrays(through_a_file(arrays))
    assert torch.equal(torch.random.get_rng_state(), before)
    new = table(seed=1)
    new.loc[:5, "word"] = "unseen"
    assert np.array_equal(again.predict_proba(new), model.predict_proba(new))
    assert again.predict(new).tolist() == model.predict(new).tolist()
    assert again.feature_names_in_.tolist() == list(new.columns)
    assert (again.n_iter_, again.prevalence_) == (model.n_iter_, model.prevalence_)
    assert again.get_params()["focal_alpha"] == model.get_params()["focal_alpha"]
    with pytest.raises(ValueError, match="feature names"):
        again.predict_proba(new.rename(columns={"few": "many"}))


def test_several_classes_of_numbers_without_names():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), np.arange(300) % 3 + 5
    model = make(sampler="balanced").fit(X, y)
    again = from_arrays(through_a_file(to_arrays(model)))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.predict(X).dtype == y.dtype
    assert not hasattr(again, "feature_names_in_")


def test_a_bin_count_of_its_own_for_each_column():
    model = make(numeric_embedding="piecewise_linear").fit(table()[["amount", "few"]], labels())
    again = from_arrays(to_arrays(model))
    new = table(seed=1)[["amount", "few"]]
    assert np.array_equal(again.predict_proba(new), model.predict_proba(new))


def changed(arrays, **change):
    state = json.loads(arrays["state"].tobytes()) | change
    return arrays | {"state": np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)}


def test_broken_arrays_give_one_clear_error():
    arrays = to_arrays(make().fit(table(), labels()))
    from_arrays(arrays)
    broken = [{name: v for name, v in arrays.items() if name != left} for left in arrays]
    broken += [
        arrays | {"network.more": np.zeros(1)},
        arrays | {"network.output.bias": np.full(1, np.nan, dtype=np.float32)},
        arrays | {"network.output.bias": np.zeros(2, dtype=np.float32)},
        arrays | {"network.output.bias": np.array(["text"])},
        arrays | {"state": np.frombuffer(b"{", dtype=np.uint8)},
        arrays | {"state": np.frombuffer(b"[]", dtype=np.uint8)},
        arrays | {"centre": np.zeros(1)},
        arrays | {"scale": np.full(3, np.inf)},
        arrays | {"moving": np.array([0, 9])},
        arrays | {"gaps": np.array([-1])},
        arrays | {"number_columns": np.array([0, 1])},
        arrays | {"bin_edges": np.zeros_like(arrays["bin_edges"])},
        arrays | {"bin_edges": arrays["bin_edges"][:-1]},
        arrays | {"bin_counts": np.ones_like(arrays["bin_counts"])},
        changed(arrays, format=2),
        changed(arrays, n_features=4),
        changed(arrays, categories={}),
        changed(arrays, feature_names=None, labels=["one"]),
        changed(arrays, feature_names={"array": ["a"]}),
        changed(arrays, log_prior_shift={"array": [0.0]}),
        changed(arrays, parameters={"hidden_layers": 3}),
    ]
    for case in broken:
        with pytest.raises(ValueError, match="no whole FocalMLPClassifier"):
            from_arrays(case)


def test_what_no_file_can_hold_is_named():
    model = make().fit(table(), labels())
    model.set_params(class_weight={"fraud": object()})
    with pytest.raises(ValueError, match=r"class_weight .* is neither text nor a number"):
        to_arrays(model)
