# %% [markdown]
# # Focal loss in your own training loop
#
# `FocalXGBClassifier` and `FocalLGBMClassifier` set everything up. If you call `xgb.train` or
# `lgb.train` yourself, the objective alone is enough, and three things are yours to say: where the
# model starts, the scale of the loss, and what the raw score means.

# %%
import tempfile

import lightgbm as lgb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xgboost as xgb
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from focaltab import FocalLoss, lightgbm_objective, xgboost_objective
from focaltab.metrics import average_precision, bootstrap_interval
from focaltab.plots import ReliabilityDisplay

rng = np.random.default_rng(0)
X = rng.normal(size=(80_000, 6)).astype(np.float32)
# The true probabilities are known here: they say how good a model can be at best.
truth = expit(-6.5 + 1.5 * X[:, 0] + 1.2 * X[:, 1] * (X[:, 2] > 0) + 0.7 * X[:, 3] ** 2)
y = (rng.random(80_000) < truth).astype(int)
fit, watch, test = np.split(np.arange(80_000), [30_000, 40_000])
prevalence = y[fit].mean()
print(f"prevalence {prevalence:.4f}, {y[test].sum()} positives to judge by")

# %% [markdown]
# ## XGBoost, canonical link
#
# With `link="logit"` the raw score *is* the log-odds. Name the objective `binary:logistic` beside
# it, and give the prevalence as `base_score`: that is what the saved file keeps. `normalized`
# scales the loss so that `min_child_weight` and `lambda` keep the meaning they have for
# `binary:logistic`.

# %%
tree = {"max_depth": 4, "eta": 0.1, "nthread": 1, "seed": 0}
train, watched = xgb.DMatrix(X[fit], y[fit]), xgb.DMatrix(X[watch], y[watch])
focal = FocalLoss(gamma=2.0, alpha=0.25, link="logit").normalized(prevalence)


def average_precision_of(score, data):
    """For early stopping: XGBoost's own `aucpr` draws straight lines, which flatter."""
    return "average_precision", average_precision(data.get_label(), score)


start = {"objective": "binary:logistic", "base_score": prevalence}
booster = xgb.train(
    {**tree, **start, "disable_default_eval_metric": 1},
    train,
    num_boost_round=300,
    obj=xgboost_objective(focal, n_threads=1),
    evals=[(watched, "watched")],
    custom_metric=average_precision_of,
    callbacks=[xgb.callback.EarlyStopping(rounds=20, maximize=True, save_best=True)],
    verbose_eval=False,
)
rounds = booster.num_boosted_rounds()
print(f"{rounds} rounds are kept")

# %% [markdown]
# The saved file is read by plain XGBoost, which knows nothing of focaltab, and states
# probabilities.

# %%
with tempfile.TemporaryDirectory() as folder:
    booster.save_model(f"{folder}/model.json")
    plain = xgb.Booster(model_file=f"{folder}/model.json")
told = {"xgboost, link='logit', saved": plain.predict(xgb.DMatrix(X[test]))}

# %% [markdown]
# ## XGBoost, the paper's margin
#
# With `link="focal"` the raw score is the margin of the paper. The model starts from
# `loss.intercept(prevalence)`, and `loss.predict_proba` turns margins into probabilities. The
# sigmoid of the margin is what most focal packages return.

# %%
paper = FocalLoss(gamma=2.0, alpha=0.25, link="focal").normalized(prevalence)
start = {"objective": "binary:logistic", "base_score": expit(paper.intercept(prevalence))}
margin = xgb.train({**tree, **start}, train, rounds, obj=xgboost_objective(paper)).predict(
    xgb.DMatrix(X[test]), output_margin=True
)
told["xgboost, link='focal', predict_proba"] = paper.predict_proba(margin)[:, 1]
told["xgboost, link='focal', sigmoid"] = expit(margin)

# %% [markdown]
# ## LightGBM
#
# LightGBM starts from `init_score` and does not keep it: add it when you predict.
# (`FocalLGBMClassifier` writes it into the first tree, so that its file is right everywhere.)

# %%
offset = logit(prevalence)
data = lgb.Dataset(X[fit], y[fit], init_score=np.full(len(fit), offset))
settings = {"learning_rate": 0.1, "num_leaves": 16, "lambda_l2": 1.0, "seed": 0}
quiet = {"verbosity": -1, "num_threads": 1, "deterministic": True}
objective = {"objective": lightgbm_objective(focal, n_threads=1)}
leaves = lgb.train({**settings, **quiet, **objective}, data, rounds)
told["lightgbm, link='logit'"] = expit(leaves.predict(X[test]) + offset)

start = {"objective": "binary:logistic", "base_score": prevalence}
plain = xgb.train({**tree, **start}, train, rounds)
told["xgboost, built-in logistic"] = plain.predict(xgb.DMatrix(X[test]))
like = {**settings, **quiet, "objective": "binary"}
told["lightgbm, built-in binary"] = lgb.train(like, lgb.Dataset(X[fit], y[fit]), rounds).predict(
    X[test]
)
told["the truth"] = truth[test]

# %% [markdown]
# ## What came out

# %%
rows = {}
for name, p in told.items():
    value, low, high = bootstrap_interval(
        "average_precision", y[test], p, n_resamples=300, random_state=0
    )
    rows[name] = [f"{value:.3f} ({low:.3f} to {high:.3f})", log_loss(y[test], p), p.mean()]
table = pd.DataFrame(rows, index=["average precision", "log loss", "mean probability"]).T
table.astype({"log loss": float, "mean probability": float}).round(4)

# %% tags=["figure"]
_, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
for name in [list(told)[k] for k in (0, 2, 3)]:
    ReliabilityDisplay.from_predictions(y[test], told[name], name=name, ax=ax)
ax.set_title("gamma 2, alpha 0.25")
plt.show()

# %% [markdown]
# All rank about equally well, the built-in logistic objective included: on these data focal loss
# wins nothing. What differs is whether the number can be read as a probability. The sigmoid of the
# paper's margin cannot.
