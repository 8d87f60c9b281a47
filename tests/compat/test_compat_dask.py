import threading
import time

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("distributed")
import dask.array as da
import dask.dataframe as dd
from distributed import Client, LocalCluster
from lightgbm import DaskLGBMRegressor, LGBMRegressor
from xgboost import dask as xgboost_dask

from focaltab._compat import lightgbm, xgboost
from focaltab._compat.dask import example_of, is_busy_with, last_of, workers_meant_for

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 2))
codes = (X[:, 0] > 0.5).astype(np.int8)


# Known to the workers by name, which are threads of this process.
BEGUN, ENDED = threading.Event(), threading.Event()
MADE = []


def wait_for_the_end():
    BEGUN.set()
    assert ENDED.wait(60)
    return 1


class Model(LGBMRegressor):
    def fit(self, *data, **options):
        MADE.append(self)
        return super().fit(*data, **options)


@pytest.fixture(scope="module")
def one_worker():
    """A client of a cluster of threads, which is all that these uses need."""
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_examples_have_the_columns_and_types_of_the_partitions():
    frame = pd.DataFrame({"a": [1.5], "b": pd.Categorical(["x"])})
    pd.testing.assert_frame_equal(example_of(dd.from_pandas(frame, npartitions=1)), frame[:0])
    example = example_of(da.zeros((4, 2), dtype=np.float32))
    assert isinstance(example, np.ndarray) and example.dtype == np.float32 and example.size == 0


def test_tasks_are_followed_on_the_scheduler_and_the_worker(one_worker):
    (address,) = one_worker.ncores()
    try:
        first = one_worker.submit(wait_for_the_end, key="first", workers=[address])
        second = one_worker.submit(lambda x: x + 1, first, key="second", pure=False)
        assert BEGUN.wait(60)
        while one_worker.run_on_scheduler(last_of, ["second"]) != ["second"]:
            time.sleep(0.01)  # it is on its way to the scheduler
        on_scheduler, keys = one_worker.run_on_scheduler, ["first", "unknown"]
        assert on_scheduler(workers_meant_for, keys) == [address]
        assert on_scheduler(workers_meant_for, ["second"]) == []
        assert on_scheduler(last_of, keys) == ["second"]
        assert one_worker.run(is_busy_with, keys) == {address: True}
        assert one_worker.run(is_busy_with, ["second"]) == {address: False}
    finally:
        ENDED.set()
    assert second.result(60) == 2
    assert one_worker.run(is_busy_with, ["first"]) == {address: False}


def keys_of(client, train):
    """The names of the tasks that a call leaves on the client while it runs."""
    seen, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            seen.update(map(str, list(client.futures)))
            done.wait(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return train(), seen
    finally:
        done.set()
        watcher.join()


def test_lightgbm_trains_models_of_another_class_by_tasks_of_its_name(one_worker):
    trainer = DaskLGBMRegressor(client=one_worker, n_estimators=30, verbosity=-1)
    chunks = [da.from_array(one, chunks=100) for one in (X, codes)]
    options = {"init_score": da.zeros(200, chunks=100)}
    _, keys = keys_of(
        one_worker, lambda: lightgbm.train_on_cluster(trainer, Model, *chunks, options)
    )
    assert [type(one) for one in MADE] == [Model]
    assert any(key.startswith(f"{lightgbm.DASK_TASK}-") for key in keys)
    local = LGBMRegressor(n_estimators=30, verbosity=-1).fit(X, codes, init_score=np.zeros(200))
    np.testing.assert_allclose(trainer.booster_.predict(X), local.predict(X), rtol=1e-9)


def test_xgboost_evaluates_on_the_rows_that_are_dealt_out(one_worker):
    def matrix(reference=None):
        parts = [da.from_array(one, chunks=100) for one in (X, codes)]
        return xgboost_dask.DaskQuantileDMatrix(one_worker, *parts, ref=reference)

    training = matrix()
    held_out = matrix(training)
    assert xgboost.workers_of(training) == list(one_worker.ncores())
    weight = np.linspace(0.1, 2.0, 50)
    share = one_worker.submit(xgboost.partition_of, X[:50], codes[:50], weight, pure=False)
    xgboost.deal_out(held_out, {address: [share] for address in xgboost.workers_of(training)})
    result, keys = keys_of(
        one_worker,
        lambda: xgboost_dask.train(
            one_worker,
            {"objective": "binary:logistic", "eval_metric": "logloss"},
            training,
            20,
            evals=[(held_out, "held_out")],
        ),
    )
    p = np.clip(result["booster"].inplace_predict(X[:50]), 1e-16, 1 - 1e-16)
    loss = np.average(-np.log(np.where(codes[:50] == 1, p, 1 - p)), weights=weight)
    assert result["history"]["held_out"]["logloss"][-1] == pytest.approx(loss, rel=1e-4)
    assert any(key.startswith(f"{xgboost.DASK_TASK}-") for key in keys)
    assert xgboost.partition_of(1, 2).keys() == {"data", "label"}
