"""Files that are there whole or not at all, and never in another's place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_new(path: Path) -> None:
    """Refuse a name that is taken or has no folder, before any work is done.

    Raises
    ------
    FileExistsError, FileNotFoundError
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already: choose another name or remove it.")
    if not path.resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.resolve().parent}.")


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what is left under it at the end is removed."""
    part = path.absolute().with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` for a file or folder; renamed where nothing failed.

    Raises
    ------
    FileExistsError, FileNotFoundError
        As `check_new`.
    """
    check_new(path)
    with part_of(path) as part:
        yield part
        part.replace(path)
