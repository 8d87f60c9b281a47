"""The network where torch is installed, else a stand-in: the test that fits it is skipped."""

import importlib.util

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

if importlib.util.find_spec("torch"):
    from focaltab import FocalMLPClassifier
else:

    class FocalMLPClassifier(ClassifierMixin, BaseEstimator):
        def __init__(
            self,
            hidden_layer_sizes=(),
            *,
            max_iter=1,
            early_stopping=False,
            pos_label=None,
            random_state=None,
        ):
            self.hidden_layer_sizes = hidden_layer_sizes
            self.max_iter = max_iter
            self.early_stopping = early_stopping
            self.pos_label = pos_label
            self.random_state = random_state

        def fit(self, X, y, sample_weight=None):
            pytest.skip("torch is not installed")

        def predict_proba(self, X):
            raise AssertionError("fit skips the test")


__all__ = ["FocalMLPClassifier"]
