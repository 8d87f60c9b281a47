"""``SHA256SUMS``: the list of a model's files with their digests, as ``sha256sum`` writes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from errno import EINVAL
from pathlib import Path
from stat import S_ISREG

NAME = "SHA256SUMS"
# A model's own files have such names: no folders, nothing hidden, nothing that a shell would read.
_LINE = re.compile(r"([0-9a-f]{64})  ([a-z0-9]+(?:[-_][a-z0-9]+)*\.[a-z0-9]+)\n")
_MOST_FILES = 10_000
_MOST_BYTES = 1_000_000


def checksums(parts: Mapping[str, bytes]) -> bytes:
    """The list for these files, sorted by name."""
    lines = [f"{hashlib.sha256(parts[name]).hexdigest()}  {name}\n" for name in sorted(parts)]
    return "".join(lines).encode("ascii")


def digest(listed: bytes) -> str:
    """One digest for the whole model: that of its list."""
    return hashlib.sha256(listed).hexdigest()


def read_checked(folder: Path, sha256: str | None = None) -> tuple[dict[str, bytes], str]:
    """Every listed file of a model folder, read once and found to be what was written; the digest.

    Raises
    ------
    ValueError
        If the folder is none of a model, or a file is missing or has changed.
    """
    try:
        listed = _content(folder / NAME, _MOST_BYTES)
    except OSError as error:
        raise ValueError(
            f"{folder} is no saved model: {NAME} cannot be read ({error.strerror})."
        ) from None
    expected = _parsed(folder, listed)
    own = digest(listed)
    if sha256 is not None and own != sha256.lower():
        raise ValueError(
            f"{folder} is another model than the one asked for: its digest is {own}, not {sha256}."
        )
    parts = {}
    for name, wanted in expected.items():
        try:
            content = _content(folder / name)
        except OSError as error:
            raise ValueError(
                f"{folder / name} belongs to the model, but cannot be read ({error.strerror})."
            ) from None
        if hashlib.sha256(content).hexdigest() != wanted:
            raise ValueError(
                f"{folder / name} is not the file that was saved: it was changed or damaged. Copy "
                "the folder anew."
            )
        parts[name] = content
    return parts, own


def _content(path: Path, most: int = -1) -> bytes:
    # A pipe would be waited for, and a device may have no end.
    if not S_ISREG(path.stat().st_mode):
        raise OSError(EINVAL, "not a file")
    with path.open("rb") as file:
        return file.read(most)


def _parsed(folder: Path, listed: bytes) -> dict[str, str]:
    try:
        text = listed.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    found = {name: value for value, name in _LINE.findall(text)}
    # Nothing but such lines, each name once and in order.
    written = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    if not found or len(found) > _MOST_FILES or written != text:
        raise ValueError(f"{folder / NAME} is no list of a model's files: it was changed.")
    return found
