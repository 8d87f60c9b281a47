"""What an estimator writes into files of its own while a model is saved, instead of into its state.

`focaltab.save` opens a `PartWriter` and `focaltab.load` a `PartReader`; the estimators' pickle
methods ask for them. Without one they do what they always did, so that pickle, joblib and ``clone``
are untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class PartWriter:
    """Collects the parts of one model: names and contents of the files to write."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self._states: dict[int, tuple[Any, dict[str, Any]]] = {}

    def state_of(self, owner: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The state of an object, made once however often it is asked for.

        The object is kept, since the number of one that is gone may be given to another.
        """
        if id(owner) not in self._states:
            self._states[id(owner)] = (owner, make())
        return self._states[id(owner)][1]

    def add(self, stem: str, suffix: str, content: bytes) -> str:
        """Keep a part under a name that no other has; returns the name."""
        name, n = f"{stem}{suffix}", 1
        while name in self.parts:
            n += 1
            name = f"{stem}-{n}{suffix}"
        self.parts[name] = content
        return name


class PartReader:
    """Gives the parts of one model by name; nothing is opened, since all were read and checked."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._parts = parts

    def content(self, name: Any) -> bytes:
        """Content of a part.

        Raises
        ------
        ValueError
            If the model has none of that name.
        """
        if not isinstance(name, str) or name not in self._parts:
            raise ValueError(f"the model asks for a part {name!r} that is not among its files.")
        return self._parts[name]


_writer: ContextVar[PartWriter | None] = ContextVar("focaltab_part_writer", default=None)
_reader: ContextVar[PartReader | None] = ContextVar("focaltab_part_reader", default=None)


def part_writer() -> PartWriter | None:
    """The writer of the model that is being saved, if one is."""
    return _writer.get()


def part_reader() -> PartReader:
    """The reader of the model that is being loaded.

    Raises
    ------
    ValueError
        Outside of `focaltab.load`, which alone can make sense of a saved state.
    """
    reader = _reader.get()
    if reader is None:
        raise ValueError("the state of a saved model is read by focaltab.load alone.")
    return reader


@contextmanager
def writing_parts() -> Iterator[PartWriter]:
    """Let estimators write parts while the block runs."""
    writer = PartWriter()
    token = _writer.set(writer)
    try:
        yield writer
    finally:
        _writer.reset(token)


@contextmanager
def reading_parts(parts: Mapping[str, bytes]) -> Iterator[None]:
    """Let estimators read parts while the block runs."""
    token = _reader.set(PartReader(parts))
    try:
        yield
    finally:
        _reader.reset(token)
