"""A search over real boosters: resumed, honest about focal loss, and safe on bad candidates."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from lightgbm import LGBMClassifier
from optional import FocalMLPClassifier
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.metrics import get_scorer
from focaltab.model_selection import (
    CostThresholdClassifier,
    FocalSearchCV,
    TimeGapSplit,
    default_param_distributions,
)

pytest.importorskip("optuna")
TINY = {"focal_gamma": [0.5, 1.0, 2.0], "num_leaves": [3, 5, 7], "learning_rate": [0.05, 0.1, 0.3]}


def lgbm(**params):
    return FocalLGBMClassifier(**{"n_estimators": 8, "n_jobs": 1, "verbosity": -1, **params})


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    return X, (X[:, 0] + 0.5 * X[:, 1] ** 2 + rng.normal(size=500) > 2.3).astype(int)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        FocalSearchCV(
            FocalXGBClassifier(n_estimators=5, n_jobs=1),
            {"focal_gamma": [0.5, 1.0], "max_depth": [2, 3]},
            n_trials=2,
            cv=2,
            random_state=0,
        )
    ]
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_scores_are_those_of_the_candidates_on_the_same_folds(rows):
    X, y = rows
    search = FocalSearchCV(lgbm(), TINY, n_trials=6, cv=3, random_state=0).fit(X, y)
    table = pd.DataFrame(search.cv_results_)
    assert table["params"][0]["focal_gamma"] == 0 and table["params"][1]["focal_gamma"] == 2.0
    assert {"mean_fit_time", "std_test_score", "param_num_leaves", "state"} <= set(table)
    assert search.best_params_ == table["params"][search.best_index_]
    seeded = search.best_estimator_.random_state  # the search seeds what has no seed
    for k in (0, len(table) - 1):
        for fold, (train, test) in enumerate(search.folds_):
            model = lgbm(random_state=seeded).set_params(**table["params"][k])
            score = model.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
            expected = average_precision_score(y[test], score)
            assert table[f"split{fold}_test_score"][k] == pytest.approx(expected)
    assert (
        table["mean_test_score"].max()
        == table.query("rank_test_score == 1")["mean_test_score"].iloc[0]
    )
    assert np.array_equal(search.predict(X), search.best_estimator_.predict(X))


@pytest.mark.slow
def test_it_repeats_exactly_also_with_two_workers(rows):
    def scores(**options):
        search = FocalSearchCV(lgbm(), TINY, n_trials=8, cv=3, refit=False, **options).fit(*rows)
        return search.cv_results_["params"], search.cv_results_["mean_test_score"]

    for n_jobs in (None, 2):
        first, again = (scores(random_state=0, n_jobs=n_jobs) for _ in range(2))
        assert first[0] == again[0]
        np.testing.assert_array_equal(first[1], again[1])
    assert scores(random_state=1)[0] != first[0]


def test_the_best_focal_candidate_has_a_twin_without_focal_loss(rows):
    search = FocalSearchCV(lgbm(), TINY, n_trials=7, cv=3, random_state=0).fit(*rows)
    table = pd.DataFrame(search.cv_results_)
    means = table["mean_test_score"].where(table["param_focal_gamma"].astype(float) > 0)
    twin = {**table["params"][means.idxmax()], "focal_gamma": 0.0, "focal_alpha": None}
    assert twin in table["params"].tolist()
    plain = table["mean_test_score"].where(table["param_focal_gamma"].astype(float) == 0)
    assert search.focal_gain_.value == pytest.approx(means.max() - plain.max())


def test_where_focal_loss_cannot_help_none_is_taken():
    # Labels by chance: nothing can be learnt, so that no loss is better than another.
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(400, 3)), rng.permutation(np.r_[np.ones(40, int), np.zeros(360, int)])
    options = {"n_trials": 8, "cv": 5, "random_state": 1}
    search = FocalSearchCV(lgbm(), TINY, **options).fit(X, y)
    assert search.best_params_["focal_gamma"] == 0
    assert "won nothing" in search.verdict_
    assert search.focal_gain_.low < 0 < search.focal_gain_.high
    greedy = FocalSearchCV(lgbm(), TINY, one_standard_error=False, **options).fit(X, y)
    assert greedy.best_score_ == np.nanmax(greedy.cv_results_["mean_test_score"])
    assert greedy.best_score_ >= search.best_score_


def test_string_labels_categories_and_missing_values(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["kind"] = pd.Categorical(np.where(X[:, 3] > 0, "card", "cash"))
    frame.loc[::7, ["a", "kind"]] = None
    labels = np.where(y == 1, "fraud", "good")  # the rare label comes first in the alphabet
    options = {"n_trials": 3, "cv": 3, "random_state": 0}
    for scoring in (
        "average_precision",
        "log_loss",
        "f1",
        "roc_auc",
        get_scorer("lift_at_k", k=20),
    ):
        search = FocalSearchCV(lgbm(pos_label="fraud"), TINY, scoring=scoring, **options)
        search.fit(frame, labels)
        assert search.classes_.tolist() == ["fraud", "good"]
        assert search.feature_names_in_.tolist() == list(frame.columns)
        train, test = search.folds_[0]
        model = lgbm(pos_label="fraud", random_state=search.best_estimator_.random_state)
        model.set_params(**search.cv_results_["params"][0]).fit(frame.iloc[train], labels[train])
        p = model.predict_proba(frame.iloc[test])
        first = search.cv_results_["split0_test_score"][0]
        if scoring == "average_precision":
            expected = average_precision_score(labels[test] == "fraud", p[:, 0])
            assert first == pytest.approx(expected)
        if scoring == "log_loss":
            assert first == pytest.approx(-log_loss(labels[test], p))


def test_a_common_positive_class_is_pointed_out_once(rows):
    X, y = rows
    labels = np.where(y == 1, "fraud", "legit")
    labels[np.flatnonzero(y == 1)[20:]] = "legit"
    search = FocalSearchCV(lgbm(), n_trials=2, cv=2, random_state=0)
    with pytest.warns(UserWarning, match="set pos_label='fraud'") as told:
        search.fit(X, labels)
    assert sum("positive class" in str(w.message) for w in told) == 1


def test_weights_reach_a_search_at_the_end_of_a_pipeline(rows):
    X, y = rows
    inner = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    search = FocalSearchCV(
        make_pipeline(StandardScaler(), inner),
        {"gridsearchcv__cv": [2, 3]},
        n_trials=1,
        cv=2,
        random_state=0,
    )
    weight = np.where(X[:, 0] > 0, 5.0, 1.0)
    weighted = search.fit(X, y, sample_weight=weight).predict_proba(X)
    assert not np.allclose(weighted, search.fit(X, y).predict_proba(X), atol=1e-3)


def test_sparse_rows_and_weights_in_fit_and_score(rows):
    X, y = rows
    weight = np.random.default_rng(0).gamma(1.0, 1.0, y.size)
    search = FocalSearchCV(lgbm(), TINY, n_trials=3, cv=2, random_state=0)
    search.fit(sparse.coo_matrix(X), y, sample_weight=weight)
    train, test = search.folds_[1]
    model = lgbm(random_state=search.best_estimator_.random_state)
    model.set_params(**search.cv_results_["params"][0])
    model.fit(sparse.csr_matrix(X[train]), y[train], sample_weight=weight[train])
    p = model.predict_proba(X[test])[:, 1]
    expected = average_precision_score(y[test], p, sample_weight=weight[test])
    assert search.cv_results_["split1_test_score"][0] == pytest.approx(expected)
    assert expected != pytest.approx(average_precision_score(y[test], p))


def test_metadata_routing_and_pipelines(rows):
    X, y = rows
    weight = np.random.default_rng(0).gamma(1.0, 1.0, y.size)
    space = {"focallgbmclassifier__focal_gamma": [1.0, 2.0]}
    pipe = make_pipeline(StandardScaler(), lgbm())
    options = {"n_trials": 3, "cv": 2, "random_state": 0}
    plain = FocalSearchCV(pipe, space, **options).fit(X, y, sample_weight=weight)
    assert plain.best_params_.keys() >= {"focallgbmclassifier__focal_gamma"}
    with sklearn.config_context(enable_metadata_routing=True):
        scale = StandardScaler().set_fit_request(sample_weight=False)
        asking = lgbm().set_fit_request(sample_weight=True)
        scorer = get_scorer("average_precision", pos_label=1).set_score_request(sample_weight=True)
        routed = FocalSearchCV(make_pipeline(scale, asking), space, scoring=scorer, **options).fit(
            X, y, sample_weight=weight
        )
        with pytest.raises(UnsetMetadataPassedError):
            FocalSearchCV(lgbm(), TINY, **options).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        routed.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_groups_and_times_make_the_folds(rows):
    X, y = rows
    customers = np.random.default_rng(0).integers(0, 60, y.size)
    search = FocalSearchCV(lgbm(), TINY, n_trials=2, cv=3, random_state=0)
    search.fit(X, y, groups=customers)
    assert all(not set(customers[a]) & set(customers[b]) for a, b in search.folds_)
    timed = FocalSearchCV(lgbm(), TINY, n_trials=2, cv=TimeGapSplit(2, gap=20)).fit(X, y)
    assert all(train.max() + 20 < test.min() for train, test in timed.folds_)


def test_any_other_classifier(rows):
    X, y = rows
    search = FocalSearchCV(
        LGBMClassifier(n_estimators=8, n_jobs=1, verbosity=-1),
        {"num_leaves": stats.randint(2, 9), "learning_rate": stats.loguniform(0.01, 0.5)},
        n_trials=5,
        cv=StratifiedKFold(3),
        random_state=0,
    ).fit(X, y)
    assert search.focal_gain_ is None and search.best_score_ == np.nanmax(
        search.cv_results_["mean_test_score"]
    )
    values = pd.DataFrame(search.cv_results_["params"])[1:]
    assert values["num_leaves"].between(2, 8).all()
    assert values["learning_rate"].between(0.01, 0.5).all()


@pytest.mark.parametrize("model", [FocalXGBClassifier(), lgbm(), FocalMLPClassifier()])
def test_defaults_are_parameters_of_the_model(model):
    if not hasattr(model, "focal_gamma"):
        pytest.skip("torch is not installed")
    space = default_param_distributions(make_pipeline(StandardScaler(), model))
    names = {name.split("__")[1] for name in space}
    assert {"focal_gamma", "focal_alpha"} < names
    model.set_params(**{n.split("__")[1]: s[0] for n, s in space.items() if isinstance(s, list)})
    with pytest.raises(ValueError, match="no default distributions for LogisticRegression"):
        default_param_distributions(LogisticRegression())


def test_slow_starters_are_pruned_and_ranked_last(rows):
    X, y = rows
    space = {"n_estimators": [1, 2, 20, 40, 60, 80], "learning_rate": stats.loguniform(1e-4, 0.3)}
    search = FocalSearchCV(lgbm(), space, n_trials=25, cv=4, random_state=0).fit(X, y)
    table = pd.DataFrame(search.cv_results_)
    pruned = table[table["state"] == "pruned"]
    assert len(pruned) > 0 and pruned["mean_test_score"].isna().all()
    assert pruned["split3_test_score"].isna().all() and pruned["split0_test_score"].notna().all()
    assert (
        pruned["rank_test_score"].min()
        > table.query("state == 'complete'")["rank_test_score"].max()
    )


def test_candidates_that_fail_are_reported_and_the_search_goes_on(rows):
    X, y = rows
    space = {"focal_gamma": [1.0, -3.0], "num_leaves": [3, 5]}
    search = FocalSearchCV(lgbm(), space, n_trials=10, cv=2, random_state=0)
    with pytest.warns(FitFailedWarning, match=r"\d of 1\d candidates failed; candidate \d+ with V"):
        search.fit(X, y)
    table = pd.DataFrame(search.cv_results_)
    failed = table[table["param_focal_gamma"] == -3.0]
    assert (failed["state"] == "failed").all() and failed["error"].str.contains("gamma").all()
    assert search.best_params_["focal_gamma"] >= 0
    X = X.copy()
    X[303, 2] = np.inf  # a row of all rows, not of a fold's
    with pytest.raises(ValueError, match=r"all \d candidates failed; .*Infinite value .* row 303:"):
        FocalSearchCV(lgbm(), TINY, n_trials=2, cv=2).fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"param_distributions": {"focal_gamma": stats.norm(0, 1)}},
            r"'focal_gamma' must be a list.*",
        ),
        ({"param_distributions": {"focal_gamma": []}}, "empty list"),
        ({"param_distributions": {}}, "at least one parameter"),
        ({"scoring": "fame"}, "no scorer named 'fame'"),
        ({"n_trials": 0}, "n_trials"),
        ({"timeout": -1}, "timeout"),
        ({"cv": 300}, "fewer than 300 folds"),
        ({"storage": "x"}, "storage needs random_state"),
        ({"storage": "/nowhere/x", "random_state": 0}, "there is no folder /nowhere"),
    ],
)
def test_settings_that_cannot_be_used(rows, options, message):
    with pytest.raises(ValueError, match=message):
        FocalSearchCV(lgbm(), **{"param_distributions": TINY, "n_trials": 2, **options}).fit(*rows)


def test_an_unknown_parameter_is_named(rows):
    with pytest.raises(ValueError, match="has no parameter 'depth'"):
        FocalSearchCV(LogisticRegression(), {"depth": [1]}).fit(*rows)


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from focaltab import FocalLGBMClassifier
from focaltab.model_selection import FocalSearchCV
path, n_to_halt_at, n_jobs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

class Halting(FocalLGBMClassifier):
    def fit(self, X, y, **params):
        while n_to_halt_at and Path(path).exists() and (
            Path(path).read_bytes().count(b'"candidate"') >= n_to_halt_at
        ):
            time.sleep(0.1)  # until it is killed
        return super().fit(X, y, **params)

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 3)); y = (X[:, 0] + rng.normal(size=300) > 1.5).astype(int)
search = FocalSearchCV(
    Halting(n_estimators=5, n_jobs=1, verbosity=-1),
    {"focal_gamma": [0.5, 1.0, 2.0], "num_leaves": [3, 5, 7], "learning_rate": [0.05, 0.1, 0.3]},
    n_trials=15, cv=2, random_state=0, n_jobs=n_jobs, storage=None if path == "-" else path,
).fit(X, y)
for params, score, state in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"],
                                search.cv_results_["state"]):
    print(sorted(params.items(), key=str), score, state)
print(search.best_index_, search.focal_gain_)
"""


def run(*arguments, script=SCRIPT):
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_killed_search_ends_as_an_unbroken_one(tmp_path, n_jobs):
    unbroken = run("-", 0, n_jobs)
    path = tmp_path / "search.journal"
    killed = run(path, 5, n_jobs)
    deadline = time.monotonic() + 600
    while (
        killed.poll() is None
        and time.monotonic() < deadline
        and (not path.exists() or path.read_bytes().count(b'"candidate"') < 5)
    ):
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()  # not for its output: orphaned workers hold the pipes open
    found = path.read_bytes()
    assert 5 <= found.count(b'"candidate"') < 15
    path.write_bytes(found + b'{"op_code": 4, "work')  # a line that the kill tore
    resumed = run(path, 0, n_jobs)
    (expected, errors), (out, more_errors) = unbroken.communicate(), resumed.communicate()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(killed.pid, signal.SIGKILL)  # the workers it left
    assert expected and out == expected, errors + more_errors
    assert path.read_bytes().startswith(found)  # finished candidates were not evaluated again


def test_a_journal_of_another_search_is_refused_and_one_can_be_extended(rows, tmp_path):
    X, y = rows
    path = tmp_path / "search.journal"
    options = {"cv": 2, "random_state": 0, "storage": path}
    FocalSearchCV(lgbm(), TINY, n_trials=3, **options).fit(X, y)
    more = FocalSearchCV(lgbm(), TINY, n_trials=6, **options).fit(X, y)
    whole = FocalSearchCV(lgbm(), TINY, n_trials=6, cv=2, random_state=0).fit(X, y)
    assert more.cv_results_["params"] == whole.cv_results_["params"]
    for other in (
        lambda: FocalSearchCV(lgbm(), TINY, **options).fit(X + 1, y),
        lambda: FocalSearchCV(lgbm(max_depth=2), TINY, **options).fit(X, y),
        lambda: FocalSearchCV(lgbm(), TINY, scoring="log_loss", **options).fit(X, y),
        lambda: FocalSearchCV(lgbm(), {**TINY, "num_leaves": [3]}, **options).fit(X, y),
    ):
        with pytest.raises(ValueError, match="holds another search"):
            other()
    strange = tmp_path / "notes.txt"
    for text in ("dear diary\nno journal\n", "dear diary\nno journal", "{}\n", "[1]\n"):
        strange.write_text(text)
        with pytest.raises(ValueError, match="no journal"):
            FocalSearchCV(lgbm(), TINY, **{**options, "storage": strange}).fit(X, y)
        assert strange.read_text() == text


@pytest.mark.slow
def test_without_optuna_halving_proposes():
    script = """
    import sys
    sys.modules["optuna"] = None
    import numpy as np
    from focaltab import FocalLGBMClassifier
    from focaltab.model_selection import FocalSearchCV
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 3)); y = np.where(X[:, 0] + rng.normal(size=900) > 1, "a", "b")
    model = FocalLGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1, pos_label="a")
    space = {"focal_gamma": [0.5, 1.0, 2.0], "num_leaves": [3, 5, 7]}
    search = FocalSearchCV(model, space, n_trials=8, cv=3, random_state=0).fit(X, y)
    assert search.cv_results_["params"][0]["focal_gamma"] == 0
    assert search.focal_gain_ is not None and search.predict_proba(X).shape == (900, 2)
    assert len(search.cv_results_["params"]) < 8 + 1  # thinned
    again = FocalSearchCV(model, space, n_trials=8, cv=3, random_state=0).fit(X, y)
    assert again.best_params_ == search.best_params_
    try:
        FocalSearchCV(model, space, storage="x", random_state=0).fit(X, y)
    except ImportError as error:
        print(error)
    """
    process = run(script=script)
    out, errors = process.communicate()
    assert 'pip install "focaltab[tune]"' in out, errors


def test_progress_is_shown_on_stderr_only_when_asked(rows, tmp_path, capfd):
    stored = {"storage": tmp_path / "search.journal", "random_state": 0}
    FocalSearchCV(lgbm(), TINY, n_trials=4, cv=2, **stored).fit(*rows)
    assert capfd.readouterr() == ("", "")
    FocalSearchCV(lgbm(), TINY, n_trials=2, cv=2, verbose=1).fit(*rows)
    out, err = capfd.readouterr()
    assert out == "" and "candidates" in err


def test_score_is_the_score_that_was_tuned(rows):
    X, y = rows
    search = FocalSearchCV(lgbm(), TINY, n_trials=2, cv=3, random_state=0).fit(X, y)
    score = search.best_estimator_.predict_proba(X)[:, 1]
    assert search.score(X, y) == pytest.approx(average_precision_score(y, score))


def test_an_inner_positive_label_is_found_behind_an_outer_none(rows):
    X, y = rows
    labels = np.where(y == 1, "a_fraud", "fine")
    inner = lgbm(pos_label="a_fraud", random_state=0)
    space = {"estimator__num_leaves": [3, 5]}
    search = FocalSearchCV(
        CostThresholdClassifier(inner), space, n_trials=2, cv=3, random_state=0
    ).fit(X, labels)
    train, test = search.folds_[0]
    first = search.cv_results_["params"][0]
    model = CostThresholdClassifier(inner).set_params(**first)
    p = model.fit(X[train], labels[train]).predict_proba(X[test])[:, 0]
    expected = average_precision_score(y[test], p)
    assert search.cv_results_["split0_test_score"][0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="different positive labels"):
        FocalSearchCV(CostThresholdClassifier(inner, pos_label="fine"), space, cv=3).fit(X, labels)


@pytest.mark.slow
def test_a_search_of_a_model_without_probabilities_travels(rows):
    X, y = rows
    search = FocalSearchCV(LinearSVC(), {"C": [0.1, 1.0]}, n_trials=2, cv=2, random_state=0)
    assert not hasattr(search, "predict_proba")
    copied = pickle.loads(pickle.dumps(search.fit(X, y)))
    np.testing.assert_array_equal(copied.predict(X), search.predict(X))
    assert np.isfinite(cross_val_score(search, X, y, cv=2, n_jobs=2)).all()


def test_a_model_that_is_itself_searched_is_judged_by_its_own_loss(rows):
    X, y = rows
    plain = [LogisticRegression(), RandomForestClassifier(10, random_state=0)]
    pipeline = Pipeline([("model", lgbm(random_state=0))])
    search = FocalSearchCV(pipeline, {"model": plain}, n_trials=4, cv=3, random_state=0).fit(X, y)
    best = {True: -1.0, False: -1.0}
    tried = zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True)
    for params, mean in tried:
        model = clone(pipeline).set_params(**params)[-1]
        is_focal = getattr(model, "focal_gamma", 0.0) > 0
        best[is_focal] = max(best[is_focal], mean)
    assert search.focal_gain_.value == pytest.approx(best[True] - best[False])
    assert "failed" not in search.cv_results_["state"]


def test_a_journal_is_of_one_scorer_and_its_weights(rows, tmp_path):
    X, y = rows

    def search(cost, **fit):
        def loss(y_true, y_pred, sample_weight=None):
            return cost * float(np.average(y_true != y_pred, weights=sample_weight))

        found = FocalSearchCV(
            lgbm(),
            TINY,
            n_trials=2,
            cv=2,
            random_state=0,
            scoring=make_scorer(loss),
            storage=tmp_path / "j",
        )
        return found.fit(X, y, **fit).best_score_

    assert search(1.0) == search(1.0)
    with pytest.raises(ValueError, match="holds another search"):
        search(50.0)
    with pytest.raises(ValueError, match="holds another search"):
        search(1.0, sample_weight=np.linspace(1, 2, len(y)))


@pytest.mark.parametrize("scoring", [["f1"], {"a": "f1"}])
def test_several_scorers_are_refused(rows, scoring):
    with pytest.raises(ValueError, match="scoring must be one scorer or its name"):
        FocalSearchCV(lgbm(), TINY, scoring=scoring).fit(*rows)


def recursive():
    def metric(y_true, y_pred, depth=0):
        return metric(y_true, y_pred, 1) if depth == 0 else float(np.mean(y_true == y_pred))

    return metric


class Cost:
    def __init__(self, cost):
        self.cost = cost

    def __call__(self, y_true, y_pred):
        return self.cost * float(np.mean(y_true != y_pred))


BIG = [np.zeros(5000), np.r_[np.zeros(2500), 1.0, np.zeros(2499)]]


@pytest.mark.parametrize(
    "first, second",
    [
        (Cost(1.0), Cost(2.0)),
        (Cost(1.0).__call__, Cost(2.0).__call__),
        (partial(Cost(1.0).__call__), partial(Cost(2.0).__call__)),
        *[
            (lambda y, p, a=a: float(a.max() + np.mean(y == p)), lambda y, p, a=b: a.max())
            for a, b in [BIG]
        ],
    ],
    ids=["instances", "methods", "partials", "defaults"],
)
def test_a_journal_tells_scorers_apart_by_what_they_hold(rows, first, second, tmp_path):
    options = {"n_trials": 2, "cv": 2, "random_state": 0, "storage": tmp_path / "j"}
    FocalSearchCV(lgbm(), TINY, **options, scoring=make_scorer(first)).fit(*rows)
    FocalSearchCV(lgbm(), TINY, **options, scoring=make_scorer(first)).fit(*rows)
    with pytest.raises(ValueError, match="holds another search"):
        FocalSearchCV(lgbm(), TINY, **options, scoring=make_scorer(second)).fit(*rows)


def test_a_scorer_that_calls_itself_is_stored(rows, tmp_path):
    options = {"n_trials": 2, "cv": 2, "random_state": 0, "storage": tmp_path / "j"}
    for _ in range(2):
        search = FocalSearchCV(lgbm(), TINY, **options, scoring=make_scorer(recursive()))
        assert 0.5 < search.fit(*rows).best_score_ <= 1.0


@pytest.mark.slow
def test_a_scorer_is_the_same_in_a_process_with_other_hashes():
    script = """
    from focaltab.data import described
    def scorer(y, p, kinds={"fraud", "theft", "loss"}):
        return p in {"a", "b", "c", "d"} or p in kinds
    print(described(scorer))
    """
    told = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
