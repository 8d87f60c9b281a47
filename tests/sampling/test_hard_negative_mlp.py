"""The network trained on hard negatives."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import log_loss

from focaltab import FocalMLPClassifier
from focaltab.neural._state import from_arrays, to_arrays
from focaltab.sampling import HardNegativeSampling

MLP = FocalMLPClassifier((32,), max_iter=20, dropout=0.0, random_state=0, device="cpu")


def rare(n_rows=40_000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 5))
    p = expit(1.5 * X[:, 0] + X[:, 1] - np.abs(X[:, 2]) - 5.5)
    return X, (rng.random(n_rows) < p).astype(int), p


@pytest.fixture(scope="module")
def data():
    return rare()


@pytest.mark.slow
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_few_rows_give_a_network_as_good_and_as_calibrated_as_all(data, early_stopping, gamma):
    X, y, _ = data
    X_new, y_new, p_new = rare(seed=1)
    plain = clone(MLP).set_params(focal_gamma=gamma, early_stopping=early_stopping)
    sampled = clone(plain).set_params(sampling="hard_negative", max_iter=60).fit(X, y)
    of_all = plain.fit(X, y).predict_proba(X_new)[:, 1]
    stated = sampled.predict_proba(X_new)[:, 1]
    assert sampled.sampling_.n_kept < 0.35 * len(y)
    assert plain.sampling_ is None
    assert log_loss(y_new, stated) < 1.04 * log_loss(y_new, of_all)
    # Stopped early, a network is still on its way to the mean.
    tolerance = 0.25 if early_stopping else 0.15
    assert stated.mean() == pytest.approx(p_new.mean(), rel=tolerance)


def test_text_missing_values_weights_and_labels(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["a"] = frame["a"].where(np.arange(len(y)) % 9 > 0)
    frame["kind"] = np.where(X[:, 1] > 0, "up", "down")
    labels = np.where(y == 1, "fraud", "good")
    weight = np.where(X[:, 0] > 0, 3.0, 1.0)
    sampled = clone(MLP).set_params(sampling="hard_negative", pos_label="fraud", max_iter=40)
    sampled.fit(frame, labels, weight)
    share = weight[y == 1].sum() / weight.sum()
    assert sampled.prevalence_ == pytest.approx(share, rel=0.05)  # of nine tenths of the rows
    mean = np.average(sampled.predict_proba(frame)[:, 0], weights=weight)
    assert mean == pytest.approx(share, rel=0.2)


def test_it_repeats_and_is_kept_without_pickle(data):
    X, y, _ = data
    sampled = clone(MLP).set_params(sampling=HardNegativeSampling(max_rows=3000), max_iter=3)
    first, again = (clone(sampled).fit(X, y) for _ in range(2))
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    loaded = from_arrays(to_arrays(first))
    assert np.array_equal(loaded.predict_proba(X), first.predict_proba(X))
    assert loaded.sampling.max_rows == 3000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sampler": "balanced"}, "both choose rows: set one"),
        ({"label_smoothing": 0.1}, "label_smoothing cannot be undone among sampled rows"),
        ({"link": "focal"}, "sampling needs link='logit'"),
    ],
)
def test_what_sampling_cannot_go_with_is_refused(data, changed, message):
    X, y, _ = data
    with pytest.raises(ValueError, match=message):
        clone(MLP).set_params(sampling="hard_negative", **changed).fit(X, y)


def test_partial_fit_does_not_sample(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"partial_fit takes rows as they come: set sampling=None"):
        clone(MLP).set_params(sampling="hard_negative").partial_fit(X, y, classes=[0, 1])
