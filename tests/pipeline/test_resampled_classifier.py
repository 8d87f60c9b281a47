"""Resampled training and probabilities for all rows, on data whose log-odds are known."""

import pickle

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler, TomekLinks
from scipy import sparse
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from focaltab import FocalLGBMClassifier
from focaltab.pipeline import ResampledClassifier


def failing(estimator):
    # Drawing is random: two copies of a row are drawn apart, a row of weight 2 is drawn or not.
    reason = "a row that is drawn once with weight 2 is not two rows that are drawn or not"
    if estimator.resampler == "over":
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@parametrize_with_checks(
    [ResampledClassifier(LogisticRegression(), random_state=0)], expected_failed_checks=failing
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [ResampledClassifier(GaussianNB(), "over", random_state=0)], expected_failed_checks=failing
)
def test_scikit_learn_with_over_sampling(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def known():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 2))
    log_odds = -4.5 + 1.2 * X[:, 0]
    return X, (rng.random(40_000) < expit(log_odds)).astype(int), log_odds


@pytest.mark.parametrize(
    "resampler",
    [
        "under",
        "over",
        RandomUnderSampler(sampling_strategy=0.2, random_state=0),
        RandomOverSampler(sampling_strategy=0.3, random_state=0),
    ],
)
def test_the_probabilities_are_those_of_all_rows(known, resampler):
    X, y, log_odds = known
    model = ResampledClassifier(LogisticRegression(C=1e6), resampler, random_state=0).fit(X, y)
    stated = model.predict_proba(X)[:, 1]
    assert stated.mean() == pytest.approx(y.mean(), rel=0.05)
    assert np.abs(logit(stated) - log_odds).mean() < 0.25
    raw = ResampledClassifier(LogisticRegression(C=1e6), resampler, correct=False, random_state=0)
    assert raw.fit(X, y).predict_proba(X)[:, 1].mean() > 5 * y.mean()
    shift = logit(raw.predict_proba(X)[:, 1]) - logit(stated)
    negative, positive = model.rates_
    np.testing.assert_allclose(shift, np.log(positive / negative), atol=1e-6)


def test_weights_go_along_with_drawn_rows_and_count_in_the_rates(known):
    X, y, _ = known
    weight = np.random.default_rng(1).exponential(size=y.size)
    model = ResampledClassifier(LogisticRegression(C=1e6), random_state=0)
    model.fit(X, y, sample_weight=weight)
    drawn = model.resampler_.sample_indices_
    direct = LogisticRegression(C=1e6).fit(X[drawn], y[drawn], sample_weight=weight[drawn])
    np.testing.assert_allclose(model.estimator_.coef_, direct.coef_)
    expected = weight[drawn][y[drawn] == 0].sum() / weight[y == 0].sum()
    assert model.rates_.tolist() == pytest.approx([expected, 1.0])
    share = np.average(y, weights=weight)
    assert np.average(model.predict_proba(X)[:, 1], weights=weight) == pytest.approx(share, rel=0.1)


def test_rows_without_weight_are_never_drawn(known):
    X, y, _ = known
    rows = slice(0, 3000)
    weight = np.where(np.arange(3000) % 3 == 0, 0.0, 1.0)
    model = ResampledClassifier(LogisticRegression(), random_state=0)
    model.fit(X[rows], y[rows], sample_weight=weight)
    kept = weight > 0
    alone = clone(model).fit(X[rows][kept], y[rows][kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(model.estimator_.coef_, alone.estimator_.coef_)


def test_weights_follow_the_rows_of_a_cleaning_sampler_but_not_rows_made_up(known):
    X, y, _ = known
    X, y, weight = X[:2000], y[:2000], np.linspace(0.5, 2.0, 2000)
    cleaned = ResampledClassifier(LogisticRegression(), TomekLinks()).fit(X, y, weight)
    kept = cleaned.resampler_.sample_indices_
    assert cleaned.n_resampled_ == kept.size < 2000
    np.testing.assert_allclose(
        cleaned.rates_[0], weight[kept][y[kept] == 0].sum() / weight[y == 0].sum()
    )
    smote = ResampledClassifier(LogisticRegression(), SMOTE(random_state=0))
    with pytest.raises(ValueError, match="SMOTE makes rows up, which have no sample_weight"):
        smote.fit(X, y, weight)
    assert smote.fit(X, y).predict_proba(X)[:, 1].mean() < 2 * y.mean()


def test_one_positive_only_and_frames_of_categories():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200), "b": pd.Categorical(rng.choice(["x", "y"], 200))})
    X.loc[::7, ["a", "b"]] = None
    y = np.array(["fine"] * 199 + ["fraud"])
    for resampler in ("over", RandomOverSampler(random_state=0)):
        model = ResampledClassifier(
            FocalLGBMClassifier(n_estimators=3, verbosity=-1, n_jobs=1), resampler, random_state=0
        ).fit(X, y)
        assert list(model.feature_names_in_) == ["a", "b"]
        assert model.estimator_.feature_name_ == ["a", "b"]
        assert model.rates_.tolist() == [1.0, 199.0]
        assert model.classes_.tolist() == ["fine", "fraud"]
        assert set(model.predict(X)) <= {"fine", "fraud"}
    with pytest.raises(ValueError, match=r"SMOTE cannot resample 199 rows of class .*and 1 of"):
        ResampledClassifier(LogisticRegression(), SMOTE()).fit(np.ones((200, 1)), y)


def test_sparse_rows_are_drawn_as_dense_ones(known):
    X, y, _ = known
    X, y = X[:4000], y[:4000]
    dense = ResampledClassifier(LogisticRegression(), random_state=0).fit(X, y)
    for kind in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix):
        model = ResampledClassifier(LogisticRegression(), random_state=0).fit(kind(X), y)
        np.testing.assert_allclose(model.predict_proba(kind(X)), dense.predict_proba(X), atol=1e-5)


def test_search_pickle_and_repetition(known):
    X, y, _ = known
    X, y = X[:6000], y[:6000]
    model = ResampledClassifier(LogisticRegression(), random_state=3)
    search = GridSearchCV(
        model,
        {"estimator__C": [1e-5, 1.0], "resampler": ["under", "over"]},
        cv=3,
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_["estimator__C"] == 1.0
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    repeated = clone(search.best_estimator_).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), repeated.predict_proba(X))


def test_validation_rows_are_not_resampled(known):
    X, y, _ = known

    def rows_and_positives(estimator, X, y):
        return {"rows": len(y), "mean": estimator.predict_proba(X)[:, 1].mean() / y.mean()}

    done = cross_validate(
        ResampledClassifier(LogisticRegression(), random_state=0),
        X,
        y,
        cv=4,
        scoring=rows_and_positives,
    )
    assert (done["test_rows"] == 10_000).all()
    np.testing.assert_allclose(done["test_mean"], 1.0, atol=0.25)


def test_a_refit_that_fails_changes_nothing(known):
    X, y, _ = known
    X, y = X[:2000], y[:2000]
    model = ResampledClassifier(LogisticRegression(), random_state=0).fit(X, y)
    before = model.predict_proba(X)
    model.set_params(resampler="sideways")
    with pytest.raises(ValueError, match="resampler must be 'under', 'over' or a sampler"):
        model.fit(X[:500], y[:500])
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize(
    "model, message",
    [
        (ResampledClassifier(Perceptron()), "Perceptron has no predict_proba"),
        (ResampledClassifier(LogisticRegression(), "both"), "'under', 'over' or a sampler"),
        (ResampledClassifier(LogisticRegression(), GaussianNB()), "have fit_resample"),
        (
            ResampledClassifier(LogisticRegression(), RandomUnderSampler(sampling_strategy=1e-3)),
            "RandomUnderSampler cannot resample 1[0-9]+ rows of class 0 and",
        ),
    ],
)
def test_bad_input(known, model, message):
    X, y, _ = known
    with pytest.raises(ValueError, match=message):
        model.fit(X[:2000], y[:2000])


def test_weights_that_cannot_be_used(known):
    X, y, _ = known
    X, y = X[:2000], y[:2000]
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        ResampledClassifier(KNeighborsClassifier()).fit(X, y, np.ones(2000))
    with pytest.raises(ValueError, match="zero in every row of class 1"):
        ResampledClassifier(LogisticRegression()).fit(X, y, 1.0 - y)


def test_weights_reach_the_last_step_of_a_scikit_learn_pipeline(known):
    X, y, _ = known
    weight = np.where(X[:, 1] > 0, 4.0, 1.0)
    alone = ResampledClassifier(LogisticRegression(), "over", random_state=0)
    inside = make_pipeline(FunctionTransformer(), LogisticRegression())
    nested = ResampledClassifier(inside, "over", random_state=0).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        nested.predict_proba(X), alone.fit(X, y, sample_weight=weight).predict_proba(X)
    )
    unweighted = clone(alone).fit(X, y).predict_proba(X)
    assert not np.allclose(nested.predict_proba(X), unweighted, atol=1e-3)
