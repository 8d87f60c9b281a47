"""Average precision of evaluation sets that every worker of LightGBM's has whole.

LightGBM evaluates each worker's own rows: workers would then stop at different rounds, and wait
for each other for ever.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab._compat.lightgbm import evaluation_result
from focaltab.boosting._evaluation import METRIC_NAME, AveragePrecision
from focaltab.distributed._rows import Joined
from focaltab.losses import FocalLoss


class EvaluateAveragePrecision:
    """A callback of LightGBM's that adds the figure to each round's results.

    Trees are the same on all workers, hence so are the figures, and all stop at the same round.

    Parameters
    ----------
    sets : list of Joined
    loss : FocalLoss
    intercept : ndarray of shape (1,) or (n_classes,)
        Raw score before the first round.
    """

    # LightGBM's own callbacks, which record and stop, come at 20 and 30.
    order = 5
    before_iteration = False

    def __init__(self, sets: list[Joined], loss: FocalLoss, intercept: NDArray[np.float64]) -> None:
        self.sets = sets
        self.metric = AveragePrecision(loss)
        self.intercept = intercept
        self._scores: list[Any] | None = None

    def __call__(self, env: Any) -> None:
        """Evaluate the model after round ``env.iteration``."""
        dropping = env.params.get("boosting_type", env.params.get("boosting")) == "dart"
        if dropping or self._scores is None:
            # dart changes trees that it made before.
            first, n_trees = 0, env.iteration + 1
            self._scores = [
                self.intercept[0] if self.intercept.size == 1 else self.intercept
            ] * len(self.sets)
        else:
            first, n_trees = env.iteration, 1
        for number, one in enumerate(self.sets):
            added = env.model.predict(
                one.features, start_iteration=first, num_iteration=n_trees, raw_score=True
            )
            self._scores[number] = self._scores[number] + added
            value = self.metric(one.codes, self._scores[number], one.weight)
            env.evaluation_result_list.append(
                evaluation_result(f"valid_{number}", METRIC_NAME, value, True)
            )
