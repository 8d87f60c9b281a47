"""The loss core as a custom objective of XGBoost and LightGBM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focaltab.losses import FocalLoss
from focaltab.losses._blocks import available_threads


class BoosterObjective:
    """A `FocalLoss` that a gradient booster can call, in either of its two conventions.

    ``objective(margins, data_set)`` is what ``xgb.train`` and ``lgb.train`` call; labels and
    weights are read from the data set. ``objective(y_true, margins, sample_weight)`` is what the
    libraries' scikit-learn classes call. Made by `xgboost_objective` and `lightgbm_objective`.

    Parameters
    ----------
    loss : FocalLoss
    hessian_factor : float
        What the library's own softmax objective multiplies its diagonal hessian by.
    single_precision : bool
        Whether to compute in float32 where margins come in float64.
    n_threads : int or None
        Threads that share the rows; None for all that the process may use.
    """

    def __init__(
        self, loss: FocalLoss, hessian_factor: float, single_precision: bool, n_threads: int | None
    ) -> None:
        if not isinstance(loss, FocalLoss):
            raise TypeError(f"expected a FocalLoss, got {type(loss).__name__}.")
        self.loss = loss
        self.hessian_factor = hessian_factor
        self.single_precision = single_precision
        self.n_threads = n_threads

    def __repr__(self) -> str:
        return f"BoosterObjective({self.loss!r})"

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and positive curvature of every row, of the margins' shape.

        Raises
        ------
        ValueError
            If labels are not the class numbers that the loss expects.
        """
        if hasattr(y_pred, "get_label"):
            margins, data_set = y_true, y_pred
            labels, weight = data_set.get_label(), data_set.get_weight()
        else:
            labels, margins, weight = y_true, y_pred, sample_weight
        labels = np.asarray(labels)
        n_known = sum(np.count_nonzero(labels == k) for k in range(self.loss.n_classes))
        if n_known != labels.size:
            strange = labels[~np.isin(labels, np.arange(self.loss.n_classes))][0]
            raise ValueError(
                f"labels must be class numbers 0 to {self.loss.n_classes - 1}, but {strange} is "
                "among them; set n_classes of the loss, or encode the labels."
            )
        raw = np.asarray(margins)
        single = self.single_precision or raw.dtype == np.float32
        if raw.ndim == 2 and not self.loss.is_multiclass:
            raw = raw.reshape(-1)
        weight = None if weight is None or np.size(weight) == 0 else np.asarray(weight)
        n_threads = available_threads() if self.n_threads is None else self.n_threads
        gradient, hessian = np.empty((2, *raw.shape), np.float32 if single else np.float64)
        self.loss._gradient_hessian(
            labels, raw, weight, "expected", gradient, hessian, n_threads=n_threads
        )
        if self.loss.is_multiclass and self.hessian_factor != 1.0:
            np.multiply(hessian, self.hessian_factor, out=hessian)
        return gradient, hessian


def xgboost_objective(loss: FocalLoss, *, n_threads: int | None = None) -> BoosterObjective:
    """Make `loss` a custom objective for XGBoost.

    Works in ``xgb.train(params, dtrain, obj=...)`` and in ``XGBClassifier(objective=...)``.
    XGBoost starts a custom objective from its own ``base_score``: set ``base_score`` to the
    prevalence (with ``"objective": "binary:logistic"`` in ``params``) for a loss with
    ``link="logit"``. `FocalXGBClassifier` does all of this.

    Parameters
    ----------
    loss : FocalLoss
    n_threads : int, default=None
        Threads that share the rows; None for all that the process may use.

    Returns
    -------
    BoosterObjective
        Picklable.

    Examples
    --------
    >>> import numpy as np, xgboost as xgb
    >>> from focaltab.boosting import xgboost_objective
    >>> from focaltab.losses import FocalLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)); y = X[:, 0] + rng.normal(size=500) > 2
    >>> params = {"objective": "binary:logistic", "base_score": y.mean()}
    >>> booster = xgb.train(params, xgb.DMatrix(X, y), 10,
    ...                     obj=xgboost_objective(FocalLoss(2.0, link="logit")))
    >>> booster.predict(xgb.DMatrix(X)).shape
    (500,)
    """
    # XGBoost's softmax objective doubles p (1 - p), an upper bound of the full hessian.
    return BoosterObjective(loss, 2.0, single_precision=True, n_threads=n_threads)


def lightgbm_objective(loss: FocalLoss, *, n_threads: int | None = None) -> BoosterObjective:
    """Make `loss` a custom objective for LightGBM.

    Works in ``lgb.train({"objective": ...}, data)`` and in ``LGBMClassifier(objective=...)``.
    LightGBM starts a custom objective from zero and keeps no ``init_score`` in the model:
    `FocalLGBMClassifier` starts from the intercept and stores it in the first tree.

    Parameters
    ----------
    loss : FocalLoss
    n_threads : int, default=None
        Threads that share the rows; None for all that the process may use.

    Returns
    -------
    BoosterObjective
        Picklable.

    Examples
    --------
    >>> import numpy as np, lightgbm as lgb
    >>> from focaltab.boosting import lightgbm_objective
    >>> from focaltab.losses import FocalLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)); y = (X[:, 0] + rng.normal(size=500) > 2).astype(int)
    >>> params = {"objective": lightgbm_objective(FocalLoss(2.0, link="logit")), "verbosity": -1}
    >>> lgb.train(params, lgb.Dataset(X, y), 10).predict(X).shape
    (500,)
    """
    # LightGBM's softmax objective uses K / (K - 1) (Friedman 2001, eq. 39). It keeps gradients in
    # float32, so float64 is worth its time only where the loss is exact (plain cross-entropy).
    return BoosterObjective(
        loss,
        loss.n_classes / (loss.n_classes - 1.0) if isinstance(loss, FocalLoss) else 1.0,
        single_precision=isinstance(loss, FocalLoss) and loss.gamma != 0,
        n_threads=n_threads,
    )


def own_threads(n_jobs: int | None) -> int | None:
    """Threads for the objective under the estimator's ``n_jobs``; None for all."""
    return n_jobs if n_jobs is not None and n_jobs > 0 else None
