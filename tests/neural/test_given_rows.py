"""A network that stops by rows of the caller's choice."""

import numpy as np
import pytest

from focaltab import FocalMLPClassifier
from focaltab._inputs import validation_rows
from focaltab.neural._given_rows import fit_on_given_rows


def data(n=800):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    y = np.zeros(n, dtype=int)
    y[np.argsort(X[:, 0] + rng.normal(size=n))[-n // 4 :]] = 1
    return X, y


def make(**parameters):
    options = {"hidden_layer_sizes": (16,), "max_iter": 12, "n_iter_no_change": 3}
    return FocalMLPClassifier(**{**options, "random_state": 0, **parameters})


def test_on_the_rows_that_fit_would_hold_out_it_is_fit():
    X, y = data()
    train, held = validation_rows(y, 0.1, 0)
    assert y[train].mean() == y.mean()
    by_itself = make(early_stopping=True).fit(X, y)
    epochs = []
    given = make()
    best = fit_on_given_rows(given, X[train], y[train], X[held], y[held], epochs.append)
    assert np.array_equal(given.predict_proba(X), by_itself.predict_proba(X))
    assert given.validation_scores_ == by_itself.validation_scores_
    assert given.validation_scores_[best - 1] == by_itself.best_validation_score_
    assert epochs == list(range(1, by_itself.n_iter_ + 1))


@pytest.mark.parametrize(
    "parameters, y_stop, message",
    [
        ({"sampler": "balanced"}, [0, 1], "sampler and class_weight=None"),
        ({"class_weight": "balanced"}, [0, 1], "sampler and class_weight=None"),
        ({"max_iter": 0}, [0, 1], "max_iter"),
        ({}, [0, 2], "label 2 in row 1"),
        ({}, [0, 0], "no row of class 1"),
        ({}, [0], "2 rows but y has 1"),
    ],
)
def test_what_it_cannot_train_on_is_refused(parameters, y_stop, message):
    X, y = data()
    with pytest.raises(ValueError, match=message):
        fit_on_given_rows(make(**parameters), X, y, X[:2], y_stop, lambda done: None)
