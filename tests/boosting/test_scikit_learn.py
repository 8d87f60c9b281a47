"""scikit-learn's own checks. None is skipped that the base class passes."""

import lightgbm as lgb
import pytest
import xgboost as xgb
from sklearn.utils.estimator_checks import check_estimator

from focaltab import FocalLGBMClassifier, FocalXGBClassifier

BASES = {
    FocalXGBClassifier: xgb.XGBClassifier(n_estimators=20),
    FocalLGBMClassifier: lgb.LGBMClassifier(verbosity=-1, n_estimators=20),
}


def failed_checks(estimator):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(results) > 40
    return {
        (r["check_name"], str(r["exception"])[:300]) for r in results if r["status"] == "failed"
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("link", ["logit", "focal"])
@pytest.mark.parametrize("focal", [FocalXGBClassifier, FocalLGBMClassifier])
def test_checks(focal, link):
    base = BASES[focal]
    allowed = {name for name, _ in failed_checks(base)}
    parameters = {"n_estimators": 20} | ({} if "XGB" in focal.__name__ else {"verbosity": -1})
    failed = failed_checks(focal(link=link, **parameters))
    assert {name: text for name, text in failed if name not in allowed} == {}
