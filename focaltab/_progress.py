"""How far long work has come, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Told how many more steps are done, and what the bar says from now on."""

    def __call__(self, done: int = 1, text: str | None = None) -> None: ...


@contextmanager
def progress_bar(total: int, shown: object, text: str = "") -> Iterator[Advance]:
    """A bar of `total` steps that ends full, also where the work ends early; or none."""
    if not shown:
        yield lambda done=1, text=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    # The text comes last: what stands beside it should not move as it changes. It may be a name of
    # the user's with brackets in it, which are no markup.
    said = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), said)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done=1, text=None: bar.update(task, advance=done, description=text)
        bar.update(task, total=bar.tasks[0].completed)
