"""Simulated card transactions with rare frauds of several patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_START = np.datetime64("2025-01-01T00:00:00")
_DAY = 86_400
_SECTORS = np.array(["grocery", "fuel", "travel", "electronics", "restaurant", "fashion"])
_SECTOR_LEVEL = np.array([0.0, 0.3, 1.3, 1.1, -0.2, 0.5])  # of the log amount
_PATTERNS = ("stolen_card", "card_not_present", "card_testing", "compromised_terminal")
_PATTERN_SHARES = np.array([0.45, 0.25, 0.2, 0.1])
_HOUR_WEIGHTS = np.array(
    [1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 10, 12, 13, 11, 10, 10, 11, 13, 13, 11, 8, 6, 4, 2.0]
)


@dataclass(frozen=True)
class _World:
    """Customers and terminals, one array entry each."""

    home: NDArray[np.float64]
    level: NDArray[np.float64]
    activity: NDArray[np.float64]
    online: NDArray[np.float64]
    place: NDArray[np.float64]
    sector: NDArray[np.intp]


def simulate_fraud(
    n_transactions: int,
    *,
    prevalence: float = 0.002,
    n_days: int = 90,
    random_state: int | None = None,
) -> pd.DataFrame:
    """Simulate card transactions in the order of time, a few of them fraudulent.

    Customers have a home, a spending level and habits; terminals a place and a sector. Frauds come
    as bursts on a stolen card, large payments with the card not present, small test payments
    followed by a large one, and ordinary-looking payments at compromised terminals. Part of them
    cannot be told from honest payments.

    Parameters
    ----------
    n_transactions : int
        At least 1,000.
    prevalence : float in (0, 0.5), default=0.002
        Share of frauds; their number is rounded.
    n_days : int, default=90
    random_state : int or None, default=None
        The same number gives the same table.

    Returns
    -------
    DataFrame of shape (n_transactions, 14)
        ``time``, ``customer_id``, ``terminal_id``, ``amount`` (currency units), ``sector``,
        ``channel`` (categories), ``distance_km`` (NaN when not at a terminal), ``hour``,
        ``weekday``, ``seconds_since_last`` (NaN at a customer's first), ``amount_ratio`` (to the
        mean of the customer's earlier payments; NaN at the first), ``count_day``, ``count_hour``
        (the customer's payments in the time before), and ``is_fraud`` (0 or 1). All features are
        known at the time of the payment.

    Raises
    ------
    ValueError
        If a number is outside its range, or there would be fewer than 10 frauds.

    Examples
    --------
    >>> table = simulate_fraud(10_000, random_state=0)
    >>> int(table["is_fraud"].sum())
    20
    """
    if n_transactions < 1_000:
        raise ValueError(f"n_transactions must be at least 1000, got {n_transactions}.")
    if not 0.0 < prevalence < 0.5:
        raise ValueError(f"prevalence must lie in (0, 0.5), got {prevalence}.")
    if n_days < 1:
        raise ValueError(f"n_days must be at least 1, got {n_days}.")
    n_fraud = round(n_transactions * prevalence)
    if n_fraud < 10:
        raise ValueError(
            f"prevalence {prevalence} of {n_transactions} rows is {n_fraud} frauds; raise one so "
            "that there are at least 10."
        )
    rng = np.random.default_rng(random_state)
    world = _make_world(rng, n_transactions)
    parts = [_honest(rng, world, n_transactions - n_fraud, n_days)]
    counts = rng.multinomial(n_fraud, _PATTERN_SHARES)
    for pattern, count in zip(_PATTERNS, counts, strict=True):
        parts.append(_fraud(rng, world, int(count), n_days, pattern))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["seconds"], kind="stable")
    return _table(world, {name: values[order] for name, values in columns.items()})


def _make_world(rng: np.random.Generator, n_transactions: int) -> _World:
    n_customers, n_terminals = max(50, n_transactions // 150), max(30, n_transactions // 400)
    activity = rng.gamma(1.5, size=n_customers)
    return _World(
        home=rng.uniform(0.0, 100.0, (n_customers, 2)),
        level=rng.normal(3.2, 0.5, n_customers),
        activity=activity / activity.sum(),
        online=rng.beta(1.5, 5.0, n_customers),
        place=rng.uniform(0.0, 100.0, (n_terminals, 2)),
        sector=rng.choice(_SECTORS.size, n_terminals, p=[0.35, 0.15, 0.07, 0.08, 0.2, 0.15]),
    )


def _clock(rng: np.random.Generator, n: int, n_days: int) -> NDArray[np.float64]:
    """Seconds since the start, by a day's usual rhythm."""
    hour = rng.choice(24, n, p=_HOUR_WEIGHTS / _HOUR_WEIGHTS.sum())
    return np.asarray(rng.integers(0, n_days, n) * _DAY + (hour + rng.random(n)) * 3600.0)


def _honest(
    rng: np.random.Generator, world: _World, n: int, n_days: int
) -> dict[str, NDArray[Any]]:
    customer = rng.choice(world.level.size, n, p=world.activity)
    # People shop near home: the nearest of four terminals met by chance.
    met = rng.integers(0, world.sector.size, (n, 4))
    far = ((world.place[met] - world.home[customer][:, None]) ** 2).sum(axis=2)
    terminal = met[np.arange(n), far.argmin(axis=1)]
    amount = world.level[customer] + _SECTOR_LEVEL[world.sector[terminal]]
    return {
        "customer": customer,
        "terminal": terminal,
        "seconds": _clock(rng, n, n_days),
        "log_amount": amount + rng.normal(0.0, 0.8, n),
        "online": rng.random(n) < world.online[customer],
        "fraud": np.zeros(n, np.int8),
    }


def _fraud(
    rng: np.random.Generator, world: _World, n: int, n_days: int, pattern: str
) -> dict[str, NDArray[Any]]:
    if pattern == "compromised_terminal":
        rows = _honest(rng, world, n, n_days)
        hit = rng.choice(world.sector.size, max(1, n // 15))
        rows["terminal"] = rng.choice(hit, n)
        rows["log_amount"] = rows["log_amount"] + 0.4
        rows["online"] = np.zeros(n, bool)
        return rows | {"fraud": np.ones(n, np.int8)}
    size = {"stolen_card": 5, "card_not_present": 1, "card_testing": 3}[pattern]
    n_episodes = -(-n // size)
    episode, step = (
        np.repeat(np.arange(n_episodes), size)[:n],
        np.tile(np.arange(size), n_episodes)[:n],
    )
    customer = rng.integers(0, world.level.size, n_episodes)[episode]
    start = rng.uniform(0.0, n_days * _DAY - 7 * 3600.0, n_episodes)[episode]
    level = world.level[customer]
    if pattern == "stolen_card":
        gap, log_amount = 900.0, level + rng.normal(1.2, 0.8, n)
        online = rng.random(n) < 0.3
    elif pattern == "card_not_present":
        gap, log_amount = 1.0, level + rng.normal(2.0, 0.7, n)
        online = np.ones(n, bool)
    else:
        gap = 900.0
        log_amount = np.where(step < 2, rng.normal(0.7, 0.5, n), level + rng.normal(1.6, 0.6, n))
        online = rng.random(n) < 0.8
    return {
        "customer": customer,
        "terminal": rng.integers(0, world.sector.size, n),
        "seconds": start + step * gap + rng.exponential(gap / 2.0, n),
        "log_amount": log_amount,
        "online": online,
        "fraud": np.ones(n, np.int8),
    }


def _table(world: _World, rows: dict[str, NDArray[Any]]) -> pd.DataFrame:
    customer, seconds = rows["customer"], np.floor(rows["seconds"]).astype(np.int64)
    amount = np.round(np.exp(rows["log_amount"]), 2).clip(0.01)
    offset = world.place[rows["terminal"]] - world.home[customer]
    distance = np.where(rows["online"], np.nan, np.sqrt((offset**2).sum(axis=1)))
    history = _history(customer, seconds, amount)
    return pd.DataFrame(
        {
            "time": _START + seconds.astype("timedelta64[s]"),
            "customer_id": customer,
            "terminal_id": rows["terminal"],
            "amount": amount,
            "sector": pd.Categorical(_SECTORS[world.sector[rows["terminal"]]], list(_SECTORS)),
            "channel": pd.Categorical(
                np.where(rows["online"], "online", "terminal"), ["terminal", "online"]
            ),
            "distance_km": np.round(distance, 2),
            "hour": (seconds % _DAY) // 3600,
            "weekday": (seconds // _DAY) % 7,
            **history,
            "is_fraud": rows["fraud"],
        }
    )


def _history(
    customer: NDArray[Any], seconds: NDArray[np.int64], amount: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """What is known of a customer just before each payment; rows come in the order of time."""
    order = np.lexsort((seconds, customer))
    who, when, spent = customer[order], seconds[order], amount[order]
    position = np.arange(who.size)
    is_first = np.r_[True, who[1:] != who[:-1]]
    first = np.maximum.accumulate(np.where(is_first, position, 0))
    earlier = position - first
    before = np.r_[0.0, np.cumsum(spent)[:-1]]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (before - before[first]) / earlier
        ratio = np.where(is_first, np.nan, spent / mean)
    since = np.where(is_first, np.nan, np.r_[np.nan, np.diff(when)])
    # One sorted key per customer and second turns a time window into a binary search.
    span = int(when.max()) + 2 * _DAY
    key = who * span + when
    result = {"seconds_since_last": since, "amount_ratio": np.round(ratio, 3)}
    for name, window in (("count_day", _DAY), ("count_hour", 3600)):
        start = np.searchsorted(key, key - window, side="left")
        result[name] = position - np.maximum(start, first)
    back = np.empty_like(order)
    back[order] = position
    return {name: values[back] for name, values in result.items()}
