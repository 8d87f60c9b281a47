import os
import signal
import threading
import time

import pytest

pytest.importorskip("dask")

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from sklearn.base import clone

from focaltab.distributed import DaskFocalLGBMClassifier, DaskFocalXGBClassifier

FOR_EVER = 100_000


def end_a_training_worker(client, task_name, ended, lost):
    """Kill one of the processes as soon as both of them are training."""
    start = time.monotonic()
    while not ended.is_set():
        training = [
            worker
            for worker, keys in client.processing().items()
            if any(str(key).startswith(task_name) for key in keys)
        ]
        # Dask may have moved all rows to one.
        if len(training) == 2 or (training and time.monotonic() - start > 10):
            time.sleep(0.7)  # well into the rounds
            pid = client.run(os.getpid, workers=training[:1])[training[0]]
            os.kill(pid, signal.SIGKILL)
            lost.append(training[0])
            return
        time.sleep(0.05)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.slow
# XGBoost's tracker, in a thread of the scheduler, loses its connections too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("model", "task_name"),
    [
        (DaskFocalXGBClassifier(n_estimators=FOR_EVER), "fn-"),
        (DaskFocalLGBMClassifier(n_estimators=FOR_EVER, verbosity=-1), "_train_part-"),
    ],
    ids=["xgboost", "lightgbm"],
)
def test_a_worker_killed_in_training_ends_the_fit_with_its_name(client, model, task_name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 5))
    y = (X[:, 0] + rng.normal(size=20_000) > 2).astype(int)
    # Both workers hold rows, which others may hold once one of them is gone.
    halves = [
        client.persist(
            [da.from_array(X[rows], (5_000, 5)), da.from_array(y[rows], 5_000)],
            workers=worker,
            allow_other_workers=True,
        )
        for rows, worker in zip(
            (slice(10_000), slice(10_000, None)), client.scheduler_info()["workers"], strict=True
        )
    ]
    dX, dy = (da.concatenate(one) for one in zip(*halves, strict=True))
    model.set_params(client=client)
    clone(model).set_params(n_estimators=2).fit(dX, dy)  # libraries are loaded from now on
    ended, lost = threading.Event(), []
    killer = threading.Thread(target=end_a_training_worker, args=(client, task_name, ended, lost))
    killer.start()
    try:
        with pytest.raises(RuntimeError, match="was lost during training") as error:
            model.fit(dX, dy)
    finally:
        ended.set()
        killer.join()
    assert str(error.value).startswith(f"worker {lost[0]} was lost")
    assert not hasattr(model, "loss_")
    # No survivor is left in a training that never ends: the same cluster trains again.
    client.wait_for_workers(2, timeout=600)
    again = model.set_params(n_estimators=3).fit(dX, dy)
    assert client.compute(again.predict_proba(dX)).result().shape == (20_000, 2)
