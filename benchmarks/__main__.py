"""Run benchmarks by name, print their tables, and with ``--write`` put them in the docs."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

NAMES = (
    "objective_call",
    "whole_fit",
    "small_fit",
    "sampling",
    "scale",
    "external",
    "metrics",
    "mlp_speed",
    "mlp_quality",
    "early_stopping",
    "onnx_latency",
    "detector_head",
    "serve",
)
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; or all")
    parser.add_argument("--pairs", type=int, default=7, help="alternating pairs (at least 5)")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark named {unknown[0]!r}; there are {', '.join(NAMES)}.")
    if options.pairs < 5:
        parser.error("--pairs must be at least 5: a median of fewer says little.")
    for name in options.names or NAMES:
        section = importlib.import_module(f"benchmarks.{name}").run(options.pairs)
        print(section, flush=True)
        if options.write:
            _write(name, section)


def _write(name: str, section: str) -> None:
    """Replace the part of the page between this benchmark's two markers."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    page = PAGE.read_text()
    before, _, rest = page.partition(start)
    after = rest.partition(end)[2]
    part = PAGE.with_suffix(".part")
    part.write_text(f"{before}{start}\n{section}\n{end}{after}")
    part.replace(PAGE)


if __name__ == "__main__":
    main()
