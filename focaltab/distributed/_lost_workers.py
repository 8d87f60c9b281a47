"""Training that ends when a worker is lost.

Neither library does by itself. A survivor of LightGBM's reads from the closed socket for ever;
XGBoost's fails only where Dask finds another worker for the lost one's task.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future as OneResult
from concurrent.futures import wait
from contextlib import suppress
from typing import Any, TypeVar

from distributed import Client, Future

from focaltab._compat.dask import is_busy_with, last_of, workers_meant_for

_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_TO_NOTICE = 2.0
_SECONDS_TO_END = 2.0
_SECONDS_TO_RESTART = 60.0
_SECONDS_TO_FORGET = 0.1
_LEVELS = 3
_SPEAK_OF_PEERS = {"distributed", "lightgbm", "xgboost"}

Result = TypeVar("Result")


def run_watched(client: Client, task_name: str, train: Callable[[], Result]) -> Result:
    """Call `train`, which blocks, and give up when a worker that trains has left the cluster.

    Parameters
    ----------
    client : Client
    task_name : str
        What the library's training tasks are called. Each is meant for one worker, whose address
        it names as a restriction; all are ended where training fails.
    train : callable

    Raises
    ------
    RuntimeError
        Names the worker that was lost.
    """
    before = set(client.futures)
    workers: set[str] = set()
    outcome: OneResult[Result] = OneResult()
    # The thread's own client is to be this one, which the libraries ask for in places.
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(_call, train, outcome), name="focaltab-dask-training", daemon=True
    ).start()

    def tasks() -> list[Any]:
        new = (key for key in list(client.futures) if key not in before)
        return [key for key in new if str(key).startswith(f"{task_name}-")]

    try:
        while not wait([outcome], timeout=_SECONDS_BETWEEN_LOOKS).done:
            workers.update(client.run_on_scheduler(workers_meant_for, tasks()))
            _check_present(client, workers, None)
        error = outcome.exception()
        if error is not None:
            _check_cause(client, workers, error)
        return outcome.result()
    except BaseException as failure:
        state = ""
        with suppress(Exception):  # the first error is the one to tell
            state = _end(client, tasks(), workers)
        if isinstance(failure, _WorkerLostError):
            raise RuntimeError(f"{failure}{state}") from failure.__cause__
        raise


def _call(train: Callable[[], Result], outcome: OneResult[Result]) -> None:
    try:
        outcome.set_result(train())
    except BaseException as error:
        outcome.set_exception(error)


class _WorkerLostError(RuntimeError):
    pass


def _check_present(client: Client, workers: set[str], cause: BaseException | None) -> None:
    lost = sorted(workers - set(client.ncores()))
    if lost:
        raise _WorkerLostError(
            f"worker {', '.join(lost)} was lost during training, and a boosted model cannot go on "
            "without its rows: nothing was fitted. Call fit again once the cluster has workers "
            "enough (where memory ran out, more of them or larger ones)."
        ) from cause


def _check_cause(client: Client, workers: set[str], error: BaseException) -> None:
    """Find out whether a library's error tells of a lost worker, of which peers learn first."""
    deadline = time.monotonic() + _SECONDS_TO_NOTICE
    of_library = type(error).__module__.split(".")[0] in _SPEAK_OF_PEERS
    _check_present(client, workers, error)
    while of_library and time.monotonic() < deadline:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        _check_present(client, workers, error)


def _end(client: Client, tasks: list[Any], workers: set[str]) -> str:
    """Cancel training tasks, and restart workers whose thread does not come back from one.

    Returns
    -------
    str
        What was done to whom, as an addition to a message.
    """
    _cancel(client, tasks)
    deadline = time.monotonic() + _SECONDS_TO_END
    while True:
        present = sorted(workers & set(client.ncores()))
        busy = client.run(is_busy_with, tasks, workers=present, on_error="ignore")
        stuck = [worker for worker, is_busy in busy.items() if is_busy]
        if not stuck:
            return ""
        if time.monotonic() > deadline:
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    named = ", ".join(stuck)
    try:
        client.restart_workers(stuck, timeout=_SECONDS_TO_RESTART)
    except (ValueError, TimeoutError):  # no nanny, or one that does not answer
        return f" Restart {named} by hand, which waits for it and cannot be stopped from here."
    return f" {named}, which waited for it and could not be stopped, was restarted."


def _cancel(client: Client, tasks: list[Any]) -> None:
    """Cancel tasks from the last that needs them backwards.

    Dask's scheduler drops a client that cancels a task on which unwanted ones depend, as XGBoost's
    reduction of its workers' results does.
    """
    for _ in range(_LEVELS):
        last = [key for key in client.run_on_scheduler(last_of, tasks) if key in client.futures]
        if not last:
            return
        client.cancel([Future(key, client=client) for key in last])
        time.sleep(_SECONDS_TO_FORGET)
