"""``FocalEnsembleClassifier`` through its public names."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, get_scorer, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.ensemble import FocalEnsembleClassifier, default_members
from focaltab.metrics import FewRowsWarning
from focaltab.pipeline import make_pipeline as table_pipeline


def _members():
    return {
        "booster": FocalXGBClassifier(n_estimators=15, n_jobs=1),
        "linear": LogisticRegression(),
        "forest": RandomForestClassifier(20, min_samples_leaf=3),
    }


def _table(n=800, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "amount": rng.gamma(1.0, 80.0, n),
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(40, 10, n)),
            "country": pd.Categorical(rng.choice(["FR", "NO", "SE"], n)),
        }
    )
    f = -4.5 + X["amount"] / 60 + (X["country"] == "NO") * 1.5
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-f)), "fraud", "fine")
    return X, y


@parametrize_with_checks(
    [
        FocalEnsembleClassifier(
            {"linear": LogisticRegression(), "bayes": GaussianNB()}, cv=2, n_bags=2, n_rounds=3
        )
    ],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "folds are drawn over rows, not weights",
        "check_sample_weight_equivalence_on_sparse_data": "folds are drawn over rows, not weights",
    },
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_mixed_table_with_text_labels_beats_the_prior_and_repeats():
    X, y = _table()
    test, truth = _table(seed=1)
    model = FocalEnsembleClassifier(_members(), random_state=0).fit(X, y)
    p = model.predict_proba(test)
    assert model.classes_.tolist() == ["fine", "fraud"]
    positive = truth == "fraud"
    assert average_precision_score(positive, p[:, 1]) > 3 * positive.mean()
    prior = np.full(positive.size, (y == "fraud").mean())
    assert log_loss(positive, p[:, 1]) < 0.95 * log_loss(positive, prior)
    assert p[:, 1].mean() == pytest.approx(positive.mean(), rel=0.3)
    again = clone(model).fit(X, y).predict_proba(test)
    np.testing.assert_array_equal(p, again)


@pytest.mark.slow
def test_members_fitted_in_other_processes_are_the_same():
    X, y = _table()
    model = FocalEnsembleClassifier(_members(), random_state=0)
    # In other processes BLAS has other numbers of threads.
    np.testing.assert_allclose(
        clone(model).set_params(n_jobs=2).fit(X, y).predict_proba(X),
        model.fit(X, y).predict_proba(X),
        rtol=1e-6,
    )


def test_shares_sum_to_one_and_probabilities_are_their_average():
    X, y = _table()
    model = FocalEnsembleClassifier(_members(), random_state=0).fit(X, y)
    assert sum(model.weights_.values()) == pytest.approx(1.0)
    assert set(model.members_) == set(model.weights_)
    assert model.out_of_fold_["weight"].sum() == pytest.approx(1.0)
    assert (model.out_of_fold_["average_precision"] > (y == "fraud").mean()).all()


def test_a_useless_member_gets_little():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = X[:, 0] + 0.5 * rng.normal(size=2000) > 1.5

    class Noise(LogisticRegression):
        def predict_proba(self, X):
            p = np.random.default_rng(0).random(len(X))
            return np.stack([1 - p, p], axis=1)

    model = FocalEnsembleClassifier(
        {"noise": Noise(), "linear": LogisticRegression(), "linear2": LogisticRegression(C=0.1)},
        random_state=0,
        n_bags=20,
    ).fit(X, y)
    assert model.weights_.get("noise", 0.0) < 0.1


def test_pos_label_keeps_the_columns_in_order():
    X, y = _table()
    flipped = np.where(y == "fraud", "a_fraud", "fine")
    model = FocalEnsembleClassifier(_members(), pos_label="a_fraud", random_state=0).fit(X, flipped)
    other = FocalEnsembleClassifier(_members(), random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["a_fraud", "fine"]
    np.testing.assert_allclose(model.predict_proba(X)[:, 0], other.predict_proba(X)[:, 1])


def test_a_common_positive_class_is_pointed_out_once_by_its_own_name():
    X, y = _table()
    labels = np.where(y == "fraud", "bad", "ok")
    labels[np.flatnonzero(labels == "bad")[20:]] = "ok"
    with pytest.warns(UserWarning, match="set pos_label='bad'") as told:
        FocalEnsembleClassifier(_members(), cv=2, random_state=0).fit(X, labels)
    assert sum("positive class" in str(w.message) for w in told) == 1


def test_a_member_that_fails_is_reported_and_left_out():
    X, y = _table()
    members = {**_members(), "broken": FocalLGBMClassifier(focal_gamma=-1.0)}
    model = FocalEnsembleClassifier(members, random_state=0)
    with pytest.warns(FitFailedWarning, match=r"'broken' could not be fitted.*gamma"):
        model.fit(X, y)
    assert "broken" not in model.members_
    assert "gamma" in model.failures_["broken"]
    only = FocalEnsembleClassifier({"broken": FocalLGBMClassifier(focal_gamma=-1.0)})
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match=r"No member.*gamma"):
        only.fit(X, y)


def test_one_positive_row_averages_alike():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.zeros(60, int)
    y[7] = 1
    model = FocalEnsembleClassifier(
        {"linear": LogisticRegression(), "bayes": GaussianNB()}, random_state=0
    )
    with pytest.warns(FewRowsWarning, match="single row"):
        model.fit(X, y)
    assert model.weights_ == {"linear": 0.5, "bayes": 0.5}
    p = model.predict_proba(X)
    assert np.isfinite(p).all() and p[7, 1] == p[:, 1].max()


def test_two_positive_rows_are_enough_for_folds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.zeros(60, int)
    y[[7, 30]] = 1
    model = FocalEnsembleClassifier({"linear": LogisticRegression()}, random_state=0).fit(X, y)
    assert len(model.out_of_fold_) == 1


def test_time_budget_tries_the_first_member_only():
    X, y = _table()
    model = FocalEnsembleClassifier(_members(), time_budget=1e-9, random_state=0).fit(X, y)
    assert list(model.weights_) == ["booster"]
    assert model.not_tried_ == ["linear", "forest"]


@pytest.fixture(scope="module")
def many():
    """Rows enough to be tried on fewer of them, with 2 positives in a hundred."""
    X, y = _table(30_000)
    rare = np.flatnonzero(y == "fraud")[::6]
    rows = np.sort(np.append(np.flatnonzero(y == "fine"), rare))
    return X.iloc[rows].reset_index(drop=True), y[rows]


def test_what_there_is_no_time_for_is_fitted_on_fewer_rows_and_put_right(many, tmp_path):
    X, y = many
    share = (y == "fraud").mean()
    assert 0.01 < share < 0.05
    members = {"linear": LogisticRegression(), "booster": _members()["booster"]}
    weight = np.where(X["country"] == "NO", 2.0, 1.0)
    for options in ({}, {"sample_weight": weight}):
        model = FocalEnsembleClassifier(
            members, time_budget=1e-9, pos_label="fraud", random_state=0
        ).fit(X, y, **options)
        assert model.out_of_fold_["rows"].tolist() == [10_000]
        assert list(model.members_) == ["linear"]
        assert model.members_["linear"].n_resampled_ == pytest.approx(10_000, rel=0.01)
        stated = model.predict_proba(X)[:, 1 - list(model.classes_).index("fine")]
        own = options.get("sample_weight")
        expected = np.average(y == "fraud", weights=own)
        assert np.average(stated, weights=own) == pytest.approx(expected, rel=0.02)
    focaltab.save(model, tmp_path / "m")
    np.testing.assert_allclose(
        focaltab.load(tmp_path / "m").predict_proba(X[:500]), model.predict_proba(X[:500])
    )


def test_with_time_the_best_members_are_fitted_on_all_rows(many):
    X, y = many
    members = {"linear": LogisticRegression(), "constant": DummyClassifier(strategy="prior")}
    model = FocalEnsembleClassifier(members, time_budget=600, random_state=0).fit(X, y)
    assert model.out_of_fold_.loc["linear", "rows"] == len(y)
    assert model.not_tried_ == []
    alone = FocalEnsembleClassifier({"linear": members["linear"]}, cv=3, random_state=0).fit(X, y)
    assert model.out_of_fold_.loc["linear", "log_loss"] == pytest.approx(
        alone.out_of_fold_.loc["linear", "log_loss"], rel=0.01
    )


def test_the_cheapest_default_members_come_first():
    X, y = _table(200)
    model = FocalEnsembleClassifier(time_budget=1e-9, random_state=0).fit(X, y)
    assert list(model.members_) == ["logistic"]
    assert model.not_tried_[-1] in ("mlp", "focal_mlp_gamma2", "extra_trees")
    assert set(model.not_tried_) == set(default_members()) - {"logistic"}


def test_weights_move_the_probabilities():
    X, y = _table()
    model = FocalEnsembleClassifier(_members(), random_state=0)
    plain = model.fit(X, y).predict_proba(X)[:, 1].mean()
    weight = np.where(y == "fraud", 5.0, 1.0)
    heavy = model.fit(X, y, sample_weight=weight).predict_proba(X)[:, 1].mean()
    assert heavy > 1.8 * plain


def test_sparse_input():
    rng = np.random.default_rng(0)
    X = sparse.random_array((400, 10), density=0.3, random_state=rng, format="csr")
    y = X[:, [0]].toarray().ravel() + 0.2 * rng.random(400) > 0.6
    members = {"booster": FocalXGBClassifier(n_estimators=10), "linear": LogisticRegression()}
    model = FocalEnsembleClassifier(members, random_state=0).fit(X, y)
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.8


@pytest.mark.slow
def test_default_members_fit_a_mixed_table():
    pytest.importorskip("torch")
    X, y = _table(300)
    model = FocalEnsembleClassifier(cv=2, n_bags=2, n_rounds=4, random_state=0).fit(X, y)
    assert not model.failures_
    assert set(model.out_of_fold_.index) == set(default_members())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": {}}, "members must be a dict"),
        ({"members": {"a": object()}}, r"members\['a'\] must be a classifier"),
        ({"cv": 1}, "cv must be a whole number of at least 2"),
        ({"n_bags": 0}, "n_bags"),
        ({"time_budget": -1.0}, "time_budget must be a positive"),
        ({"pos_label": "stranger"}, "pos_label='stranger'"),
    ],
)
def test_unusable_parameters_are_named(options, message):
    X, y = _table(100)
    given = {"members": _members(), **options}
    with pytest.raises(ValueError, match=message):
        FocalEnsembleClassifier(**given).fit(X, y)


def test_unusable_targets_are_named():
    X, _ = _table(90)
    model = FocalEnsembleClassifier(_members())
    with pytest.raises(ValueError, match="binary"):
        model.fit(X, np.arange(90) % 3)
    with pytest.raises(ValueError, match="one class"):
        model.fit(X, np.zeros(90, int))


def test_members_that_name_labels_are_kept():
    X, y = _table()
    flipped = np.where(y == "fraud", "a_fraud", "fine")
    members = {
        "booster": FocalXGBClassifier(n_estimators=5, n_jobs=1, pos_label="a_fraud"),
        "linear": LogisticRegression(class_weight={"a_fraud": 5.0, "fine": 1.0}),
    }
    model = FocalEnsembleClassifier(members, cv=2, pos_label="a_fraud", random_state=0)
    model.fit(X, flipped)
    assert not model.failures_
    linear = model.members_.get("linear")
    assert linear is None or linear[-1].class_weight == {0: 5.0, 1: 1.0}


@pytest.mark.parametrize("pos_label", [None, "fraud", "legit"])
@pytest.mark.parametrize(
    "member",
    [
        FocalXGBClassifier(n_estimators=9, pos_label="fraud", scale_pos_weight=20.0),
        FocalXGBClassifier(n_estimators=9, pos_label="fraud", focal_gamma=(0.0, 4.0)),
        FocalLGBMClassifier(n_estimators=9, focal_alpha=[0.1, 0.9], verbosity=-1),
        GaussianNB(priors=[0.05, 0.95]),
        RandomForestClassifier(20, class_weight={"fraud": 10, "legit": 1}),
    ],
    ids=["weight", "gammas", "alphas", "priors", "class weight"],
)
def test_what_members_are_told_of_classes_keeps_its_meaning(member, pos_label):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = np.where(X[:, 0] + rng.normal(size=600) > 1.5, "fraud", "legit")
    if "random_state" in member.get_params():
        member = clone(member).set_params(random_state=0)
    model = FocalEnsembleClassifier({"one": member}, pos_label=pos_label, random_state=0)
    model.fit(X, y)
    own, alone = model.members_["one"], clone(member).fit(X, y)
    # Of one member, before its calibration.
    np.testing.assert_allclose(own.predict_proba(X), alone.predict_proba(X), rtol=1e-5)
    assert model.predict_proba(X)[y == "fraud", 0].mean() > model.predict_proba(X)[:, 0].mean()


def test_a_pipeline_of_text_reads_what_no_other_member_could():
    rng = np.random.default_rng(0)
    y = rng.random(400) < 0.2
    words = rng.choice(["wire", "gift", "card", "rent"], (400, 3))
    notes = [
        " ".join([*three, "urgent" if v else "", str(k)])
        for k, (three, v) in enumerate(zip(words, y, strict=True))
    ]
    X = pd.DataFrame({"note": notes})
    text = make_pipeline(
        make_column_transformer((TfidfVectorizer(), "note")), LogisticRegression(C=100.0)
    )
    model = FocalEnsembleClassifier({"text": text}, random_state=0).fit(X, y)
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.9


def test_a_pipeline_gets_the_table_as_it_is():
    X, y = _table()
    own = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["country"])), LogisticRegression()
    )
    model = FocalEnsembleClassifier({"own": own}, cv=2, random_state=0).fit(X, y)
    assert not model.failures_


def test_rows_without_weight_say_nothing():
    X, y = _table()
    kept = np.arange(len(y)) % 3 > 0
    model = FocalEnsembleClassifier(_members(), cv=2, random_state=0)
    whole = model.fit(X, y, sample_weight=kept.astype(float)).predict_proba(X)
    part = clone(model).fit(X[kept], y[kept], sample_weight=np.ones(kept.sum())).predict_proba(X)
    np.testing.assert_array_equal(whole, part)


def test_a_failed_fit_leaves_the_old_model_whole():
    X, y = _table()
    model = FocalEnsembleClassifier({"linear": LogisticRegression()}, cv=2, random_state=0)
    before = model.fit(X, y).predict_proba(X)
    with pytest.raises(ValueError):
        model.fit(pd.DataFrame({"id": [f"u{i}" for i in range(len(y))]}), y)
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_weights_reach_the_last_step_of_a_scikit_learn_pipeline():
    """Weights of whole numbers are repeated rows to what is fitted on all rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = (X[:, 0] + rng.normal(size=400) > 1.5).astype(int)
    heavy = np.where(X[:, 1] > 0, 5.0, 1.0)
    member = make_pipeline(StandardScaler(), LogisticRegression())
    ensemble = FocalEnsembleClassifier({"linear": member}, random_state=0)
    weighted = ensemble.fit(X, y, sample_weight=heavy).members_["linear"]
    plain = clone(ensemble).fit(X, y).members_["linear"]
    assert not ensemble.failures_
    alone = clone(member).fit(X, y, logisticregression__sample_weight=heavy)
    np.testing.assert_allclose(weighted.predict_proba(X), alone.predict_proba(X))
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X))


def test_two_columns_of_one_name_are_refused():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match="'a' stands more than once"):
        FocalEnsembleClassifier(_members()).fit(X, np.arange(60) % 2)


@pytest.mark.parametrize(
    "threshold", ["f1", pytest.param("balanced_accuracy", marks=pytest.mark.slow)]
)
def test_members_may_tune_the_threshold_of_a_label(threshold):
    X, y = _table()
    member = table_pipeline(LogisticRegression(), threshold=threshold, pos_label="fraud")
    model = FocalEnsembleClassifier({"tuned": member}, cv=2, random_state=0).fit(X, y)
    assert not model.failures_


def test_progress_is_shown_on_stderr_when_asked(capfd):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] > 1).astype(int)
    # A name is no markup, whatever brackets it has.
    model = FocalEnsembleClassifier({"linear [/b]": LogisticRegression(), "b": GaussianNB()}, cv=2)
    model.fit(X, y)
    assert capfd.readouterr() == ("", "")
    model.set_params(verbose=1).fit(X, y)
    shown = capfd.readouterr()
    assert shown.out == "" and "2/2" in shown.err


@pytest.mark.parametrize(
    "scoring",
    [
        "average_precision",
        ["average_precision", "roc_auc"],
        {"average_precision": get_scorer("average_precision")},
    ],
)
def test_members_that_search_go_by_the_positive_label(scoring):
    X, y = _table(600)
    X = X[["amount"]]
    rare = "fraud" if (y == "fraud").mean() < 0.5 else "fine"
    refit = "average_precision" if not isinstance(scoring, str) else True
    grid = {"max_depth": [1, 2, 4]}
    tree = DecisionTreeClassifier(random_state=0)
    search = GridSearchCV(tree, grid, scoring=scoring, refit=refit, cv=3)
    found = {}
    for name in ("a", "z"):  # sorts first, then last
        labels = np.where(y == rare, f"{name}fraud", "fine")
        model = FocalEnsembleClassifier(
            {"tree": search}, cv=2, random_state=0, pos_label=f"{name}fraud"
        ).fit(X, labels)
        found[name] = model.members_["tree"][-1].cv_results_
    figure = "mean_test_score" if isinstance(scoring, str) else "mean_test_average_precision"
    np.testing.assert_allclose(found["a"][figure], found["z"][figure])


def test_a_weight_that_would_go_to_the_other_class_is_refused():
    X, y = _table(300)
    labels = np.where(y == "fraud", "a", "b")
    weighted = {"xgb": XGBClassifier(n_estimators=5, scale_pos_weight=9.0, n_jobs=1)}
    with pytest.raises(ValueError, match=r"scale_pos_weight=9\.0 would weigh the label 'b'"):
        FocalEnsembleClassifier(weighted, cv=2, pos_label="a").fit(X, labels)
    ours = {"xgb": FocalXGBClassifier(n_estimators=5, scale_pos_weight=9.0, n_jobs=1)}
    model = FocalEnsembleClassifier(ours, cv=2, pos_label="a", random_state=0).fit(X, labels)
    other = FocalEnsembleClassifier(ours, cv=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 0], other.predict_proba(X)[:, 1])


def test_columns_in_another_order_are_refused():
    X, y = _table(300)
    numbers = make_pipeline(FunctionTransformer(lambda X: np.asarray(X)), LogisticRegression())
    model = FocalEnsembleClassifier({"linear": numbers}, cv=2)
    model.fit(X[["amount", "age"]].fillna(0.0), y)
    with pytest.raises(ValueError, match="same order"):
        model.predict_proba(X[["age", "amount"]].fillna(0.0))
