"""Dask: the example that a collection keeps, and tasks as the scheduler and the workers know them.

Those of tasks are handed to ``run_on_scheduler`` and ``Client.run``, which fill in the last
argument.
"""

from __future__ import annotations

from typing import Any


def example_of(collection: Any) -> Any:
    """An empty array or frame like a collection's partitions.

    By ``_meta``. Without it columns and their types could only be told by computing a partition.
    """
    return collection._meta


def workers_meant_for(tasks: list[Any], dask_scheduler: Any = None) -> list[str]:
    """Run on the scheduler: the addresses that tasks are restricted to.

    By ``tasks`` and ``worker_restrictions``. Without them a worker that is lost goes unnoticed, and
    training waits for it.
    """
    known = [dask_scheduler.tasks[key] for key in tasks if key in dask_scheduler.tasks]
    return [worker for task in known for worker in task.worker_restrictions or ()]


def last_of(tasks: list[Any], dask_scheduler: Any = None) -> list[Any]:
    """Run on the scheduler: `tasks` and what depends on them, but for what others depend on.

    By ``dependents`` and ``who_wants``. Without them training that failed cannot be cancelled, and
    goes on.
    """
    known = dask_scheduler.tasks
    seen, last = set(), []
    left = [known[key] for key in tasks if key in known]
    while left:
        task = left.pop()
        if task.key in seen:
            continue
        seen.add(task.key)
        left.extend(task.dependents)
        if not task.dependents and task.who_wants:
            last.append(task.key)
    return last


def is_busy_with(tasks: list[Any], dask_worker: Any = None) -> bool:
    """Run on a worker, beside its training thread: whether it works on any of the tasks.

    By ``state.all_running_tasks``. Without it workers that wait for a lost one are not restarted.
    """
    running = {task.key for task in dask_worker.state.all_running_tasks}
    return not running.isdisjoint(tasks)
