"""One call of the objective on a million rows, against two other focal packages."""

from __future__ import annotations

from functools import partial
from itertools import product

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from imlightgbm.objective import binary_focal_lgb_objective
from imxgboost.focal_loss import Focal_Binary_Loss

from benchmarks._pairs import alternate, compare, environment, markdown, measure
from focaltab import FocalLoss, lightgbm_objective, xgboost_objective

N_ROWS = 1_000_000
GAMMA = 2.0


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    rng = np.random.default_rng(0)
    margins = rng.normal(-3.0, 2.0, N_ROWS)
    y = (rng.random(N_ROWS) < 0.01).astype(np.float32)
    matrix = xgb.DMatrix(np.zeros((N_ROWS, 1), np.float32), y)
    data_set = lgb.Dataset(np.zeros((N_ROWS, 1), np.float32), y).construct()
    # Each library hands its objective margins of its own float type.
    margins32 = margins.astype(np.float32)
    other_xgb = partial(Focal_Binary_Loss(GAMMA).focal_binary_object, margins32, matrix)
    other_lgb = partial(binary_focal_lgb_objective, margins, data_set, GAMMA)
    rows = []
    for link, n_threads in product(("logit", "focal"), (1, 2)):
        loss = FocalLoss(GAMMA, link=link)
        for_xgb = xgboost_objective(loss, n_threads=n_threads)
        for_lgb = lightgbm_objective(loss, n_threads=n_threads)
        for name, ours, other in (
            ("imbalance-xgboost", partial(for_xgb, margins32, matrix), other_xgb),
            ("imlightgbm", partial(for_lgb, margins, data_set), other_lgb),
        ):
            ours(), other()  # tables, caches and threads
            pairs = alternate(partial(measure, ours), partial(measure, other), n_pairs)
            pairs = [(1e3 * a, 1e3 * b) for a, b in pairs]
            rows.append(compare(f'link="{link}", `n_threads={n_threads}`, against {name}', pairs))
    return f"""## One call of the objective, {N_ROWS:,} rows, gamma={GAMMA:g}

{n_pairs} alternating pairs. A row is the whole call that a library makes once a round: labels
fetched from its data set and checked, margins in its own float type (XGBoost float32, LightGBM
float64), gradient and hessian in new arrays. `n_threads` is ours; both others use one thread and
compute the paper's margin form without weights or intercept. `link="logit"` is what the estimators
use.

{markdown(rows, "ms")}

{environment("numpy", "xgboost", "lightgbm", "imbalance-xgboost", "imlightgbm")}
"""
