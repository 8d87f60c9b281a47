"""Finished fits of a comparison in a file of JSON lines, so that a killed one goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.comparison._candidates import Candidate
from focaltab.comparison._fit import Outcome, Rows
from focaltab.data import fingerprint_of

_HEAD = "focaltab_comparison"


class StoredResults:
    """Reads what is done already, and appends one line for every finished fit.

    The first line names the data, folds and figures; a file of others is refused. A line that a
    kill left unfinished is cut off.

    Raises
    ------
    ValueError
        If the file is of another comparison, or none.
    FileNotFoundError
        If its folder is not there.
    """

    def __init__(self, path: str | Path, fingerprint: str) -> None:
        self.path = Path(path)
        self.done: dict[tuple[str, str, int, str], dict[str, float]] = {}
        if not self.path.resolve().parent.is_dir():
            raise FileNotFoundError(f"There is no folder {self.path.resolve().parent}.")
        if self.path.is_dir():
            raise ValueError(f"{self.path} is a folder: name a file in it.")
        if self.path.exists() and self.path.stat().st_size:
            self._read(fingerprint)
        else:
            self.path.write_text(_first_line(fingerprint), encoding="utf-8")

    def figures(self, candidate: Candidate, fold: int) -> dict[str, float] | None:
        """What the file holds of a fit, if it does."""
        return self.done.get(_key(candidate, fold))

    def add(self, outcome: Outcome) -> None:
        """Append a fit. One that failed is not kept: it is tried again next time."""
        if outcome.failure is None:
            model, loss, fold, settings = _key(outcome.candidate, outcome.fold)
            row = {"model": model, "loss": loss, "fold": fold, "settings": settings}
            self._append({**row, "figures": outcome.figures})

    def _append(self, row: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _read(self, fingerprint: str) -> None:
        written = self.path.read_bytes()
        # A kill may cut off the last line, even if it is the first.
        n_whole = written.rfind(b"\n") + 1
        start = _first_line(fingerprint).encode()
        if n_whole == 0 and start.startswith(written):
            self.path.write_bytes(start)
            return
        try:
            rows = [json.loads(line) for line in written[:n_whole].splitlines()]
            head = rows[0] if rows else {}
            if head.get(_HEAD) != 1:
                raise ValueError
            found = head["fingerprint"]
            done = {
                (row["model"], row["loss"], row["fold"], row["settings"]): row["figures"]
                for row in rows[1:]
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{self.path} holds no results of a comparison: choose another name."
            ) from None
        if found != fingerprint:
            raise ValueError(
                f"{self.path} holds results of other data, folds or settings: choose another name "
                "or remove it."
            )
        if n_whole < len(written):
            with self.path.open("r+b") as file:
                file.truncate(n_whole)
        self.done = done


def _first_line(fingerprint: str) -> str:
    return json.dumps({_HEAD: 1, "fingerprint": fingerprint}) + "\n"


def fingerprint(
    rows: Rows, folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]], budgets: Any, seed: int
) -> str:
    """Digest of the data, the folds and what is measured on them."""
    return fingerprint_of(
        rows.X, rows.y, rows.weight, folds, [float(budget) for budget in budgets], int(seed)
    )


def _key(candidate: Candidate, fold: int) -> tuple[str, str, int, str]:
    settings = hashlib.sha256(candidate.settings.encode()).hexdigest()[:16]
    return candidate.model, candidate.loss, fold, settings
