"""scikit-learn's own checks. None is skipped that the base class passes."""

import lightgbm as lgb
import pytest
import xgboost as xgb
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from focaltab import FocalLGBMClassifier, FocalXGBClassifier

# What remains of the libraries' own failures; `test_the_base_class_fails_them_too` holds us to it.
EXPECTED_FAILURES = {
    FocalXGBClassifier: {
        "check_sample_weight_equivalence_on_dense_data": "XGBoost's histogram bins know weights",
        "check_sample_weight_equivalence_on_sparse_data": "XGBoost's histogram bins know weights",
    },
    FocalLGBMClassifier: {},
}
BASES = {
    FocalXGBClassifier: xgb.XGBClassifier(n_estimators=20),
    FocalLGBMClassifier: lgb.LGBMClassifier(n_estimators=20),
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        FocalXGBClassifier(n_estimators=20),
        FocalXGBClassifier(n_estimators=20, link="focal"),
        FocalLGBMClassifier(n_estimators=20),
        FocalLGBMClassifier(n_estimators=20, link="focal"),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES[type(estimator)],
    xfail_strict=True,
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("focal", EXPECTED_FAILURES)
def test_the_base_class_fails_them_too(focal):
    results = check_estimator(BASES[focal], on_fail=None, on_skip=None)
    failed = {r["check_name"] for r in results if r["status"] == "failed"}
    assert set(EXPECTED_FAILURES[focal]) <= failed
