"""What the network promises: calibrated, any input, repeatable, and one clear error."""

import io
import pickle
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("torch")

import joblib
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from focaltab import FocalMLPClassifier
from focaltab.data import validation_rows
from focaltab.external import ParquetTable
from focaltab.neural import EarlyStopWarning

LINKS = ["logit", "focal"]


def make(**parameters):
    options = {
        "hidden_layer_sizes": (32,),
        "max_iter": 15,
        "learning_rate_init": 0.005,
        "random_state": 0,
        "dropout": 0.0,
        "weight_decay": 1e-4,
        "numeric_embedding": None,
    }
    return FocalMLPClassifier(**{**options, **parameters})


@pytest.fixture(scope="module")
def rare():
    """Rows with a known probability of being positive, about 1 in 25."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 5))
    probability = expit(-4.0 + 1.5 * X[:, 0] + X[:, 1])
    return X, (rng.random(6000) < probability).astype(int), probability


@pytest.mark.parametrize(
    "parameters",
    [
        {"focal_gamma": 2.0, "focal_alpha": 0.25},
        {"focal_gamma": 2.0, "focal_alpha": 0.75, "link": "focal"},
        pytest.param({"focal_gamma": (1.0, 3.0), "sampler": "balanced"}, marks=pytest.mark.slow),
        pytest.param(
            {"focal_gamma": 1.0, "sampler": "balanced", "link": "focal"}, marks=pytest.mark.slow
        ),
        {"label_smoothing": 0.1},
        {"n_members": 4},
        pytest.param({"numeric_embedding": "piecewise_linear"}, marks=pytest.mark.slow),
        pytest.param({"numeric_embedding": "periodic"}, marks=pytest.mark.slow),
        {"focal_gamma": 0.0, "optimizer": "sgd", "learning_rate_init": 0.05},
        pytest.param(
            {"activation": "gelu", "learning_rate": "adaptive", "max_iter": 15},
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_probabilities_are_calibrated_whatever_the_training(parameters, rare):
    X, y, known = rare
    model = make(**{"max_iter": 30, "early_stopping": False, **parameters}).fit(X, y)
    probability = model.predict_proba(X)[:, 1]
    assert probability.mean() == pytest.approx(y.mean(), rel=0.12)
    order = np.argsort(known)
    for part in np.array_split(order, 4)[2:]:
        assert probability[part].mean() == pytest.approx(known[part].mean(), rel=0.3)
    assert average_precision_score(y, probability) > 0.9 * average_precision_score(y, known)


@pytest.mark.parametrize("sampler", [None, "balanced"])
@pytest.mark.parametrize("link", LINKS)
def test_the_network_starts_from_the_prevalence(link, sampler, rare):
    X, y, _ = rare
    weight = np.random.default_rng(1).random(y.size)
    model = make(
        link=link, sampler=sampler, focal_alpha=0.1, max_iter=1, learning_rate_init=1e-9
    ).fit(X, y, sample_weight=weight)
    share = np.average(y, weights=weight)
    assert model.prevalence_ == pytest.approx(share)
    expected = share if sampler is None else y.mean()
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("link", LINKS)
def test_several_classes(link, rare):
    X, _, _ = rare
    y = np.array(["a", "b", "c"])[(X[:, 0] > 1).astype(int) + (X[:, 1] > 1.5)]
    model = make(link=link, focal_alpha="balanced", n_members=2, sampler="balanced", max_iter=10)
    proba = model.fit(X[:2000], y[:2000]).predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-6)
    assert np.mean(model.predict(X) == y) > 0.9
    # Drawn equally often, each class would have a third.
    np.testing.assert_allclose(proba.mean(axis=0), [np.mean(y == k) for k in "abc"], atol=0.015)


def test_frames_with_categories_missing_values_and_strangers(rare):
    X, y, _ = rare
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame.loc[::7, "a"] = np.nan
    frame["kind"] = pd.Categorical(np.where(y == 1, "u", rng.choice(["u", "v", "w"], y.size)))
    frame["text"] = np.where(rng.random(y.size) < 0.5, "x", None)
    frame["flag"] = rng.random(y.size) < 0.5
    model = make().fit(frame, y)
    assert list(model.feature_names_in_) == list(frame.columns)
    with_kind = average_precision_score(y, model.predict_proba(frame)[:, 1])
    without = make().fit(frame.drop(columns="kind"), y)
    assert with_kind > average_precision_score(
        y, without.predict_proba(frame[without.feature_names_in_])[:, 1]
    )
    strange = frame.head(50).copy()
    strange["kind"] = "never seen"
    strange["b"] = np.nan
    assert np.isfinite(model.predict_proba(strange)).all()
    by_value = {"v": "w", "w": "v"}
    renamed = frame.assign(kind=frame["kind"].astype(str).map(lambda k: by_value.get(k, k)))
    assert not np.allclose(model.predict_proba(renamed), model.predict_proba(frame))
    reordered = frame.assign(kind=frame["kind"].cat.reorder_categories(["w", "v", "u"]))
    np.testing.assert_array_equal(model.predict_proba(reordered), model.predict_proba(frame))


def test_sparse_equals_dense_and_raw_amounts_need_no_scaler(rare):
    X, y, _ = rare
    thin = np.where(X > 0.5, X, 0.0)
    dense = make().fit(thin, y).predict_proba(thin)
    for as_sparse in (sparse.csr_matrix, sparse.coo_array):
        model = make().fit(as_sparse(thin), y)
        np.testing.assert_allclose(model.predict_proba(as_sparse(thin)), dense, atol=1e-6)
    amounts = np.exp(4.0 * X) * 1e6
    scores = make().fit(amounts, y).predict_proba(amounts)[:, 1]
    plain = make().fit(X, y).predict_proba(X)[:, 1]
    assert average_precision_score(y, scores) > 0.7 * average_precision_score(y, plain)


def test_weights_shift_the_distribution_and_zero_weight_is_absence(rare):
    X, y, _ = rare
    weight = np.where(y == 1, 5.0, 1.0)
    by_sample = make(early_stopping=False).fit(X, y, sample_weight=weight)
    by_class = make(early_stopping=False, class_weight={0: 1.0, 1: 5.0}).fit(X, y)
    np.testing.assert_allclose(by_sample.predict_proba(X), by_class.predict_proba(X), atol=1e-6)
    share = np.average(y, weights=weight)
    assert by_sample.predict_proba(X)[:, 1].mean() > 2 * y.mean()
    assert by_sample.prevalence_ == pytest.approx(share)
    absent = (np.arange(y.size) % 2).astype(float)
    noisy = np.where(absent[:, None] == 0, 1e9, X)
    np.testing.assert_allclose(
        make().fit(noisy, y, sample_weight=absent).predict_proba(X),
        make().fit(X[1::2], y[1::2], sample_weight=np.ones(3000)).predict_proba(X),
        atol=1e-6,
    )


def test_early_stopping_keeps_the_best_epoch(rare):
    X, y, _ = rare
    options = {
        "early_stopping": True,
        "refit": False,
        "max_iter": 60,
        "n_iter_no_change": 5,
        "learning_rate_init": 0.01,
        "learning_rate": "constant",
    }
    whole = make(**options).fit(X, y)
    history = whole.evals_result_["validation_0"]
    assert whole.n_iter_ < 60
    assert len(whole.validation_scores_) == len(whole.loss_curve_) == whole.n_iter_
    assert whole.validation_scores_ == history["average_precision"]
    assert whole.best_iter_ == 1 + int(np.argmin(history["logloss"]))
    assert whole.best_validation_score_ == whole.validation_scores_[whole.best_iter_ - 1]
    # The weights of that epoch: a run that ends there ends up with the same model.
    short = clone(whole).set_params(max_iter=whole.best_iter_).fit(X, y)
    np.testing.assert_allclose(whole.predict_proba(X), short.predict_proba(X), atol=1e-6)
    _, held = validation_rows(y, 0.1, 0)
    lowest = log_loss(y[held], whole.predict_proba(X[held]))
    assert lowest == pytest.approx(min(history["logloss"]), rel=1e-5)


def test_all_rows_are_trained_on_for_as_many_epochs_as_folds_say(rare):
    X, y, _ = rare
    labels = np.where(y == 1, "fraud", "ok")
    options = {"learning_rate": "constant", "max_iter": 30, "n_iter_no_change": 3}
    options |= {"pos_label": "fraud", "learning_rate_init": 0.01}
    model = make(**options).fit(X, labels)
    cosine = make(**options | {"learning_rate": "cosine"}).fit(X, labels)
    folds = [cosine.evals_result_[f"fold_{k}"]["logloss"] for k in range(3)]
    best = [1 + int(np.argmin(history)) for history in folds]
    n_epochs = min(30, round(1.5 * float(np.exp(np.mean(np.log(best))))))
    assert cosine.n_iter_ == n_epochs
    plain = make(
        **options | {"max_iter": n_epochs, "learning_rate": "cosine"}, early_stopping=False
    )
    np.testing.assert_array_equal(cosine.predict_proba(X), plain.fit(X, labels).predict_proba(X))
    folds = [model.evals_result_[f"fold_{k}"]["logloss"] for k in range(3)]
    best = [1 + int(np.argmin(history)) for history in folds]
    assert model.best_iter_ == model.n_iter_ == round(float(np.exp(np.mean(np.log(best)))))
    assert model.n_iter_ < 30
    plain = make(**options | {"max_iter": model.n_iter_}, early_stopping=False).fit(X, labels)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    train, held = next(StratifiedKFold(3, shuffle=True, random_state=0).split(X, labels))
    fold = make(**options | {"max_iter": 1}, early_stopping=False).fit(X[train], labels[train])
    assert log_loss(labels[held], fold.predict_proba(X[held])) == pytest.approx(folds[0][0])
    assert model.validation_scores_ is None
    scores = [model.evals_result_[f"fold_{k}"]["average_precision"] for k in range(3)]
    mean = np.mean([score[n - 1] for score, n in zip(scores, best, strict=True)])
    assert model.best_validation_score_ == pytest.approx(mean)


def test_which_networks_stop_by_folds(rare):
    X, y, _ = rare
    few = np.r_[np.flatnonzero(y == 1)[:9], np.flatnonzero(y == 0)[:200]]
    assert make(max_iter=2).fit(X[few], y[few]).evals_result_ == {}
    more = np.r_[np.flatnonzero(y == 1)[:10], np.flatnonzero(y == 0)[:200]]
    assert len(make(max_iter=2).fit(X[more], y[more]).evals_result_) == 3
    assert make(max_iter=2, refit=False).fit(X[more], y[more]).evals_result_ == {}
    two = make(max_iter=2, early_stopping=True, early_stopping_folds=2).fit(X[few], y[few])
    assert len(two.evals_result_) == 2
    split = [(np.arange(3000), np.arange(3000, 6000))]
    assert len(make(max_iter=2, early_stopping_folds=split).fit(X, y).evals_result_) == 1
    with pytest.raises(ValueError, match="early_stopping_folds must be"):
        make(early_stopping_folds="several").fit(X, y)


def test_a_network_that_hardly_learns_is_told_of():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 20)), np.tile([0, 0, 0, 1], 100)
    with pytest.warns(EarlyStopWarning, match="at epoch 1 of at most 15"):
        make(learning_rate_init=0.05, learning_rate="constant").fit(X, y)


def test_an_eval_set_stops_by_average_precision(rare):
    X, y, _ = rare
    X, y = X[:3000], np.r_[np.ones(300, int), np.zeros(2700, int)]
    X[:300] += 1.0
    train, held = validation_rows(y, 0.1, 0)
    options = {"n_iter_no_change": 3, "learning_rate_init": 0.01}
    by_itself = make(early_stopping=True, refit=False, **options).fit(X, y)
    epochs = []
    given = make(**options)
    given.fit(X[train], y[train], eval_set=(X[held], y[held]), callback=epochs.append)
    assert given.best_iter_ == 1 + int(np.argmax(given.validation_scores_))
    assert given.validation_scores_[given.best_iter_ - 1] == given.best_validation_score_
    assert epochs == list(range(1, given.n_iter_ + 1))
    # What is held out is the same, and only judged otherwise.
    both = min(given.n_iter_, by_itself.n_iter_)
    assert given.validation_scores_[:both] == by_itself.validation_scores_[:both]
    for y_eval, message in (
        ([0, 2], "label 2 in row 1"),
        ([0, 0], "no row of class 1"),
        ([0], "2 rows but y has 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make().fit(X, y, eval_set=(X[:2], y_eval))


def test_an_evaluation_set_is_one_pair_in_memory(rare, tmp_path):
    X, y, _ = rare
    pair = (X[:500], y[:500])
    model = make(max_iter=2).fit(X, y, eval_set=pair)
    listed = make(max_iter=2).fit(X, y, eval_set=[pair])
    assert listed.validation_scores_ == model.validation_scores_
    frame = pd.DataFrame(X[:500], columns=list("abcde")).assign(y=y[:500])
    frame.to_parquet(tmp_path / "t.parquet")
    table = ParquetTable(tmp_path / "t.parquet", target="y")
    for eval_set, error, message in (
        ([pair, pair], ValueError, "must be one .X, y., got 2"),
        ([], ValueError, "is an empty list"),
        ((X[:0], y[:0]), ValueError, r"eval_set 0: Found array with 0 sample"),
        ((X[:500, :3], y[:500]), ValueError, "eval_set 0: X has 3 columns"),
        ((table, y[:500]), TypeError, "eval_set 0.* needs its table in memory"),
    ):
        with pytest.raises(error, match=message):
            make().fit(X, y, eval_set=eval_set)
    with pytest.raises(TypeError, match="needs its table in memory"):
        make().fit(table, y[:500])


@pytest.mark.parametrize(
    "training",
    [{"sampler": "balanced"}, {"label_smoothing": 0.2}, {"sampler": "balanced", "link": "focal"}],
    ids=str,
)
def test_early_stopping_goes_by_the_probabilities_that_are_stated(training, rare):
    X, _, _ = rare
    X, noise = X[:1500], np.random.default_rng(2).normal(size=1500)
    y = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + noise, [1.0, 2.2])]
    model = make(max_iter=4, **training).fit(X, y, eval_set=(X, y))
    stated = model.predict_proba(X)
    by_class = [average_precision_score(y == k, stated[:, i]) for i, k in enumerate("abc")]
    assert model.best_validation_score_ == pytest.approx(np.mean(by_class), abs=1e-12)


def test_early_stopping_goes_on_while_a_perfect_score_gets_surer():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2500, 1))
    y = (X[:, 0] > 1.0).astype(int)
    new = rng.normal(size=(500, 1))
    given = {"eval_set": (new, (new[:, 0] > 1.0).astype(int))}
    options = {"n_iter_no_change": 3, "learning_rate": "constant"}
    model = make(max_iter=40, **options).fit(X, y, **given)
    first = model.validation_scores_.index(1.0)
    assert model.n_iter_ > first + 4
    stopped_there = make(max_iter=first + 1, **options).fit(X, y, **given)
    assert log_loss(y, model.predict_proba(X)) < log_loss(y, stopped_there.predict_proba(X))


def test_the_same_random_state_gives_the_same_model(rare):
    X, y, _ = rare
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    options = {"dropout": 0.2, "sampler": "balanced", "n_members": 2}
    first = make(**options).fit(X, y)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second = make(**options).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = make(**{**options, "random_state": 1}).fit(X, y)
    assert not np.allclose(other.predict_proba(X), first.predict_proba(X))


def test_pos_label_and_labels_of_any_type(rare):
    X, y, _ = rare
    numbers = make(focal_gamma=(1.0, 3.0), focal_alpha=0.25).fit(X, y)
    labels = np.where(y == 1, "fraud", "legit")
    named = make(focal_gamma=(1.0, 3.0), focal_alpha=0.25, pos_label="fraud").fit(X, labels)
    np.testing.assert_array_equal(named.predict_proba(X)[:, ::-1], numbers.predict_proba(X))
    np.testing.assert_array_equal(named.predict(X) == "fraud", numbers.predict(X) == 1)
    np.testing.assert_allclose(
        named.predict_log_proba(X), np.log(named.predict_proba(X)), rtol=1e-12
    )


def test_partial_fit_learns_over_many_calls(rare):
    X, y, _ = rare
    labels = np.where(y == 1, "b", "a")
    model = make(learning_rate_init=0.005)
    for _ in range(4):
        for part in np.array_split(np.arange(6000), 6):
            model.partial_fit(X[part], labels[part], classes=["a", "b"])
    assert model.n_iter_ == 24
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.3
    model.partial_fit(X[:10], np.full(10, "a"))
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        make().partial_fit(X, labels)
    with pytest.raises(ValueError, match="needs rows of every class"):
        make().partial_fit(X, labels, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"needs rows of every class.* y lacks \['b'\]"):
        make().partial_fit(X, np.full(6000, "a"), classes=["a", "b"])
    with pytest.raises(ValueError, match=r"y holds labels that are not in classes: \['b'\]"):
        make().partial_fit(X, labels, classes=["a"])
    with pytest.raises(ValueError, match="differs from"):
        model.partial_fit(X, labels, classes=["a", "c"])
    with pytest.raises(ValueError, match="sampler"):
        make(sampler="balanced").partial_fit(X, labels, classes=["a", "b"])


def test_warm_start_goes_on(rare):
    X, y, _ = rare
    model = make(warm_start=True, max_iter=3, learning_rate="constant", early_stopping=False)
    first = model.fit(X, y).loss_curve_[0]
    assert model.fit(X, y).loss_curve_[0] < first
    with pytest.raises(ValueError, match="trained on classes"):
        model.fit(X, np.where(y == 1, "b", "a"))


def test_pickle_joblib_and_clone(rare, tmp_path):
    X, y, _ = rare
    model = make(n_members=2).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert clone(model).get_params() == model.get_params()
    assert {p.device.type for p in model.network_.parameters()} == {"cpu"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_model_trained_on_a_gpu_loads_on_the_cpu(rare):
    X, y, _ = rare
    model = make(device="cuda").fit(X, y)
    stored = io.BytesIO(pickle.dumps(model))
    again = pickle.load(stored).set_params(device="cpu")
    assert {p.device.type for p in again.network_.parameters()} == {"cpu"}
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-4)


def test_works_inside_scikit_learn(rare):
    X, y, _ = rare
    model = make(max_iter=5)
    pipeline = make_pipeline(StandardScaler(), clone(model))
    assert (cross_val_score(pipeline, X, y, scoring="average_precision", cv=2) > 0.15).all()
    search = GridSearchCV(
        clone(model), {"focal_gamma": [0.0, 2.0]}, scoring="average_precision", cv=2
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    calibrated = CalibratedClassifierCV(clone(model), cv=2).fit(X, y)
    assert log_loss(y, calibrated.predict_proba(X)) < log_loss(y, np.full(y.size, y.mean()))
    tuned = TunedThresholdClassifierCV(clone(model), scoring="f1", cv=2).fit(X, y)
    assert 0.0 < tuned.best_threshold_ < 0.5


def test_one_positive_constant_columns_and_batches_without_positives():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), np.zeros(300, int)
    y[7] = 1
    X[:, 1] = 4.0
    model = make(batch_size=16, max_iter=3).fit(X, y)
    probability = model.predict_proba(X)[:, 1]
    assert np.isfinite(probability).all() and 0 < probability.mean() < 0.1
    only_constants = make(max_iter=40, learning_rate_init=0.01).fit(np.ones((300, 2)), y)
    np.testing.assert_allclose(
        only_constants.predict_proba(np.ones((2, 2)))[:, 1], 1 / 300, rtol=0.2
    )
    with pytest.raises(ValueError, match="early stopping holds out"):
        make(early_stopping=True).fit(X, y)


@pytest.mark.parametrize("name", ["piecewise_linear", "periodic"])
def test_embeddings_meet_constant_and_missing_columns(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    X[:, 1], X[::3, 2], X[:, 3] = 1.0, np.nan, rng.random(400) < 0.01
    y = (X[:, 0] > 1).astype(int)
    model = make(numeric_embedding=name, n_members=2).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    nothing_moves = make(numeric_embedding=name, max_iter=2).fit(np.ones((400, 2)), y)
    assert np.isfinite(nothing_moves.predict_proba(np.ones((3, 2)))).all()


def test_a_learning_rate_that_is_too_high_is_named(rare):
    X, y, _ = rare
    with pytest.raises(ValueError, match=r"epoch \d+: learning_rate_init=1e\+30 is too high"):
        make(learning_rate_init=1e30, optimizer="sgd", early_stopping=False).fit(X, y)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"activation": "relo"}, "activation must be one of"),
        ({"hidden_layer_sizes": (10, 0)}, "hidden_layer_sizes"),
        ({"dropout": 1.0}, "dropout"),
        ({"n_members": 0}, "n_members"),
        ({"batch_size": -1}, "batch_size"),
        ({"learning_rate_init": 0.0}, "learning_rate_init"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"validation_fraction": 1.5}, "validation_fraction"),
        ({"sampler": "smote"}, "sampler"),
        ({"device": "tpu9"}, "device='tpu9'"),
        ({"optimizer": "lbfgs"}, "optimizer"),
        ({"focal_gamma": -1.0}, "gamma"),
        ({"focal_alpha": 2.0}, "alpha"),
        ({"link": "probit"}, "link"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, message):
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.tile([0, 1, 0], 20)
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(X, y)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": np.zeros(60)}, "only one class"),
        ({"y": np.random.default_rng(0).normal(size=60)}, "Unknown label type"),
        ({"y": np.r_[np.nan, np.ones(59)]}, "row 0"),
        ({"y": np.ones(5)}, "60 rows|only one class"),
        ({"y": np.tile([0, 1], 25)}, "X has 60 rows but y has 50"),
        ({"X": np.full((60, 2), np.inf)}, "column 0, row 0"),
        ({"X": pd.DataFrame({"bad": np.full(60, np.inf)})}, "'bad'"),
        ({"sample_weight": -np.ones(60)}, "negative"),
        ({"sample_weight": np.zeros(60)}, "zero in every row"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input(change, message):
    data = {
        "X": np.random.default_rng(0).normal(size=(60, 2)),
        "y": np.tile([0, 1, 0], 20),
        "sample_weight": None,
    } | change
    with pytest.raises(ValueError, match=message):
        make().fit(data["X"], data["y"], sample_weight=data["sample_weight"])


def test_a_progress_bar_is_shown_on_request(rare, capsys):
    X, y, _ = rare
    make(max_iter=3).fit(X, y)
    assert capsys.readouterr().err == ""
    make(max_iter=3, verbose=True).fit(X, y)
    assert "average precision" in capsys.readouterr().err


def test_without_torch_focaltab_imports_and_says_what_to_install():
    code = """
    import sys
    sys.modules["torch"] = None
    import importlib.util
    real = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *a: None if name == "torch" else real(name, *a)
    import focaltab, focaltab.neural
    for home in (focaltab, focaltab.neural):
        try:
            home.FocalMLPClassifier
        except ImportError as error:
            assert 'pip install "focaltab[torch]"' in str(error), error
        else:
            raise AssertionError("no error")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("link", ["logit", "focal"])
def test_a_last_batch_of_one_row_and_several_members(link):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(65, 3))
    y = (X[:, 0] + rng.normal(size=65) > 1.0).astype(int)
    model = FocalMLPClassifier(
        (8,), n_members=4, batch_size=64, max_iter=2, early_stopping=False, link=link
    )
    assert np.isfinite(model.fit(X, y).predict_proba(X)).all()
