"""``python -m benchmarks.quality run [--quick]`` and ``report``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# Every fit has one thread; fits run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("--results", type=Path, help="JSON lines; rows are appended.")
    parser.add_argument("--quick", action="store_true", help="3,000 rows a table, one repetition.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", nargs="+", metavar="NAME", help="Only these contenders.")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="Where report writes.")
    options = parser.parse_args()
    from benchmarks.quality import _report, _results

    name = "quick.jsonl" if options.quick else "results.jsonl"
    path = options.results or Path("benchmarks/quality") / name
    if options.what == "run":
        _results.run(path, quick=options.quick, n_jobs=options.jobs, models=options.models)
    else:
        print(_report.write(_results.read(path), options.docs))


if __name__ == "__main__":
    main()
