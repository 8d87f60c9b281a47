"""The share of small faults that the tests find: ``python tests/mutation.py`` (mutmut).

mutmut makes a copy of the package in ``mutants/`` in which each function can be changed in many
small ways. A seeded sample of these mutants is tried here, each against the tests that call the
function; ``[tool.mutmut]`` in ``pyproject.toml`` says which files and which tests.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
# One small file, whose mutants show that all is set up before a sample is drawn.
FIRST = "focaltab.calibration._table.*__mutmut_1"
# mutmut's exit codes: pytest found a failure or the process died of a signal; the tests took too
# long; there is no test of the function. Any other, as of a run that was ended, decides nothing.
SURVIVED, KILLED, NO_TESTS, TIMEOUTS = (0,), (1, 3, -6, -11), (5, 33), (24, 36, 152, -24, -9)


def mutmut(*names: str, workers: int) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(workers), *names]
    subprocess.run(command, cwd=ROOT, check=True)


def exit_codes() -> dict[str, int | None]:
    """Return what became of each mutant, None where it was not tried."""
    found: dict[str, int | None] = {}
    for path in sorted(MUTANTS.rglob("*.py.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def status(code: int | None) -> str:
    for name, codes in (
        ("killed", KILLED),
        ("timeout", TIMEOUTS),
        ("survived", SURVIVED),
        ("no tests", NO_TESTS),
    ):
        if code in codes:
            return name
    return "undecided"


def report(sample: list[str]) -> None:
    """Print a line for each folder, and the mutants that no test found."""
    codes = exit_codes()
    by_folder: dict[str, Counter[str]] = {}
    for name in sample:
        by_folder.setdefault(name.split(".")[1], Counter())[status(codes[name])] += 1
    total = sum(by_folder.values(), Counter())
    columns = ("killed", "timeout", "survived", "no tests", "undecided")
    print(f"\n{'folder':14}{'mutants':>10}" + "".join(f"{name:>10}" for name in columns))
    for folder, counts in [*sorted(by_folder.items()), ("all", total)]:
        figures = "".join(f"{counts[name]:10}" for name in columns)
        print(f"{folder:14}{counts.total():10}{figures}")
    n = total.total() - total["undecided"]
    found = total["killed"] + total["timeout"]
    print(f"Killed {total['killed'] / n:.1%} of {n}, with timeouts {found / n:.1%}\n")
    for name in sample:
        if status(codes[name]) not in ("killed", "timeout"):
            print(f"{status(codes[name])}: {name}")
    print("\n`mutmut show NAME` prints the change of one.")


def main() -> None:
    parser = argparse.ArgumentParser(description="Try a seeded sample of mutants.")
    parser.add_argument("--n", type=int, default=300, help="how many mutants (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--list", action="store_true", help="print the sample, and end")
    options = parser.parse_args()
    # Which test calls which function is found anew: tests may have changed.
    shutil.rmtree(MUTANTS, ignore_errors=True)
    mutmut(FIRST, workers=options.workers)
    names = sorted(exit_codes())
    sample = sorted(random.Random(options.seed).sample(names, min(options.n, len(names))))
    print(f"{len(sample)} of {len(names)} mutants, drawn with seed {options.seed}", flush=True)
    if options.list:
        print(*sample, sep="\n")
        return
    mutmut(*sample, workers=options.workers)
    report(sample)


if __name__ == "__main__":
    main()
