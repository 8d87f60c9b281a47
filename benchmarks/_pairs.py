"""Alternating pairs of measurements, so that what slows the machine slows both sides."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Comparison:
    """One row of a table: medians of both sides, and the median ratio of the pairs."""

    name: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float


def measure(call: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(name: str, pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Summarise pairs of (ours, theirs); a ratio under 1 means that ours needs less."""
    ours, theirs = zip(*pairs, strict=True)
    ratios = sorted(a / b for a, b in pairs)
    return Comparison(
        name,
        statistics.median(ours),
        statistics.median(theirs),
        statistics.median(ratios),
        ratios[0],
        ratios[-1],
    )


def alternate(
    ours: Callable[[], float], theirs: Callable[[], float], n_pairs: int
) -> list[tuple[float, float]]:
    """Take `n_pairs` measurements of each side, the first of each pair in turn."""
    pairs = []
    for k in range(n_pairs):
        if k % 2 == 0:
            a = ours()
            b = theirs()
        else:
            b = theirs()
            a = ours()
        pairs.append((a, b))
    return pairs


def markdown(rows: Sequence[Comparison], unit: str) -> str:
    """A table of comparisons; times and memory in `unit`."""
    lines = [
        f"| | focaltab, {unit} | other, {unit} | ratio, median [least, most] |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r.name} | {r.ours:.4g} | {r.theirs:.4g} | {r.ratio:.3f} [{r.low:.3f}, {r.high:.3f}] |"
        for r in rows
    ]
    return "\n".join(lines)


def peak_memory() -> float:
    """MiB at most resident; getrusage would count the parent's memory at the fork as well."""
    return _memory("VmHWM")


def restart_peak_memory() -> float:
    """Forget the peak so far; MiB resident now, which is where the next peak starts from."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024.0


def environment(*packages: str) -> str:
    """One line on what the figures were measured with."""
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"Python {platform.python_version()}, {found}; {platform.machine()}."
