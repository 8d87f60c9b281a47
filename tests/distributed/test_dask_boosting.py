import pickle
import subprocess
import sys

import pytest

pytest.importorskip("dask")

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import xgboost.dask
from distributed import Client
from lightgbm import DaskLGBMClassifier, LGBMClassifier
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from xgboost import XGBClassifier

from focaltab.boosting import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.distributed import DaskFocalLGBMClassifier, DaskFocalXGBClassifier
from focaltab.losses import ClassBalanced

PAIRS = {
    "xgboost": (DaskFocalXGBClassifier, FocalXGBClassifier, {"n_estimators": 8}),
    "lightgbm": (
        DaskFocalLGBMClassifier,
        FocalLGBMClassifier,
        # Where rows are spread LightGBM estimates how many are in a leaf, from their hessians.
        {"n_estimators": 8, "verbosity": -1, "min_child_weight": 1.0, "min_child_samples": 1},
    ),
}
both = pytest.mark.parametrize("library", list(PAIRS))
EVAL_WEIGHT = {"xgboost": "sample_weight_eval_set", "lightgbm": "eval_sample_weight"}


def whole_numbers(n_rows=2000, seed=0):
    """Features that every worker bins alike, so that models must agree to rounding."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.integers(0, 12, size=(n_rows, 4)).astype(float), columns=list("abcd"))
    score = 0.4 * X["a"] - 0.2 * X["b"] + rng.normal(size=n_rows)
    y = pd.Series(np.where(score > 3.6, "fraud", "fine"))
    weight = pd.Series(rng.uniform(0.5, 2.0, n_rows))
    return X, y, weight


def spread(*data, n=4):
    return [dd.from_pandas(one, npartitions=n, sort=False) for one in data]


def best_round(model):
    return model.best_iteration + 1 if hasattr(model, "best_iteration") else model.best_iteration_


@both
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            {"focal_alpha": "balanced", "class_weight": "balanced"}, marks=pytest.mark.slow
        ),
        {"focal_alpha": ClassBalanced(0.999), "link": "focal", "focal_gamma": (1.0, 3.0)},
        {"pos_label": "fine", "scale_pos_weight": 0.5, "focal_alpha": 0.3},
    ],
    ids=["balanced", "focal-link", "flipped"],
)
def test_the_model_is_the_local_one(client, library, options):
    distributed, local, parameters = PAIRS[library]
    X, y, weight = whole_numbers()
    # Rows in the order of their labels: most partitions have no positive, and the prevalence of
    # none is that of all.
    order = np.argsort(y.to_numpy(), kind="stable")
    X, y, weight = (one.iloc[order].reset_index(drop=True) for one in (X, y, weight))
    model = distributed(client=client, **parameters, **options)
    dX, dy, dw = spread(X, y, weight)
    assert (y.iloc[: len(y) // 4] == "fine").all()
    model.fit(dX, dy, sample_weight=dw)
    twin = local(**parameters, **options).fit(X, y, sample_weight=weight)
    assert model.prevalence_ == pytest.approx(twin.prevalence_, rel=1e-12)
    assert model.loss_.class_weights == pytest.approx(twin.loss_.class_weights, rel=1e-12)
    assert model.classes_.tolist() == ["fine", "fraud"]
    found = client.compute(model.predict_proba(dX)).result()
    np.testing.assert_allclose(found, twin.predict_proba(X), atol=1e-4)
    labels = client.compute(model.predict(dX)).result()
    assert labels.tolist() == model.classes_[found.argmax(axis=1)].tolist()


@pytest.mark.slow
@both
def test_continuous_features_differ_no_more_than_the_librarys_own_do(client, library):
    distributed, local, parameters = PAIRS[library]
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 5))
    y = (X[:, 0] + X[:, 1] + rng.normal(size=3000) > 2.5).astype(int)
    # Both workers hold rows, the same for all models.
    halves = [
        client.persist([da.from_array(X[rows], (750, 5)), da.from_array(y[rows], 750)], workers=w)
        for rows, w in zip(
            (slice(1500), slice(1500, None)), client.scheduler_info()["workers"], strict=True
        )
    ]
    dX, dy = (da.concatenate(one) for one in zip(*halves, strict=True))
    if library == "xgboost":
        theirs = xgboost.dask.DaskXGBClassifier(**parameters)
        theirs.client = client
        plain = XGBClassifier(**parameters)
    else:
        theirs, plain = (
            DaskLGBMClassifier(client=client, **parameters),
            LGBMClassifier(**parameters),
        )
    with client.as_current():
        theirs.fit(dX, dy)
        their_gap = np.abs(
            client.compute(theirs.predict_proba(dX)).result() - plain.fit(X, y).predict_proba(X)
        ).mean()
    model = distributed(client=client, **parameters).fit(dX, dy)
    ours = client.compute(model.predict_proba(dX)).result()
    gap = np.abs(ours - local(**parameters).fit(X, y).predict_proba(X)).mean()
    assert gap < 3 * their_gap
    # Calibrated in the large: the mean of the probabilities is the prevalence.
    assert ours[:, 1].mean() == pytest.approx(y.mean(), rel=0.05)


@both
def test_several_classes_and_a_partition_that_lacks_some(client, library):
    distributed, local, parameters = PAIRS[library]
    X, _, weight = whole_numbers()
    score = np.random.default_rng(2).gumbel(size=(len(X), 3))
    score[:, 1:] += 0.4 * X[["a", "b"]].to_numpy() - 3.0
    y = pd.Series(np.array([10, 20, 30])[score.argmax(axis=1)])
    order = np.argsort(y.to_numpy(), kind="stable")
    X, y, weight = (one.iloc[order].reset_index(drop=True) for one in (X, y, weight))
    dX, dy, dw = spread(X, y, weight)
    model = distributed(client=client, focal_alpha="balanced", **parameters)
    model.fit(dX, dy, sample_weight=dw)
    twin = local(focal_alpha="balanced", **parameters).fit(X, y, sample_weight=weight)
    assert model.prevalence_ == pytest.approx(twin.prevalence_)
    found = client.compute(model.predict_proba(dX)).result()
    np.testing.assert_allclose(found, twin.predict_proba(X), atol=1e-3)
    assert client.compute(model.predict(dX)).result().dtype == y.dtype


@both
def test_categories_are_split_as_such_and_must_be_known(client, library):
    distributed, local, parameters = PAIRS[library]
    X, _, _ = whole_numbers()
    rng = np.random.default_rng(3)
    X["kind"] = pd.Categorical(rng.choice(["u", "v", "w", "x"], len(X)))
    y = pd.Series((X["kind"].isin(["u", "w"]) & (rng.random(len(X)) < 0.4)).to_numpy())
    dX, dy = spread(X, y)
    model = distributed(client=client, **parameters).fit(dX, dy)
    twin = local(**parameters).fit(X, y)
    found = client.compute(model.predict_proba(dX)).result()
    # LightGBM smooths categories by their rows, whose number it estimates where they are spread.
    assert np.abs(found - twin.predict_proba(X)).mean() < (1e-5 if library == "xgboost" else 1e-2)
    by_kind = pd.Series(found[:, 1]).groupby(X["kind"], observed=True).mean()
    assert by_kind["u"] > 0.3
    assert by_kind["v"] < 0.15
    unknown = dX.assign(kind=dX["kind"].cat.as_unknown())
    with pytest.raises(ValueError, match=r"'kind'.*\.categorize\("):
        distributed(client=client).fit(unknown, dy)
    with pytest.raises(ValueError, match=r"'kind' is of dtype .*categor"):
        distributed(client=client).fit(dX.assign(kind=dX["kind"].astype(str)), dy)


@pytest.mark.slow
@both
@pytest.mark.parametrize("n_evaluation", [1, 3])
def test_early_stopping_goes_by_average_precision_of_all_workers(client, library, n_evaluation):
    distributed, local, parameters = PAIRS[library]
    parameters = {**parameters, "n_estimators": 200, "early_stopping_rounds": 3}
    X, y, _ = whole_numbers(seed=0)
    X_eval, y_eval, weight = whole_numbers(900, seed=1)
    dX, dy = spread(X, y)
    given = spread(X_eval, y_eval, weight, n=n_evaluation)
    model = distributed(client=client, **parameters)
    model.fit(dX, dy, eval_set=[tuple(given[:2])], **{EVAL_WEIGHT[library]: [given[2]]})
    twin = local(**parameters)
    twin.fit(X, y, eval_set=[(X_eval, y_eval)], **{EVAL_WEIGHT[library]: [weight]})
    assert best_round(model) == best_round(twin) < 200
    (history,) = model.evals_result_.values()
    (expected,) = twin.evals_result_.values()
    np.testing.assert_allclose(
        history["average_precision"], expected["average_precision"], atol=1e-4
    )
    figure = average_precision_score(
        y_eval == "fraud", model.to_local().predict_proba(X_eval)[:, 1], sample_weight=weight
    )
    assert figure == pytest.approx(max(history["average_precision"]), abs=1e-4)


@pytest.mark.slow
@both
def test_evaluation_rows_may_lie_where_no_training_row_does(client, library):
    distributed, _, parameters = PAIRS[library]
    first, second = client.scheduler_info()["workers"]
    X, y, _ = whole_numbers()
    train = [client.persist(one, workers=first) for one in spread(X, y, n=2)]
    held_out = [client.persist(one, workers=second) for one in spread(X, y, n=2)]
    model = distributed(client=client, early_stopping_rounds=3, **parameters)
    model.fit(*train, eval_set=[tuple(held_out)])
    (history,) = model.evals_result_.values()
    figure = average_precision_score(y == "fraud", model.to_local().predict_proba(X)[:, 1])
    assert figure == pytest.approx(max(history["average_precision"]), abs=1e-4)


@pytest.mark.slow
@both
def test_without_eval_set_a_part_of_all_partitions_is_held_out(client, library):
    distributed, _, parameters = PAIRS[library]
    parameters = {**parameters, "n_estimators": 300, "early_stopping_rounds": 2}
    parameters["learning_rate"] = 0.5
    X, y, weight = whole_numbers()
    dX, dy, dw = spread(X, y, weight)
    models = [
        distributed(client=client, random_state=seed, **parameters).fit(dX, dy, sample_weight=dw)
        for seed in (0, 0, 1)
    ]
    assert best_round(models[0]) < 300
    # Which rows are left decides the weighted prevalence.
    assert models[0].prevalence_ == models[1].prevalence_ != models[2].prevalence_
    with pytest.raises(ValueError, match="class number 1 has 1 row: pass eval_set"):
        rare = pd.Series(np.arange(len(X)) == 7)
        distributed(client=client, **parameters).fit(dX, *spread(rare))


@both
def test_predictions_are_lazy_and_follow_partitions(client, library):
    distributed, _, parameters = PAIRS[library]
    X, y, _ = whole_numbers(1000)
    model = distributed(client=client, **parameters).fit(*spread(X, y))
    dX = spread(X, n=3)[0]

    def fail(part):
        raise RuntimeError("computed")

    untouched = dX.map_partitions(fail, meta=dX._meta)
    proba = model.predict_proba(untouched)
    assert isinstance(proba, da.Array)
    assert proba.numblocks == (3, 1)
    with pytest.raises(RuntimeError, match="computed"):
        client.compute(proba).result()
    some_empty = dd.concat([dX, dX[dX["a"] < 0]])
    found = client.compute(model.predict_proba(some_empty)).result()
    np.testing.assert_array_equal(found, model.to_local().predict_proba(X))
    array = da.from_array(X.to_numpy(), chunks=(400, 2))
    on_arrays = distributed(client=client, **parameters).fit(
        array, da.from_array(y.to_numpy(), 400)
    )
    proba = on_arrays.predict_proba(array)
    assert proba.shape == (1000, 2)
    assert on_arrays.predict(array).chunks == ((400, 400, 200),)
    assert client.compute(proba).result().shape == (1000, 2)


@pytest.mark.slow
@both
def test_empty_partitions_change_nothing(client, library):
    distributed, _, parameters = PAIRS[library]
    X, y, _ = whole_numbers()
    both_parts = spread(pd.concat([X, y.rename("y")], axis=1))[0]
    with_empty = dd.concat([both_parts[both_parts["a"] < 0], both_parts])
    models = [
        distributed(client=client, **parameters).fit(table[list("abcd")], table["y"])
        for table in (both_parts, with_empty)
    ]
    assert models[0].prevalence_ == models[1].prevalence_
    np.testing.assert_allclose(*(m.to_local().predict_proba(X) for m in models), atol=1e-4)
    nothing = both_parts[both_parts["a"] < 0]
    with pytest.raises(ValueError, match="every partition is empty"):
        distributed(client=client).fit(nothing[list("abcd")], nothing["y"])


@both
def test_the_local_model_can_be_saved_and_the_estimator_copied(client, library, tmp_path):
    distributed, local, parameters = PAIRS[library]
    X, y, _ = whole_numbers(1000)
    model = distributed(client=client, focal_gamma=1.5, **parameters)
    copy = clone(model)
    assert copy.client is client
    assert copy.focal_gamma == 1.5
    model.fit(*spread(X, y))
    twin = model.to_local()
    assert type(twin) is local
    expected = twin.predict_proba(X)
    assert twin.predict(X).tolist() == twin.classes_[expected.argmax(axis=1)].tolist()
    if library == "xgboost":
        twin.save_model(tmp_path / "model.json")
        again = FocalXGBClassifier()
        again.load_model(tmp_path / "model.json")
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        assert again.classes_.tolist() == ["fine", "fraud"]
    for one in (pickle.loads(pickle.dumps(twin)), pickle.loads(pickle.dumps(model)).to_local()):
        np.testing.assert_array_equal(one.predict_proba(X), expected)
    assert pickle.loads(pickle.dumps(model)).client is None


def replaced(column, row, value):
    column = column.copy()
    column.iloc[row] = value
    return column


@pytest.mark.slow
@both
def test_columns_of_several_small_files(client, library, tmp_path):
    """Dask reads few columns of small files in fewer partitions than it says there are."""
    distributed, local, options = PAIRS[library]
    X, y, _ = whole_numbers(600)
    table = X.assign(label=y, unused="text" * 50)
    for k in range(3):
        table.iloc[200 * k : 200 * (k + 1)].to_parquet(tmp_path / f"{k}.parquet")
    read = dd.read_parquet(f"{tmp_path}/*.parquet", columns=[*X, "label"])
    options = {**options, "pos_label": "fraud"}
    model = distributed(client=client, **options).fit(read[list(X)], read["label"])
    expected = local(**options).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(model.to_local().predict_proba(X), expected, atol=1e-3)


@both
def test_bad_input_is_refused_with_its_place(client, library):
    distributed, _, _ = PAIRS[library]
    X, y, weight = whole_numbers(400)
    dX, dy, dw = spread(X, y, weight)
    model = distributed(client=client)
    with pytest.raises(TypeError, match=r"X must be a Dask .*got pandas DataFrame: .*from_pandas"):
        model.fit(X, dy)
    with pytest.raises(TypeError, match=r"y must be a Dask .*got numpy ndarray"):
        model.fit(dX, y.to_numpy())
    with pytest.raises(ValueError, match="sampling='hard_negative' is for tables in memory"):
        distributed(client=client, sampling="hard_negative").fit(dX, dy)
    with pytest.raises(TypeError, match="sample_weight must be a Dask"):
        model.fit(dX, dy, sample_weight=weight)
    with pytest.raises(ValueError, match="partition 1: y has a missing"):
        model.fit(dX, *spread(replaced(y, 150, None)))
    with pytest.raises(ValueError, match="partition 2: X has 100 rows but y has 90 labels"):
        model.fit(
            dX,
            dd.from_delayed(
                [dy.partitions[k].to_delayed()[0] for k in (0, 1)]
                + spread(y.iloc[:90], y.iloc[:100], n=1)[0].to_delayed()
                + [dy.partitions[3].to_delayed()[0]]
            ),
        )
    with pytest.raises(ValueError, match="X has 4 partitions but y has 3"):
        model.fit(dX, *spread(y, n=3))
    with pytest.raises(ValueError, match="partition 3: sample_weight must be finite and not neg"):
        model.fit(dX, dy, sample_weight=spread(replaced(weight, 399, -1.0))[0])
    with pytest.raises(ValueError, match="sample_weight is zero in every row"):
        model.fit(dX, dy, sample_weight=dw * 0)
    with pytest.raises(ValueError, match=r"partition 0: Infinite value .*'b'"):
        model.fit(*spread(X.assign(b=replaced(X["b"], 3, np.inf))), dy)
    with pytest.raises(ValueError, match="only one class"):
        model.fit(dX, *spread(pd.Series(["fine"] * 400)))
    with pytest.raises(ValueError, match="label odd in row 0 is not among"):
        model.fit(dX, dy, eval_set=[(dX, spread(pd.Series(["odd"] * 400))[0])])
    with pytest.raises(ValueError, match="eval_set 0: there is no row of class 'fraud'"):
        model.set_params(early_stopping_rounds=2).fit(
            dX, dy, eval_set=[(dX, spread(pd.Series(["fine"] * 400))[0])]
        )
    with pytest.raises(ValueError, match="eval_set 0: X has columns"):
        model.fit(dX, dy, eval_set=[(dX[["a", "b"]], dy)])
    with pytest.raises(TypeError, match="X must be a Dask"):
        distributed(client=client, n_estimators=2).fit(dX, dy).predict_proba(X)


@both
def test_a_client_is_needed_and_must_be_open(client, library):
    distributed, _, _ = PAIRS[library]
    X, y, _ = whole_numbers(100)
    with pytest.raises(ValueError, match="There is no Dask client"):
        distributed().fit(*spread(X, y))
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client, got str"):
        distributed(client="tcp://here:1").fit(*spread(X, y))
    closed = Client(client.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(ValueError, match="client is closed"):
        distributed(client=closed).fit(*spread(X, y))


def test_a_users_metric_is_handed_the_rows_of_all_workers(client):
    X, y, _ = whole_numbers(1000)

    def n_rows_and_positives(y_true, y_score):
        assert 0 <= y_score.min() <= y_score.max() <= 1
        return len(y_true) + y_true.sum() / 1000

    dX, dy = spread(X, y)
    model = DaskFocalXGBClassifier(
        client=client, n_estimators=2, eval_metric=[n_rows_and_positives, "logloss"]
    ).fit(dX, dy, eval_set=[(dX, dy)])
    history = model.evals_result_["validation_0"]
    expected = 1000 + (y == "fraud").sum() / 1000
    assert history["n_rows_and_positives"] == pytest.approx([expected] * 2)
    assert len(history["logloss"]) == 2
    with pytest.raises(ValueError, match="average precision over all"):
        DaskFocalLGBMClassifier(client=client, metric="auc").fit(dX, dy)


def test_without_dask_the_message_names_the_extra():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from focaltab.distributed import DaskFocalXGBClassifier"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "focaltab[dask]" in done.stderr
