"""Losses compared on the same folds: honest figures, and nothing lost to a failure or a kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from optional import FocalMLPClassifier
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.comparison import compare_losses
from focaltab.comparison._verdict import holm
from focaltab.metrics import average_precision, recall_at_k
from focaltab.model_selection import TimeGapSplit
from focaltab.pipeline import make_pipeline
from focaltab.plots import LossComparisonDisplay

LGBM = {"lgbm": FocalLGBMClassifier(n_estimators=8, n_jobs=1, verbosity=-1, random_state=0)}
BOTH = {**LGBM, "xgb": FocalXGBClassifier(n_estimators=8, n_jobs=1, random_state=0)}


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(0)
    n = 1500
    X = pd.DataFrame(
        {
            "amount": rng.gamma(1.0, 80.0, n),
            "country": pd.Categorical(rng.choice(["FR", "NO", "IT"], n)),
            "customer": rng.integers(0, 200, n),
        }
    )
    risk = X["amount"] / 80 + (X["country"] == "NO") + rng.logistic(size=n)
    X.loc[::11, ["amount", "country"]] = None
    return X, np.where(risk > 4.5, "fraud", "fine")


@pytest.fixture(scope="module")
def comparison(payments):
    X, y = payments
    return compare_losses(X, y, models=BOTH, cv=3, n_repeats=2)


def test_all_losses_of_all_models_and_the_forest_once(comparison):
    losses = {
        "cross_entropy",
        "weighted_cross_entropy",
        "focal",
        "class_balanced_focal",
        "over_sampling",
        "under_sampling",
    }
    expected = {(model, loss) for model in BOTH for loss in losses}
    assert set(comparison.table.index) == expected | {("forest", "balanced_random_forest")}
    assert comparison.failures == {}
    assert len(comparison.folds) == 13 * 6
    apart = comparison.table["difference"]
    assert apart.notna().sum() == 10 and "p_value_holm" in comparison.table


def test_folds_are_the_same_for_all_and_differences_are_paired(payments, comparison):
    X, y = payments
    per_fold = comparison.folds.groupby("fold")
    for column in ("n_train", "n_test", "positives_train", "positives_test"):
        assert (per_fold[column].nunique() == 1).all()
    by = comparison.folds.set_index(["model", "loss", "fold"]).sort_index()["average_precision"]
    apart = by["lgbm", "focal"] - by["lgbm", "cross_entropy"]
    told = comparison.table.loc[("lgbm", "focal")]
    assert told["difference"] == pytest.approx(apart.mean())
    # Nadeau and Bengio: the variance of the mean allows for shared training rows.
    error = np.sqrt((1 / 6 + 1 / 2) * apart.var(ddof=1))
    assert told["difference_high"] - told["difference"] == pytest.approx(2.5706 * error, rel=1e-3)
    # One figure by hand, on the first of the folds that a number makes.
    train, test = next(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y == "fraud"))
    model = make_pipeline(LGBM["lgbm"], random_state=0).fit(X.iloc[train], y[train])
    p = model.predict_proba(X.iloc[test])[:, 1]
    row = comparison.folds.set_index(["model", "loss", "fold"]).loc[("lgbm", "focal", 0)]
    assert row["average_precision"] == pytest.approx(
        average_precision(y[test], p, pos_label="fraud")
    )
    assert row["recall_at_5%"] == pytest.approx(
        recall_at_k(y[test], p, k=0.05 * test.size, pos_label="fraud")
    )


@pytest.mark.slow
def test_resampling_is_corrected_and_class_weights_are_reported_as_they_are(comparison):
    error = comparison.table["calibration_error"]
    for model in BOTH:
        assert error[model, "weighted_cross_entropy"] > 2 * error[model, "over_sampling"]
        assert error[model, "weighted_cross_entropy"] > 2 * error[model, "under_sampling"]
        assert error[model, "weighted_cross_entropy"] > 2 * error[model, "class_balanced_focal"]


def figures(comparison):
    return comparison.folds.drop(columns="fit_time")


@pytest.mark.slow
def test_results_repeat_and_do_not_depend_on_processes(payments, comparison):
    X, y = payments
    options = {"models": BOTH, "losses": ["focal", "under_sampling"], "cv": 3}
    again = compare_losses(X, y, **options, n_jobs=2)
    names = ["cross_entropy", "focal", "under_sampling"]
    before = comparison.folds[comparison.folds["loss"].isin(names)].reset_index(drop=True)
    pd.testing.assert_frame_equal(figures(again), before.drop(columns="fit_time"))


def test_noise_wins_nothing():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 3))
    y = (rng.random(600) < 0.1).astype(int)
    done = compare_losses(X, y, models=LGBM, losses=["focal", "over_sampling"], cv=3)
    assert "no loss beats cross_entropy beyond noise" in done.verdict
    lines = done.verdict.splitlines()
    assert lines[1] == "Focal loss won nothing on these data."
    assert re.match(r"Folds with as few as \d+ positives .* large differences alone", lines[2])
    assert "Focal loss won nothing" in repr(done)
    assert "Focal loss won nothing" in done._repr_html_()


def test_a_real_difference_is_told(payments):
    X, y = payments

    class Crippled(FocalLGBMClassifier):
        """Learns nothing unless its loss is focal."""

        def fit(self, X, y, **options):
            self.set_params(n_estimators=8 if self.focal_gamma else 1, learning_rate=0.1)
            if not self.focal_gamma:
                self.set_params(num_leaves=2, min_child_samples=700)
            return super().fit(X, y, **options)

    done = compare_losses(
        X, y, models={"own": Crippled(n_jobs=1, verbosity=-1)}, losses=["focal"], cv=5
    )
    assert "own: focal beats cross_entropy beyond noise, by +" in done.verdict
    assert "won nothing" not in done.verdict


class Broken(FocalLGBMClassifier):
    """Fails under focal loss, as a library may on some data."""

    def fit(self, X, y, **options):
        if self.focal_gamma:
            raise RuntimeError("the leaf is wilted\n  at tree.cpp:7")
        return super().fit(X, y, **options)


def test_a_candidate_that_fails_is_reported_and_left_out(payments, tmp_path):
    X, y = payments
    models = {"own": Broken(n_estimators=5, n_jobs=1, verbosity=-1), **LGBM}
    path = tmp_path / "done.jsonl"
    done = compare_losses(X, y, models=models, losses=["focal"], cv=3, n_repeats=1, results=path)
    assert done.failures == {"own focal": "RuntimeError: the leaf is wilted"}
    assert ("own", "cross_entropy") in done.table.index
    assert ("own", "focal") not in done.table.index
    assert ("lgbm", "focal") in done.table.index
    assert "Left out, since they failed: own focal." in done.verdict
    assert "wilted" not in path.read_text()
    with pytest.raises(ValueError, match="every candidate failed; own cross_entropy: Light"):
        bad = Broken(n_estimators=5, verbosity=-1, num_leaves=-3)
        compare_losses(X, y, models={"own": bad}, losses=["focal"], cv=3, n_repeats=1)


def test_a_comparison_goes_on_where_it_was_cut_off(payments, tmp_path):
    X, y = payments
    path = tmp_path / "done.jsonl"
    options = {"models": BOTH, "losses": ["focal"], "cv": 3, "n_repeats": 1}
    whole = compare_losses(X, y, **options, results=path)
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 4 * 3
    path.write_text("".join(lines[:6]) + lines[6][:40])
    again = compare_losses(X, y, **options, results=path)
    pd.testing.assert_frame_equal(figures(again), figures(whole))
    kept = [json.loads(line) for line in lines[1:6]]
    rows = again.folds.set_index(["model", "loss", "fold"])["fit_time"]
    for row in kept:  # even to the time: it was not fitted again
        assert rows[row["model"], row["loss"], row["fold"]] == row["figures"]["fit_time"]
    assert len(path.read_text().splitlines()) == 13
    # A model with other parameters is fitted anew.
    other = {**BOTH, "lgbm": FocalLGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1)}
    changed = compare_losses(X, y, **{**options, "models": other}, results=path)
    means = [c.table["average_precision"]["lgbm", "focal"] for c in (whole, changed)]
    assert means[0] != means[1]
    for data in ((X.assign(amount=X["amount"] + 1.0), y), (X, y[::-1])):
        with pytest.raises(ValueError, match="results of other data, folds or settings"):
            compare_losses(*data, **options, results=path)
    path.write_text(lines[0][:25])
    pd.testing.assert_frame_equal(
        figures(compare_losses(X, y, **options, results=path)), figures(whole)
    )
    (tmp_path / "notes.txt").write_text("my notes\n")
    with pytest.raises(ValueError, match="holds no results of a comparison"):
        compare_losses(X, y, **options, results=tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="is a folder"):
        compare_losses(X, y, **options, results=tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "my notes\n"


SCRIPT = """
import sys, time, numpy as np
from pathlib import Path
from focaltab import FocalLGBMClassifier
from focaltab.comparison import compare_losses

results, halt = (sys.argv[1:] + [None, None])[:2]

class Halting(FocalLGBMClassifier):
    def fit(self, X, y, **options):
        while halt and Path(results).exists() and Path(results).read_text().count("\\n") > 3:
            time.sleep(0.1)  # until it is killed
        return super().fit(X, y, **options)

rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 5)); y = (X[:, 0] + rng.normal(size=2000) > 2).astype(int)
model = Halting(n_estimators=8, n_jobs=1, verbosity=-1)
done = compare_losses(X, y, models={"m": model}, losses=["focal"], cv=5, n_repeats=2,
                      results=results)
print(done.table.drop(columns="fit_time").to_csv())
"""


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_table(tmp_path):
    path = tmp_path / "done.jsonl"
    command = [sys.executable, "-c", SCRIPT]
    first = subprocess.Popen([*command, str(path), "halt"], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 600
    while (
        first.poll() is None
        and time.monotonic() < end
        and not (path.exists() and path.read_text().count("\n") > 3)
    ):
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    n_done = path.read_text().count("\n") - 1
    assert 3 <= n_done < 20
    resumed = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    unbroken = subprocess.run(command, capture_output=True, text=True, check=True)
    assert resumed.stdout == unbroken.stdout


def test_groups_weights_time_and_sparse_rows(payments):
    X, y = payments
    options = {"models": LGBM, "losses": ["focal"], "cv": 3, "n_repeats": 1}
    weight = np.where(X["country"] == "NO", 3.0, 0.5)
    weighted = compare_losses(X, y, **options, sample_weight=weight, groups=X["customer"])
    plain = compare_losses(X, y, **options, groups=X["customer"])
    assert not np.allclose(weighted.table["log_loss"], plain.table["log_loss"])
    assert weighted.table["recall_at_5%"].between(0.05, 1.0).all()
    later = {**options, "cv": TimeGapSplit(3, time="day", gap=5), "n_repeats": 5}
    by_time = compare_losses(X.assign(day=np.arange(len(X)) // 10), y, **later)
    assert by_time.folds["n_train"].tolist()[:3] == [330, 710, 1080]
    numbers = X[["amount", "customer"]].fillna(0.0).to_numpy()
    dense = compare_losses(numbers, y, **options)
    thin = compare_losses(sparse.csr_array(numbers), y, **options)
    np.testing.assert_allclose(
        dense.table["average_precision"], thin.table["average_precision"], atol=0.05
    )


def test_the_other_label_as_the_positive_one(payments):
    X, y = payments
    options = {"models": LGBM, "losses": ["focal"], "cv": 3, "n_repeats": 1}
    swapped = np.where(y == "fraud", "a fraud", "fine")
    one = compare_losses(X, y, **options)
    other = compare_losses(X, swapped, **options, pos_label="a fraud")
    np.testing.assert_allclose(one.table["average_precision"], other.table["average_precision"])


@pytest.mark.slow
def test_a_network_on_the_same_folds(payments):
    X, y = payments
    mlp = {"mlp": FocalMLPClassifier((8,), max_iter=2, early_stopping=False, random_state=0)}
    options = {"losses": ["focal", "over_sampling"], "cv": 2, "n_repeats": 1}
    done = compare_losses(X, y, models={**LGBM, **mlp}, **options)
    again = compare_losses(X, y, models={**LGBM, **mlp}, **options, n_jobs=2)
    # Of a network in processes of fewer threads, the last digits may rank two rows otherwise.
    for model, rtol in (("lgbm", 1e-5), ("mlp", 0.01)):
        one, other = (f[f["model"] == model] for f in (figures(done), figures(again)))
        assert len(one)
        pd.testing.assert_frame_equal(one, other, rtol=rtol)
    assert len(done.table) == 6 and not done.failures


def test_hard_negatives_when_asked_for(payments):
    X, y = payments
    options = {"losses": ["hard_negatives"], "cv": 2, "n_repeats": 1}
    plain = FocalLGBMClassifier(n_estimators=10, n_jobs=1, verbosity=-1, random_state=0)
    sampled = clone(plain).set_params(sampling="hard_negative")
    done = compare_losses(X, y, models={"lgbm": sampled}, **options)
    assert done.table.index.tolist() == [("lgbm", "cross_entropy"), ("lgbm", "hard_negatives")]
    assert not done.failures
    # The reference is trained on all rows, whatever the model that was given does.
    of_plain = compare_losses(X, y, models={"lgbm": plain}, **options)
    pd.testing.assert_frame_equal(figures(done), figures(of_plain))
    assert done.table["difference"].notna().sum() == 1


def test_identifiers_are_told_of_once(payments):
    X, y = payments
    X = X.assign(ticket=[f"t{k}" for k in range(len(X))])
    with pytest.warns(UserWarning, match="Column 'ticket' is left out") as caught:
        compare_losses(X, y, models=LGBM, losses=["focal"], cv=2, n_repeats=1)
    assert len([w for w in caught if "ticket" in str(w.message)]) == 1


def test_progress_is_shown_on_stderr_when_asked(payments, capfd):
    X, y = payments
    options = {"models": LGBM, "losses": ["focal"], "cv": 2, "n_repeats": 1}
    compare_losses(X, y, **options)
    assert capfd.readouterr() == ("", "")
    compare_losses(X, y, **options, verbose=1)
    shown = capfd.readouterr()
    assert shown.out == "" and "4/4" in shown.err


@pytest.mark.parametrize(
    "options, message",
    [
        ({"losses": ["focall"]}, "unknown loss 'focall': there are .*Did you mean 'focal'"),
        ({"models": ["xgboost"]}, "unknown model 'xgboost': there are xgb, lgbm, mlp"),
        ({"models": {"own": object()}}, "must be one of focaltab's classifiers"),
        ({"models": {"forest": LGBM["lgbm"]}}, "is that of balanced_random_forest"),
        ({"models": []}, "models is empty"),
        ({"losses": []}, "losses is empty"),
        ({"budgets": [5]}, r"budgets must be shares of rows in \(0, 1\), got 5"),
        ({"n_repeats": 0}, "n_repeats must be a whole number of at least 1"),
        ({"random_state": None}, "random_state must be a whole number"),
        ({"cv": 5000}, "fewer than 5000 folds"),
        ({"pos_label": "theft"}, "pos_label='theft'"),
        ({"sample_weight": [1.0, 2.0]}, "sample_weight"),
    ],
)
def test_bad_input(payments, options, message):
    X, y = payments
    with pytest.raises(ValueError, match=message):
        compare_losses(X, y, **{"models": LGBM, **options})


def test_too_few_positives_and_folds_without_weight(payments):
    X, _ = payments
    one = np.array(["fine"] * (len(X) - 1) + ["fraud"])
    with pytest.raises(ValueError, match="1 row of the positive class 'fraud'"):
        compare_losses(X, one, models=LGBM)
    with pytest.raises(ValueError, match="Only binary classification"):
        compare_losses(X, np.arange(len(X)) % 3, models=LGBM)
    y = np.arange(len(X)) % 10 == 0
    with pytest.raises(ValueError, match="zero in every positive row of the"):
        compare_losses(X, y, models=LGBM, cv=2, sample_weight=1.0 - y)


@pytest.mark.parametrize("value, message", [(np.inf, "column 'amount', row 0"), ([], "lists")])
def test_a_table_that_no_model_can_use_is_refused_before_any_fit(payments, value, message):
    X, y = payments
    X = X.assign(amount=pd.Series([value, *X["amount"][1:]], dtype=object))
    with pytest.raises(ValueError, match=message) as refused:
        compare_losses(X, y, models=LGBM)
    assert "every candidate" not in str(refused.value)


def test_holm():
    # Holm's procedure by hand: 0.01*4, 0.02*3, max(0.06, 0.03*2), max(0.06, 0.5).
    np.testing.assert_allclose(
        holm(np.array([0.03, 0.01, np.nan, 0.5, 0.02])), [0.06, 0.04, np.nan, 0.5, 0.06]
    )


def test_the_plot_shows_every_difference(comparison):
    pytest.importorskip("matplotlib")
    draw = LossComparisonDisplay.from_comparison
    display = draw(comparison)
    assert [len(bar[0].get_xdata()) for bar in display.errorbars_] == [5, 5]
    drawn = np.concatenate([bar[0].get_xdata() for bar in display.errorbars_])
    np.testing.assert_allclose(drawn, comparison.table["difference"].dropna())
    assert "lower is better" in draw(comparison, metric="log_loss").ax_.get_xlabel()
    with pytest.raises(ValueError, match="unknown metric 'auc'"):
        draw(comparison, metric="auc")


def test_one_fold_says_nothing_about_noise(payments):
    pytest.importorskip("matplotlib")
    X, y = payments
    rows = np.arange(len(X))
    done = compare_losses(X, y, models=LGBM, losses=["focal"], cv=[(rows[::2], rows[1::2])])
    assert "lgbm: the folds say nothing about noise" in done.verdict
    assert "won nothing" not in done.verdict
    assert np.isnan(done.table["p_value"]["lgbm", "focal"])
    assert len(LossComparisonDisplay.from_comparison(done).errorbars_) == 1


def test_the_reference_alone_can_be_measured_but_not_drawn(payments):
    X, y = payments
    done = compare_losses(X, y, models=LGBM, losses=["cross_entropy"], cv=2, n_repeats=1)
    assert done.table.index.tolist() == [("lgbm", "cross_entropy")]
    assert done.verdict.startswith("lgbm: nothing to compare")
    with pytest.raises(ValueError, match="no difference to draw"):
        LossComparisonDisplay.from_comparison(done)


def test_a_users_model_is_compared_without_weights_of_its_own(payments):
    X, y = payments
    options = {"n_estimators": 10, "n_jobs": 1, "verbosity": -1}
    weighted = FocalLGBMClassifier(
        focal_alpha=0.9, class_weight="balanced", pos_label="fraud", **options
    )
    tables = [
        compare_losses(X, y, models={"m": model}, losses=["focal"], cv=2, n_repeats=1).table
        for model in (weighted, FocalLGBMClassifier(**options))
    ]
    pd.testing.assert_series_equal(tables[0]["log_loss"], tables[1]["log_loss"])


def test_the_positive_label_is_the_one_that_the_models_are_told(payments):
    X, y = payments
    labels = np.where(y == "fraud", "fraud", "legit")
    told = {"m": FocalLGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1, pos_label="fraud")}
    options = {"losses": ["focal"], "cv": 2, "n_repeats": 1}
    by_model = compare_losses(X, labels, models=told, **options)
    outer = compare_losses(X, labels, models=told, pos_label="fraud", **options)
    pd.testing.assert_frame_equal(
        by_model.table.drop(columns="fit_time"), outer.table.drop(columns="fit_time")
    )
    other = clone(told["m"]).set_params(pos_label="legit")
    with pytest.raises(ValueError, match=r"models\['n'\].* name different positive labels"):
        compare_losses(X, labels, models={**told, "n": other}, **options)
    with pytest.raises(ValueError, match=r"pos_label='legit' and .* different positive"):
        compare_losses(X, labels, models=told, pos_label="legit", **options)
    with pytest.raises(ValueError, match="'1' is the name of two"):
        compare_losses(X, y, models={1: other, "1": other}, **options)


class Slower(FocalLGBMClassifier):
    """Another class with the same parameters."""

    def fit(self, X, y, **options):
        return super().fit(X, np.roll(np.asarray(y), 1), **options)


def test_stored_results_are_of_one_class_and_one_generator(payments, tmp_path):
    X, y = payments
    options = {"losses": ["focal"], "cv": 2, "n_repeats": 1, "results": tmp_path / "r.jsonl"}

    def run(kind, seed):
        model = kind(n_estimators=5, n_jobs=1, verbosity=-1, subsample=0.5, subsample_freq=1)
        model.set_params(random_state=np.random.RandomState(seed))
        found = compare_losses(X, y, models={"m": model}, **options)
        lines = (tmp_path / "r.jsonl").read_text().splitlines()
        return found.table["average_precision"].tolist(), len(lines)

    first, n_lines = run(FocalLGBMClassifier, 0)
    assert run(FocalLGBMClassifier, 0) == (first, n_lines)
    other, n_more = run(FocalLGBMClassifier, 1)
    assert other != first and n_more > n_lines
    assert max(run(Slower, 0)[0]) < 0.5 * max(first)
