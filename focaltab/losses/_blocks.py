"""Run a kernel over rows in cache-sized blocks, on one thread or several.

A block of 16,384 rows and its scratch buffers stay in a core's second-level cache, so a chain of
in-place NumPy calls costs arithmetic, not memory traffic. NumPy releases the GIL inside each
call, which lets threads share the rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

BLOCK_ROWS = 16_384
# Under this many rows per thread the hand-over costs more than it saves.
_ROWS_PER_THREAD = 131_072

Kernel = Callable[[slice], None]


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _blocks(start: int, stop: int) -> Iterator[slice]:
    for low in range(start, stop, BLOCK_ROWS):
        yield slice(low, min(low + BLOCK_ROWS, stop))


def run_in_blocks(make_kernel: Callable[[], Kernel], n_rows: int, n_threads: int) -> None:
    """Call a kernel on every block of rows.

    Parameters
    ----------
    make_kernel : callable
        Returns a kernel with scratch buffers of its own; called once per thread.
    n_rows : int
    n_threads : int
        At most this many threads, fewer where rows are few.
    """

    def work(start: int, stop: int) -> None:
        kernel = make_kernel()
        for block in _blocks(start, stop):
            kernel(block)

    n_parts = max(1, min(n_threads, n_rows // _ROWS_PER_THREAD))
    if n_parts == 1:
        work(0, n_rows)
        return
    # Parts start on block borders, so that results do not depend on the number of threads.
    blocks_per_part = -(-n_rows // (BLOCK_ROWS * n_parts))
    edges = [min(k * blocks_per_part * BLOCK_ROWS, n_rows) for k in range(n_parts + 1)]
    with ThreadPoolExecutor(n_parts) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))
