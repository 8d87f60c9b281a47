# %% [markdown]
# # Fraud detection, from raw payments to reasons for each alert
#
# The table is simulated: 150,000 card payments, one in 250 a fraud. Some frauds come as bursts on
# a stolen card, some as small test payments, some at compromised terminals, and part of them
# cannot be told from honest payments by anybody. We take the columns that a bank would have and
# leave the simulator's ready-made history aside, to show how such features are made without
# looking ahead.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from focaltab import FocalXGBClassifier, explain
from focaltab.datasets import simulate_fraud
from focaltab.metrics import bootstrap_interval, paired_difference
from focaltab.model_selection import CostThresholdClassifier, TimeGapSplit
from focaltab.plots import PrecisionRecallDisplay

columns = ["time", "customer_id", "terminal_id", "amount", "sector", "channel", "distance_km"]
table = simulate_fraud(150_000, prevalence=0.004, random_state=0)
payments, y = table[columns].copy(), table["is_fraud"]
payments.head(3)

# %% [markdown]
# ## Features that know only the past
#
# `closed="left"` leaves the payment itself out of its own window. Labels are a harder matter: a
# fraud is known about a week after it happened. The share of frauds at a terminal is therefore
# taken from a window that *ends* a week before the payment: all of the last 35 days less the last
# 7.

# %%
DELAY = "7D"


def past(by, column, window):
    """Count and sum of `column` over each row's earlier rows of the same customer or terminal."""
    rolling = payments.set_index("time").groupby(by)[column].rolling(window, closed="left")
    # Groups follow one another in the result; a stable sort by group says whose row is whose.
    rows = np.argsort(payments[by].to_numpy(), kind="stable")
    found = pd.DataFrame({"count": rolling.count().to_numpy(), "sum": rolling.sum().to_numpy()})
    return found.set_axis(rows).sort_index().fillna(0.0)


payments["is_fraud"] = y
for window in ("1h", "1D", "7D", "30D"):
    seen = past("customer_id", "amount", window)
    payments[f"customer_count_{window}"] = seen["count"].to_numpy()
    payments[f"customer_sum_{window}"] = seen["sum"].round(2).to_numpy()
mean = payments["customer_sum_30D"] / payments["customer_count_30D"].replace(0, np.nan)
payments["amount_to_mean"] = payments["amount"] / mean
known = past("terminal_id", "is_fraud", "35D") - past("terminal_id", "is_fraud", DELAY)
payments["terminal_fraud_share"] = (known["sum"] / known["count"].replace(0, np.nan)).to_numpy()
payments["hour"] = payments["time"].dt.hour
X = payments.drop(columns="is_fraud")

# %% [markdown]
# ## Train on the past, judge on what comes later
#
# The last 40,000 payments judge. Training ends a week before them, as it would in practice: the
# frauds of that week are not reported yet.

# %%
[(train, test)] = TimeGapSplit(1, time="time", gap=DELAY, test_size=40_000).split(X, y)
identity = ["time", "customer_id", "terminal_id"]
X_train, X_test = X.iloc[train].drop(columns=identity), X.iloc[test].drop(columns=identity)
y_train, y_test = y.iloc[train], y.iloc[test]
customers = X["customer_id"].iloc[test]

shared = {"n_estimators": 200, "max_depth": 4, "learning_rate": 0.1, "n_jobs": 1, "random_state": 0}
models = {
    "focal, gamma 2": FocalXGBClassifier(focal_gamma=2.0, **shared),
    "cross-entropy": FocalXGBClassifier(focal_gamma=0.0, **shared),
    "cross-entropy, no history": FocalXGBClassifier(focal_gamma=0.0, **shared),
}
raw = ["amount", "sector", "channel", "distance_km", "hour"]
scores = {}
for name, model in models.items():
    used = raw if "no history" in name else X_train.columns
    scores[name] = model.fit(X_train[used], y_train).predict_proba(X_test[used])[:, 1]

judged = {"groups": customers, "n_resamples": 300, "random_state": 0}
figures = {
    name: bootstrap_interval("average_precision", y_test, score, **judged)._asdict()
    for name, score in scores.items()
}
print(f"{len(y_test):,} payments, {y_test.sum()} frauds")
pd.DataFrame(figures).T.round(3)

# %% tags=["figure"]
_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, score in scores.items():
    PrecisionRecallDisplay.from_predictions(y_test, score, name=name, ax=ax, random_state=0)
ax.set_title("Later payments")
plt.show()

# %%
for other in ("cross-entropy", "cross-entropy, no history"):
    found = paired_difference(
        "average_precision", y_test, scores["focal, gamma 2"], scores[other], **judged
    )
    told = "within the noise" if found.is_noise else "beyond the noise"
    print(f"focal less {other}: {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}), {told}")

# %% [markdown]
# What a customer and a terminal did before is worth far more than the choice of the loss.
#
# ## Which payments to stop
#
# A review costs 5; a missed fraud costs its amount. The probabilities are calibrated, so that each
# payment has its own cheapest threshold: a large one is looked at on a slight suspicion.

# %%
review = 5.0
costs = {"fp_cost": review, "tp_cost": review, "fn_cost": X_test["amount"].to_numpy()}
decide = CostThresholdClassifier(
    models["focal, gamma 2"], fp_cost=review, tp_cost=review, fn_cost="amount"
).fit(X_train, y_train)
p = scores["focal, gamma 2"]
decisions = {
    "no alerts": np.zeros(len(p), int),
    "probability over 0.5": (p > 0.5).astype(int),
    "cheapest for each payment": decide.predict(X_test),
}
rows = {}
for name, alert in decisions.items():
    cost = bootstrap_interval("expected_cost", y_test, alert, metric_options=costs, **judged)
    per_1000 = [round(1000 * value) for value in cost]
    caught = alert[y_test == 1].mean()
    rows[name] = [alert.sum(), f"{caught:.0%}", per_1000[0], f"{per_1000[1]} to {per_1000[2]}"]
pd.DataFrame(rows, index=["alerts", "frauds caught", "cost per 1,000 payments", "95% interval"]).T

# %% [markdown]
# ## Reasons for the top alerts

# %%
top = np.argsort(-p)[:3]
why = explain(models["focal, gamma 2"], X_test.iloc[top], background=X_train)
pd.set_option("display.max_colwidth", None)
why.reasons(3)[["row", "rank", "reason"]]

# %% [markdown]
# ## The report
#
# `focaltab train` makes a folder with the model, the reference for monitoring, and `report.html`:
# one page with the verdict, the figures, a slider of thresholds with costs, and the highest-scored
# rows.

# %%
with tempfile.TemporaryDirectory() as folder:
    X.assign(is_fraud=y).to_parquet(f"{folder}/payments.parquet")
    options = (
        "--target is_fraud --time-column time --drop customer_id --drop terminal_id --out model"
    )
    command = [sys.executable, "-m", "focaltab", "train", "payments.parquet", *options.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    print(*sorted(path.name for path in Path(folder, "model").iterdir()), sep="\n")
