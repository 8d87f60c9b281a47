"""Numbers and dates in a spelling that is not read are told as what they are."""

import warnings

import numpy as np
import pandas as pd
import pytest

from focaltab.pipeline import TableFeatures
from focaltab.workflow import ReadingNote, read_table

rng = np.random.default_rng(0)
N = 400
VALUES = rng.normal(size=N).round(2)
AMOUNTS = rng.gamma(1.0, 2000.0, N) + 1000.0
DAYS = pd.Series(pd.date_range("2024-01-01", periods=N, freq="8h"))

NUMBERS = {
    "percent": [f"{10 * v:.1f}%" for v in VALUES],
    "minus behind": [f"{-v:.2f}-" if v < 0 else f"{v:.2f}" for v in VALUES],
    "dollars": [f"${v:,.2f}" for v in AMOUNTS],
    "euros behind": [f"{v:.2f} €" for v in AMOUNTS],
    "currency code": [f"{v:,.2f} CHF" for v in AMOUNTS],
    "thousands": [f"{v:,.2f}" for v in AMOUNTS],
    "swiss thousands": [f"{v:,.2f}".replace(",", "'") for v in AMOUNTS],
    "narrow spaces": [f"{v:,.0f}".replace(",", "\u202f") for v in AMOUNTS],
    "true minus": [f"{v}".replace("-", "\u2212") for v in VALUES],
    "in brackets": [f"({-v:.2f})" if v < 0 else f"{v:.2f}" for v in VALUES],
}
DATES = {
    "day first": DAYS.dt.strftime("%d/%m/%Y").tolist(),
    "with dots": DAYS.dt.strftime("%d.%m.%y").tolist(),
    "month first, with a time": DAYS.dt.strftime("%m/%d/%Y %H:%M").tolist(),
}


def told(values):
    """What is said of a column, whether it is used or left out, or refused."""
    X = pd.DataFrame({"a": np.arange(N) * 1.0, "column": values})
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        try:
            TableFeatures().fit(X, np.arange(N) % 2)
        except ValueError as error:
            return str(error)
    return " ".join(str(one.message) for one in record)


@pytest.mark.parametrize("spelling", NUMBERS)
def test_numbers(spelling):
    values = NUMBERS[spelling]
    message = told(values)
    assert "'column'" in message and any(repr(value) in message for value in values)
    assert "numbers, written as" in message or "mixes numbers and text" in message
    # With as many words they are names.
    words = np.where(np.arange(N) % 2 == 0, [f"code {k % 150}" for k in range(N)], values)
    assert "numbers, written" not in told(words)


@pytest.mark.parametrize("spelling", DATES)
def test_dates(spelling):
    assert f"dates, written as {DATES[spelling][0]!r}" in told(DATES[spelling])


@pytest.mark.parametrize("stray", ["2024-13-45", "0000-00-00", "unknown"])
def test_dates_but_for_a_few(stray):
    values = DAYS.dt.strftime("%Y-%m-%d").tolist()
    values[7] = stray
    assert f"dates, but for {stray!r} in row 7" in told(values)


def test_names_are_names():
    X = pd.DataFrame(
        {
            "a": np.arange(N) * 1.0,
            "part": [f"{k % 10:02d}-{k % 7}" for k in range(N)],
            "shop": [f"Shop {k % 50}" for k in range(N)],
            "sku": [f"SKU{k % 60:03d}" for k in range(N)],
            "flight": [f"BAW {100 + k % 70}" for k in range(N)],
            "bracket": [f"({k % 45})" for k in range(N)],
            "sort code": [f"{k % 50:02d}-34-56" for k in range(N)],
            "few": np.array(["10%", "20%"])[np.arange(N) % 2],
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = TableFeatures().fit(X, np.arange(N) % 2)
    assert features.kinds_["shop"] == "text"


def test_codes_with_zeros_in_front_are_told_of(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"zip": ["00712", "20121"] * 3, "n": [1, 0] * 3}).to_csv(path, index=False)
    with pytest.warns(ReadingNote, match=r"'zip' .*zeros in front, as in '00712'.*--categorical"):
        assert read_table(path)["zip"].tolist()[:2] == [712, 20121]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_table(path, text_columns=["zip"])["zip"].tolist()[:2] == ["00712", "20121"]
