"""Canonical focal loss through XGBoost's own logistic objective, under renewed row weights.

In the true log-odds, focal loss has logistic loss's gradient and expected hessian times one
positive weight per row, ``w(f)`` (`FocalLoss.logistic_weight`). Setting those weights before each
round trains the same model as the custom objective, but labels, gradients and hessians stay inside
the library: a round costs a lookup per row more than XGBoost's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from xgboost import DMatrix
from xgboost.callback import TrainingCallback

from focaltab.losses import FocalLoss


class FocalReweighting(TrainingCallback):  # type: ignore[misc]
    """Multiply the training rows' weights by ``w(f)`` at their present margins, on every round.

    Parameters
    ----------
    loss : FocalLoss
        For two classes.
    """

    def __init__(self, loss: FocalLoss) -> None:
        self.loss = loss
        self._data: DMatrix | None = None

    def watch(self, data: DMatrix) -> None:
        """Take `data` as the training set; its present weights are the sample weights."""
        self._data = data
        # A copy: XGBoost may give out the memory that set_weight writes to.
        given = np.array(data.get_weight(), dtype=np.float32)
        self._given = given if given.size else None
        self._weight = np.empty(data.num_row(), np.float32)

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Renew the weights; training goes on."""
        margin = model.predict(self._data, output_margin=True, training=True)
        self.loss.logistic_weight(margin.reshape(-1), out=self._weight)
        if self._given is not None:
            np.multiply(self._weight, self._given, out=self._weight)
        assert self._data is not None
        self._data.set_weight(self._weight)
        return False
