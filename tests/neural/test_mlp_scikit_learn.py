"""scikit-learn's own checks of the network; none is skipped."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from focaltab import FocalMLPClassifier

# Dropout draws a mask for every row, so that two equal rows are not one row of weight two.
QUICK = {"max_iter": 30, "learning_rate_init": 0.01, "dropout": 0.0}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        FocalMLPClassifier((16,), **QUICK),
        FocalMLPClassifier((16,), link="focal", numeric_embedding=None, **QUICK),
        FocalMLPClassifier((16,), mixed_precision=True, numeric_embedding=None, **QUICK),
    ]
)
def test_scikit_learn(estimator, check):
    check(estimator)
