from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from focaltab._compat.skops import TRUSTED, owners_by_name

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2))
y = (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("name", sorted(TRUSTED))
def test_what_is_trusted_is_where_it_is_looked_for(name):
    home, _, own = name.rpartition(".")
    found = getattr(import_module(home), own)
    assert f"{found.__module__}.{found.__name__}" == name


def test_a_remainder_of_columns_can_be_saved():
    frame = pd.DataFrame(X, columns=["a", "b"])
    columns = ColumnTransformer([("one", "passthrough", ["b"])], remainder="drop").fit(frame)
    saved = skops.io.dumps(columns)
    untrusted = set(skops.io.get_untrusted_types(data=saved))
    assert untrusted <= TRUSTED
    again = skops.io.loads(saved, trusted=sorted(untrusted))
    np.testing.assert_array_equal(again.transform(frame), X[:, 1:])


def test_a_model_that_holds_itself_can_be_saved():
    with sklearn.config_context(enable_metadata_routing=True):
        linear = LogisticRegression().set_fit_request(sample_weight=True)
        scorer = make_scorer(f1_score).set_score_request(sample_weight=True)
        folds = GroupKFold(2).set_split_request(groups=True)
        held = [linear, scorer, folds]
        search = GridSearchCV(
            make_pipeline(FunctionTransformer(), linear),
            {"logisticregression__C": [0.1, 1.0]},
            scoring=scorer,
            cv=folds,
        ).fit(X, y, sample_weight=np.ones(60), groups=np.arange(60) % 4)
        before = [one._metadata_request.owner for one in held]
        with owners_by_name(search):
            saved = skops.io.dumps(search)
        assert all(one._metadata_request.owner is o for one, o in zip(held, before, strict=True))
        untrusted = set(skops.io.get_untrusted_types(data=saved))
        assert untrusted <= TRUSTED
        again = skops.io.loads(saved, trusted=sorted(untrusted))
        np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
        asked = again.best_estimator_[-1].get_metadata_routing().fit.requests
        assert asked["sample_weight"] is True


def test_owners_are_put_back_where_saving_fails():
    with sklearn.config_context(enable_metadata_routing=True):
        linear = LogisticRegression().set_fit_request(sample_weight=True)
    before = linear._metadata_request.owner
    with pytest.raises(RuntimeError, match="no room"), owners_by_name(linear):
        raise RuntimeError("no room")
    assert linear._metadata_request.owner is before
