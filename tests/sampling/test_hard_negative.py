"""Training on hard negatives: the model of all rows, from few of them."""

from __future__ import annotations

import pickle

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy import sparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.sampling import HardNegativeSampling

XGB = FocalXGBClassifier(n_estimators=60, max_depth=3, n_jobs=1, random_state=0)
LGBM = FocalLGBMClassifier(
    n_estimators=60, num_leaves=8, min_child_weight=1.0, reg_lambda=1.0, n_jobs=1, verbosity=-1,
    random_state=0,
)  # fmt: skip
BOTH = pytest.mark.parametrize("model", [XGB, LGBM], ids=["xgb", "lgbm"])


def rare(n_rows=60_000, seed=0):
    """Features, labels and their true probabilities; about 1 in 130 is positive."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6))
    p = expit(1.5 * X[:, 0] + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) - 7.8)
    return X, (rng.random(n_rows) < p).astype(int), p


@pytest.fixture(scope="module")
def data():
    return rare()


@pytest.fixture(scope="module")
def new_data():
    return rare(seed=1)


class Stated(ClassifierMixin, BaseEstimator):
    """A pilot that states what it is told to, by the first column."""

    def __init__(self, low=0.001, high=0.9, classes=(0, 1)):
        self.low, self.high, self.classes = low, high, classes

    def fit(self, X, y):
        self.classes_ = np.array(self.classes)
        return self

    def predict_proba(self, X):
        p = np.where(np.asarray(X)[:, 0] > 0, self.high, self.low)
        return np.stack([1.0 - p, p], axis=1)


@BOTH
def test_few_rows_give_a_model_as_good_and_as_calibrated_as_all(model, data, new_data):
    X, y, _ = data
    X_new, y_new, p_new = new_data
    on_all = clone(model).fit(X, y)
    on_few = clone(model).set_params(sampling="hard_negative").fit(X, y)
    assert on_few.sampling_.n_kept < 0.25 * len(y)
    assert on_all.sampling_ is None
    stated, of_all = (m.predict_proba(X_new)[:, 1] for m in (on_few, on_all))
    assert log_loss(y_new, stated) < 1.02 * log_loss(y_new, of_all)
    assert average_precision_score(y_new, stated) > 0.9 * average_precision_score(y_new, of_all)
    assert stated.mean() == pytest.approx(p_new.mean(), rel=0.12)
    # The probability of easy rows, of which 1 in 100 was seen, is right as well.
    easy = p_new < np.median(p_new)
    assert stated[easy].mean() == pytest.approx(of_all[easy].mean(), rel=0.5)


@BOTH
@pytest.mark.parametrize("gamma", [pytest.param(0.0, marks=pytest.mark.slow), 2.0])
def test_a_pilot_that_is_wrong_costs_no_calibration(model, gamma):
    """What is exact is the offset: whatever decides on acceptance, log-odds stay the true ones."""
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, size=(200_000, 2)).astype(float)
    rate = np.array([[0.03, 0.01], [0.002, 0.02]])[X[:, 0].astype(int), X[:, 1].astype(int)]
    y = rng.random(len(X)) < rate
    # Accepts all negatives where the first column is 1, and a fiftieth of the others.
    pilot = FrozenEstimator(Stated().fit(X, y))
    sampling = HardNegativeSampling(pilot, min_acceptance=0.02)
    fitted = clone(model).set_params(
        sampling=sampling, focal_gamma=gamma, n_estimators=300, reg_lambda=0.0
    )
    fitted.fit(X, y)
    for cell in ([0, 0], [0, 1], [1, 0], [1, 1]):
        observed = y[(cell == X).all(axis=1)].mean()
        stated = fitted.predict_proba(np.array([cell], dtype=float))[0, 1]
        # A fiftieth of 50,000 negatives leaves an error of 3% and that of the positives' count.
        assert stated == pytest.approx(observed, rel=0.12), cell


@BOTH
@pytest.mark.parametrize("gamma", [0.0, (2.0, 1.0)])
def test_accepting_every_negative_is_training_on_all_rows(model, gamma, data):
    X, y, _ = data
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    plain = clone(model).set_params(focal_gamma=gamma, focal_alpha="balanced", n_estimators=10)
    all_kept = HardNegativeSampling(min_acceptance=1.0)
    sampled = clone(plain).set_params(sampling=all_kept).fit(X, y, sample_weight=weight)
    plain.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(sampled.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    assert sampled.prevalence_ == pytest.approx(plain.prevalence_)


@BOTH
def test_weights_labels_and_the_first_class_positive(model, data):
    X, y, _ = data
    labels = np.where(y == 1, "fraud", "good")  # the first in sorted order is the rare one
    weight = np.where(X[:, 0] > 0, 3.0, 1.0)
    fitted = clone(model).set_params(sampling="hard_negative", pos_label="fraud")
    fitted.fit(X, labels, sample_weight=weight)
    assert fitted.classes_.tolist() == ["fraud", "good"]
    share = weight[y == 1].sum() / weight.sum()
    assert fitted.prevalence_ == pytest.approx(share)
    mean = np.average(fitted.predict_proba(X)[:, 0], weights=weight)
    assert mean == pytest.approx(share, rel=0.2)


@BOTH
def test_categories_missing_values_and_sparse(model, data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(6)])
    frame["x0"] = frame["x0"].where(np.arange(len(y)) % 7 > 0)
    frame["kind"] = pd.Categorical(np.where(X[:, 1] > 0, "a", "b")).set_categories(["a", "b", "c"])
    sampled = clone(model).set_params(sampling="hard_negative", n_estimators=20)
    of_frame = clone(sampled).fit(frame, y).predict_proba(frame)[:, 1]
    assert average_precision_score(y, of_frame) > 5 * y.mean()
    matrix = sparse.csr_matrix(np.where(X > 0.5, X, 0.0))
    of_matrix = clone(sampled).fit(matrix, y).predict_proba(matrix)[:, 1]
    assert average_precision_score(y, of_matrix) > 5 * y.mean()


@BOTH
def test_early_stopping_on_own_and_given_rows(model, data, new_data):
    X, y, _ = data
    X_new, y_new, _ = new_data
    sampled = clone(model).set_params(
        sampling="hard_negative", n_estimators=400, learning_rate=0.3, early_stopping_rounds=30
    )
    own = clone(sampled).set_params(refit=False).fit(X, y)
    given = clone(sampled)
    given.fit(X, y, eval_set=[(X_new[:20_000], y_new[:20_000])])
    for fitted in (own, given):
        booster = getattr(fitted, "booster_", None) or fitted.get_booster()
        rounds = getattr(fitted, "best_iteration_", None) or getattr(fitted, "best_iteration", 0)
        assert 0 < rounds < 399, booster
        assert average_precision_score(y_new, fitted.predict_proba(X_new)[:, 1]) > 10 * y_new.mean()
    # The ninth part is thinned as well, and never trained on.
    assert own.sampling_.n_rows == pytest.approx(0.9 * len(y), abs=2)
    by_folds = clone(sampled).set_params(early_stopping_folds=2, n_estimators=20).fit(X, y)
    assert by_folds.sampling_.n_rows == len(y)


@pytest.mark.parametrize(
    "pilot",
    [
        DecisionTreeClassifier(),
        *(pytest.param(k, marks=pytest.mark.slow) for k in (XGB, LogisticRegression())),
    ],
)
@BOTH
def test_a_pilot_that_memorises_its_rows_costs_no_calibration(model, pilot, data, new_data):
    X, y, _ = data
    X_new, _, p_new = new_data
    sampling = HardNegativeSampling(pilot, pilot_fraction=0.3)
    plain = clone(model).fit(X, y).predict_proba(X_new)[:, 1].mean()
    stated = clone(model).set_params(sampling=sampling).fit(X, y).predict_proba(X_new)[:, 1].mean()
    # A tree that scored what it was fitted on would make this 1.6.
    assert stated / p_new.mean() == pytest.approx(plain / p_new.mean(), abs=0.2)


@BOTH
def test_the_same_seed_repeats_and_another_does_not(model, data):
    X, y, _ = data
    sampled = clone(model).set_params(sampling="hard_negative", n_estimators=5)
    first, again = (clone(sampled).fit(X, y) for _ in range(2))
    other = clone(sampled).set_params(random_state=1).fit(X, y)
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    assert not np.array_equal(first.sampling_.rows, other.sampling_.rows)
    own = HardNegativeSampling(random_state=5)
    one, two = (
        clone(sampled).set_params(sampling=clone(own), random_state=k).fit(X, y) for k in (0, 1)
    )
    assert np.array_equal(one.sampling_.rows, two.sampling_.rows)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"negatives_per_positive": 5.0}, lambda n_positives: 6 * n_positives),
        ({"max_rows": 4000}, lambda n_positives: 4000),
    ],
)
def test_budgets_are_kept(budget, expected, data):
    X, y, _ = data
    sampling = HardNegativeSampling(min_acceptance=0.005, **budget)
    fitted = clone(XGB).set_params(sampling=sampling, n_estimators=5).fit(X, y)
    assert fitted.sampling_.n_kept == pytest.approx(expected(int(y.sum())), rel=0.06)
    assert set(np.flatnonzero(y)) <= set(fitted.sampling_.rows)


def test_a_budget_reaches_rows_of_which_the_pilot_is_sure(data):
    X, y, _ = data
    sampling = HardNegativeSampling(DecisionTreeClassifier(), max_rows=20_000)
    fitted = clone(XGB).set_params(sampling=sampling, n_estimators=2).fit(X, y)
    assert fitted.sampling_.n_kept == pytest.approx(20_000, rel=0.03)


@pytest.mark.parametrize(
    "pilot",
    [
        make_pipeline(StandardScaler(), LogisticRegression(class_weight={"fraud": 2, "good": 1})),
        FocalXGBClassifier(n_estimators=5, pos_label="fraud"),
        DecisionTreeClassifier(max_depth=4),  # seeded by the estimator
    ],
    ids=["pipeline", "focal", "tree"],
)
def test_any_classifier_can_be_the_pilot(pilot, data):
    X, y, _ = data
    labels = np.where(y == 1, "fraud", "good")
    sampling = HardNegativeSampling(pilot)
    sampled = clone(XGB).set_params(sampling=sampling, pos_label="fraud", n_estimators=20)
    first, again = (clone(sampled).fit(X, labels) for _ in range(2))
    assert first.sampling_.n_kept < 0.5 * len(y)
    assert first.predict_proba(X)[:, 0].mean() == pytest.approx(y.mean(), rel=0.2)
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))


def test_yesterdays_model_can_be_the_pilot(data, new_data):
    X, y, _ = data
    X_before, y_before, _ = new_data
    labels, labels_before = (np.where(part == 1, "fraud", "good") for part in (y, y_before))
    yesterday = clone(XGB).set_params(n_estimators=20, pos_label="fraud")
    frozen = FrozenEstimator(yesterday.fit(X_before, labels_before))
    today = clone(XGB).set_params(pos_label="fraud", n_estimators=20)
    today.set_params(sampling=HardNegativeSampling(frozen)).fit(X, labels)
    assert today.sampling_.n_kept < 0.25 * len(y)
    assert today.predict_proba(X)[:, 0].mean() == pytest.approx(y.mean(), rel=0.1)


@BOTH
@pytest.mark.parametrize("weights", [{"class_weight": "balanced"}, {"scale_pos_weight": 100.0}])
def test_class_weights_do_not_undo_the_sampling(model, weights, data):
    X, y, _ = data
    sampled = clone(model).set_params(sampling="hard_negative", **weights).fit(X, y)
    of_all = clone(model).set_params(**weights).fit(X, y)
    assert sampled.sampling_.n_kept < 0.25 * len(y)
    assert sampled.prevalence_ == pytest.approx(of_all.prevalence_)
    few, many = (m.predict_proba(X)[:, 1] for m in (sampled, of_all))
    assert few.mean() == pytest.approx(many.mean(), rel=0.25)


def test_the_scale_of_weights_does_not_matter_to_what_is_kept(data):
    X, y, _ = data
    sampled = clone(XGB).set_params(sampling="hard_negative", n_estimators=2)
    tiny = clone(sampled).fit(X, y, sample_weight=np.full(len(y), 1.0 / len(y)))
    assert np.array_equal(tiny.sampling_.rows, sampled.fit(X, y).sampling_.rows)


@BOTH
def test_few_rows_leave_enough_negatives(model):
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(-4, 0.1, (60, 1)), rng.normal(4, 0.1, (60, 1))]
    y = np.repeat([0, 1], 60)
    sampling = HardNegativeSampling(LogisticRegression(C=100))
    fitted = clone(model).set_params(sampling=sampling, reg_lambda=0.0).fit(X, y)
    assert fitted.sampling_.n_kept == 120
    assert fitted.predict_proba([[-4.0]])[0, 1] < 0.5 < fitted.predict_proba([[4.0]])[0, 1]


def test_a_metric_of_the_users_judges_all_held_out_rows(data):
    X, y, _ = data
    seen = []

    def metric(y_true, p, *args):
        seen.append(len(y_true))
        return ("own", average_precision_score(y_true, p), True)

    options = {"n_estimators": 3, "early_stopping_rounds": 2, "refit": False}
    sampled = clone(LGBM).set_params(sampling="hard_negative", **options)
    sampled.fit(X, y, eval_metric=metric)
    assert set(seen) == {len(y) // 10}
    seen.clear()
    own = clone(XGB).set_params(sampling="hard_negative", **options)
    own.set_params(eval_metric=lambda y_true, p: 1.0 - metric(y_true, p)[1]).fit(X, y)
    assert set(seen) == {len(y) // 10}


@BOTH
def test_a_margin_of_the_users_is_kept(model, data):
    """The booster learns what is left beside it, in the sampled as in the whole training set."""
    X, y, _ = data
    margin = 1.5 * X[:, 0] - 6.0
    name = "base_margin" if model is XGB else "init_score"
    sampled = clone(model).set_params(sampling="hard_negative")
    of_all = clone(model).fit(X, y, **{name: margin})
    of_few = sampled.fit(X, y, **{name: margin})

    def stated(fitted):
        if model is XGB:
            return fitted.predict_proba(X, base_margin=margin)[:, 1]
        return expit(fitted.booster_.predict(X, raw_score=True) + margin)

    assert log_loss(y, stated(of_few)) < 1.1 * log_loss(y, stated(of_all))
    assert stated(of_few).mean() == pytest.approx(y.mean(), rel=0.2)


def test_model_files_need_neither_offset_nor_focaltab(data, tmp_path):
    X, y, _ = data
    by_xgboost = clone(XGB).set_params(sampling="hard_negative").fit(X, y)
    by_xgboost.save_model(tmp_path / "model.json")
    loaded = xgboost.Booster(model_file=tmp_path / "model.json").predict(xgboost.DMatrix(X))
    np.testing.assert_allclose(loaded, by_xgboost.predict_proba(X)[:, 1], atol=1e-6)
    by_lightgbm = clone(LGBM).set_params(sampling="hard_negative").fit(X, y)
    by_lightgbm.booster_.save_model(tmp_path / "model.txt")
    loaded = lightgbm.Booster(model_file=tmp_path / "model.txt").predict(X, raw_score=True)
    np.testing.assert_allclose(expit(loaded), by_lightgbm.predict_proba(X)[:, 1], atol=1e-6)


@BOTH
def test_it_is_cloned_pickled_and_searched_like_any_parameter(model, data):
    X, y, _ = data
    sampled = clone(model).set_params(sampling=HardNegativeSampling(), n_estimators=5)
    search = GridSearchCV(
        sampled, {"sampling__acceptance_factor": [1.0, 500.0]}, cv=2, scoring="average_precision"
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and scores[0] != scores[1]
    best = search.best_estimator_
    assert best.sampling.acceptance_factor == search.best_params_["sampling__acceptance_factor"]
    few, many = (
        clone(sampled).set_params(sampling__acceptance_factor=factor).fit(X, y).sampling_.n_kept
        for factor in (1.0, 500.0)
    )
    assert many > 2 * few
    with pytest.raises(ValueError, match="set sampling=HardNegativeSampling"):
        clone(model).set_params(sampling__acceptance_factor=5.0)
    again = pickle.loads(pickle.dumps(best))
    assert np.array_equal(again.predict_proba(X), best.predict_proba(X))
    assert again.sampling_.n_kept == best.sampling_.n_kept


@BOTH
@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ("easy", "sampling must be None, 'hard_negative' or a HardNegativeSampling"),
        (HardNegativeSampling(pilot_fraction=0.0), r"pilot_fraction must lie in \(0, 1\]"),
        (HardNegativeSampling(min_acceptance=2.0), r"min_acceptance must lie in \(0, 1\]"),
        (HardNegativeSampling(acceptance_factor=-1.0), "acceptance_factor must be positive"),
        (HardNegativeSampling(acceptance_factor=None), "acceptance_factor must be positive"),
        (HardNegativeSampling(max_rows=0), "max_rows must be a whole number of at least 1"),
        (HardNegativeSampling(max_rows=9, negatives_per_positive=1), "both a budget: set one"),
        (HardNegativeSampling(max_rows=1000), "lower min_acceptance=0.02, or raise the budget"),
        (HardNegativeSampling(negatives_per_positive=0.5), "an acceptance of at least .* keeps"),
        (HardNegativeSampling(LogisticRegression), "pilot must be a classifier"),
        (HardNegativeSampling(Stated(high=np.nan)), "probability of row .* is no number"),
        (
            HardNegativeSampling(FrozenEstimator(Stated(classes=("a", "b")).fit([[0]], [0]))),
            "the pilot knows the classes",
        ),
        (
            HardNegativeSampling(make_pipeline(StandardScaler(), FrozenEstimator(Stated()))),
            "put the whole fitted pilot into FrozenEstimator",
        ),
        (HardNegativeSampling(FrozenEstimator(LogisticRegression())), "not fitted yet"),
        (np.array(["hard_negative"]), "sampling must be None"),
    ],
)
def test_a_sampling_that_cannot_be_is_refused(model, sampling, message, data):
    X, y, _ = data
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(sampling=sampling, n_estimators=2).fit(X, y)


@BOTH
def test_what_sampling_cannot_go_with_is_refused(model, data):
    X, y, _ = data
    sampled = clone(model).set_params(sampling="hard_negative", n_estimators=2)
    with pytest.raises(ValueError, match=r"needs at least 25 positives .* there are 7"):
        sampled.fit(X[:1000], (np.arange(1000) < 7).astype(int))
    with pytest.raises(ValueError, match="for two classes, but y has 3"):
        sampled.fit(X, np.arange(len(y)) % 3)
    with pytest.raises(ValueError, match="sampling needs link='logit'"):
        clone(sampled).set_params(link="focal").fit(X, y)
    short = {"base_margin" if model is XGB else "init_score": np.zeros(len(y) - 1)}
    with pytest.raises(ValueError, match="must have one margin for each row"):
        sampled.fit(X, y, **short)
    fitted = clone(model).set_params(n_estimators=2).fit(X, y)
    name = "xgb_model" if model is XGB else "init_model"
    with pytest.raises(ValueError, match="cannot go with a model to continue"):
        sampled.fit(X, y, **{name: fitted})
