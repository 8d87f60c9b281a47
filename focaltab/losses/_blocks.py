"""Run a kernel over rows in cache-sized blocks, on one thread or several.

A block and its scratch buffers stay in cache, so a chain of in-place NumPy calls costs arithmetic,
not memory traffic; smaller blocks would spend their time in calls. NumPy releases the GIL inside
each call, which lets threads share the rows: then blocks are larger still, since each return of
the GIL to a waiting thread costs as much as the arithmetic on ten thousand rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from itertools import pairwise

_BLOCK_ROWS_ALONE = 65_536
_BLOCK_ROWS_SHARED = 131_072
# Two blocks for each thread; with fewer rows the hand-over costs most of what it saves.
_ROWS_PER_THREAD = 2 * _BLOCK_ROWS_SHARED

Kernel = Callable[[slice], None]


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Threads that stay: to start them takes as long as a hundred thousand rows."""
    return ThreadPoolExecutor(max(1, available_threads() - 1), thread_name_prefix="focaltab")


if hasattr(os, "register_at_fork"):
    # A forked process inherits the pool but none of its threads, and would wait for ever.
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def run_in_blocks(make_kernel: Callable[[int], Kernel], n_rows: int, n_threads: int) -> None:
    """Call a kernel on every block of rows.

    Parameters
    ----------
    make_kernel : callable
        Given the largest number of rows in a block, returns a kernel with scratch buffers of its
        own; called once per thread.
    n_rows : int
    n_threads : int
        At most this many threads, fewer where rows are few.
    """
    n_parts = max(1, min(n_threads, n_rows // _ROWS_PER_THREAD))
    block_rows = _BLOCK_ROWS_ALONE if n_parts == 1 else _BLOCK_ROWS_SHARED
    block_rows = max(1, min(n_rows, block_rows))

    def work(start: int, stop: int) -> None:
        kernel = make_kernel(block_rows)
        for low in range(start, stop, block_rows):
            kernel(slice(low, min(low + block_rows, stop)))

    edges = [n_rows * k // n_parts for k in range(n_parts + 1)]
    others = [_helpers().submit(work, *part) for part in pairwise(edges[1:])]
    try:
        work(0, edges[1])
    finally:
        wait(others)  # they write to the caller's arrays
    for other in others:
        other.result()
