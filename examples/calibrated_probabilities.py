# %% [markdown]
# # Why the sigmoid of a focal margin lies, and what is right instead
#
# A model that minimises cross-entropy outputs log-odds, and a sigmoid makes a probability of them.
# A model that minimises *focal* loss outputs another number: its margin `z` balances the pull of
# positives and negatives, and focal loss changes that balance. The posterior follows from it
# exactly,
#
#     probability = G0(z) / (G0(z) + G1(z))
#
# where `G0` and `G1` are the slopes of the loss of a negative and of a positive at `z`. It undoes
# gamma and alpha; `FocalLoss.inverse_link` computes it.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from focaltab import FocalLoss, FocalXGBClassifier
from focaltab.calibration import estimate_prevalence, prior_shift
from focaltab.metrics import calibration_error
from focaltab.plots import ReliabilityDisplay

losses = {
    "cross-entropy": FocalLoss(0.0),
    "gamma 2": FocalLoss(2.0),
    "gamma 2, alpha 0.25": FocalLoss(2.0, 0.25),
    "gamma 2, alpha 0.9": FocalLoss(2.0, 0.9),
}
true = np.array([0.001, 0.01, 0.1, 0.5])
pd.DataFrame(
    {name: expit(loss.link(true)) for name, loss in losses.items()},
    index=pd.Index(true, name="true probability"),
).round(4).rename_axis(columns="sigmoid of the best margin")

# %% [markdown]
# At gamma 2 the sigmoid turns one in 1,000 into one in 14. It cannot be put right by a threshold
# alone, since each probability is off by another factor.
#
# ## The proof, where the true probabilities are known
#
# Rows are drawn with probabilities that we set. Three models are fitted: focal loss with the
# inverse link, the very same with a sigmoid, and cross-entropy.

# %%
rng = np.random.default_rng(0)


def draw(n):
    """Features, the true probability of each row, and labels drawn with it."""
    X = rng.normal(size=(n, 5)).astype(np.float32)
    p = expit(-5.5 + 1.3 * X[:, 0] + 1.1 * X[:, 1] + 0.8 * X[:, 2] * X[:, 3])
    return X, p, (rng.random(n) < p).astype(int)


X, _, y = draw(100_000)
X_test, p_test, y_test = draw(100_000)
tree = {"n_estimators": 150, "max_depth": 4, "learning_rate": 0.1, "n_jobs": 1, "random_state": 0}
stated = {}
for alpha in (None, 0.25, 0.9):
    model = FocalXGBClassifier(focal_gamma=2.0, focal_alpha=alpha, link="focal", **tree).fit(X, y)
    margin = model.predict(X_test, output_margin=True)
    name = "gamma 2" if alpha is None else f"gamma 2, alpha {alpha}"
    stated[f"{name}, sigmoid"] = expit(margin)
    stated[f"{name}, link"] = model.predict_proba(X_test)[:, 1]
plain = FocalXGBClassifier(focal_gamma=0.0, **tree).fit(X, y)
stated["cross-entropy"] = plain.predict_proba(X_test)[:, 1]
rows = {
    name: {
        "mean probability": p.mean(),
        "calibration error": calibration_error(y_test, p),
        "log loss": log_loss(y_test, p),
        "mean distance to the true log-odds": np.abs(logit(p) - logit(p_test)).mean(),
    }
    for name, p in (stated | {"the truth": p_test}).items()
}
print(f"observed share of positives: {y_test.mean():.4f}")
pd.DataFrame(rows).T.round(4)

# %% tags=["figure"]
_, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for ax, kind in zip(axes, ("sigmoid", "link"), strict=True):
    for name in (f"gamma 2, {kind}", f"gamma 2, alpha 0.25, {kind}", f"gamma 2, alpha 0.9, {kind}"):
        ReliabilityDisplay.from_predictions(y_test, stated[name], name=name, ax=ax)
axes[0].set_title("Sigmoid of the margin")
axes[1].set_title("Inverse link (predict_proba)")
plt.show()

# %% [markdown]
# The ranking is the same on both sides: average precision cannot see this fault. Costs can. And
# focal loss with its link is not *better* calibrated than cross-entropy; it is as well calibrated.
#
# ## When the prevalence changes
#
# Next month one honest row in four is there, so that positives are almost four times as frequent.
# Nobody has labels yet. `estimate_prevalence` reads the new share from the scores alone, and
# `prior_shift` moves each probability. This holds if only the share changed, and not what
# positives look like.

# %%
p_next = stated["gamma 2, alpha 0.25, link"]
takes = np.r_[np.flatnonzero(y_test == 1), np.flatnonzero(y_test == 0)[: (y_test == 0).sum() // 4]]
estimated = estimate_prevalence(p_next[takes], y.mean())
moved = prior_shift(p_next[takes], y.mean(), estimated)
pd.DataFrame(
    {
        "observed": [y_test[takes].mean(), np.nan],
        "stated before": [p_next[takes].mean(), calibration_error(y_test[takes], p_next[takes])],
        "stated after": [moved.mean(), calibration_error(y_test[takes], moved)],
    },
    index=["share of positives", "calibration error"],
).round(4)

# %% [markdown]
# The estimate is good, not exact: it rests on the probabilities being right, and a booster's are a
# little pulled towards the prevalence it was trained at.
