"""scikit-learn's own checks of the network; none is skipped."""

import pytest

pytest.importorskip("torch")

from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from focaltab import FocalMLPClassifier

# Dropout draws a mask for every row, so that two equal rows are not one row of weight two.
QUICK = {"max_iter": 30, "learning_rate_init": 0.01, "dropout": 0.0}
# What is learned matters to these alone; for all others three epochs say the same.
OF_WHAT_IS_LEARNED = ("check_classifiers_train", "check_sample_weight_equivalence")


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([FocalMLPClassifier((16,), **QUICK)])
def test_scikit_learn(estimator, check):
    if not check.func.__name__.startswith(OF_WHAT_IS_LEARNED):
        estimator = clone(estimator).set_params(max_iter=3)
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        FocalMLPClassifier((16,), link="focal", numeric_embedding=None, **QUICK),
        FocalMLPClassifier((16,), mixed_precision=True, numeric_embedding=None, **QUICK),
    ]
)
def test_scikit_learn_with_other_options(estimator, check):
    check(estimator)
