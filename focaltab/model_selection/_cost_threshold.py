"""``CostThresholdClassifier``: the cheapest decision for each row."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from focaltab._compat.sklearn import count_rows
from focaltab.model_selection._decision import DecisionClassifier, per_row

Cost = float | str | Callable[[Any], Any]


class CostThresholdClassifier(DecisionClassifier):
    """Decide each row so that its expected cost is least, given calibrated probabilities.

    A row is called positive if and only if ``p (fn_cost - tp_cost) > (1-p) (fp_cost - tn_cost)``
    (Elkan, "The Foundations of Cost-Sensitive Learning", 2001). With one cost for all rows this is
    one threshold; with costs of its own each row has its own. Nothing is tuned: it is right where
    the probabilities are.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``
    fp_cost, fn_cost : float, str or callable, default=1.0
        Cost of a needless alert and of a missed positive: a number, the name of a column of ``X``
        (the amount of a payment, say), or a callable that makes one cost per row from ``X``.
    tp_cost, tn_cost : float, str or callable, default=0.0
        Costs of right decisions: an alert costs its review also when it is right.
    pos_label : label, default=None
        The positive label; None for the one that the estimator is told, else the second in sorted
        order.

    Attributes
    ----------
    estimator_ : classifier
    classes_ : ndarray of shape (2,)

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : one threshold, tuned on a score.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from focaltab.model_selection import CostThresholdClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"risk": rng.normal(size=500), "amount": rng.gamma(2, 50, 500)})
    >>> y = X["risk"] + rng.normal(size=500) > 2
    >>> model = CostThresholdClassifier(
    ...     LogisticRegression(), fp_cost=5.0, tp_cost=5.0, fn_cost="amount").fit(X, y)
    >>> model.predict(X).shape, model.thresholds(X).shape
    ((500,), (500,))
    """

    def __init__(
        self,
        estimator: Any,
        *,
        fp_cost: Cost = 1.0,
        fn_cost: Cost = 1.0,
        tp_cost: Cost = 0.0,
        tn_cost: Cost = 0.0,
        pos_label: Any = None,
    ) -> None:
        self.estimator = estimator
        self.fp_cost = fp_cost
        self.fn_cost = fn_cost
        self.tp_cost = tp_cost
        self.tn_cost = tn_cost
        self.pos_label = pos_label

    def fit(self, X: Any, y: Any, **fit_params: Any) -> CostThresholdClassifier:
        """Fit the estimator.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two labels.
        **fit_params
            Passed to the estimator's ``fit``; under metadata routing, as it requests.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For more than two classes, or costs that are unusable on these rows.
        """
        self._check(X, y)
        self._stakes(X)  # unusable costs show now, not in production
        self._take(clone(self.estimator).fit(X, y, **self._routed(fit_params)))
        return self

    def thresholds(self, X: Any) -> NDArray[np.float64]:
        """Probability above which each row is called positive, shape (n_samples,).

        Raises
        ------
        ValueError
            For costs that are missing, not finite, or make the right decision the dear one.
        """
        alert, miss = self._stakes(X)
        return np.asarray(np.broadcast_to(alert / (alert + miss), (count_rows(X),)))

    def predict(self, X: Any) -> NDArray[Any]:
        """The cheaper label for each row, shape (n_samples,).

        Raises
        ------
        ValueError
            As `thresholds`.
        """
        p = self._positive_proba(X)
        alert, miss = self._stakes(X)
        return self._labels(p * miss > (1.0 - p) * alert)

    def _stakes(self, X: Any) -> tuple[Any, Any]:
        """What a needless alert, and a missed positive, cost above the right decision."""
        cost = {n: self._cost(n, X) for n in ("fp_cost", "fn_cost", "tp_cost", "tn_cost")}
        stakes = []
        for wrong, right in (("fp_cost", "tn_cost"), ("fn_cost", "tp_cost")):
            stake = np.asarray(cost[wrong] - cost[right])
            # A payment of less than a review is best let through; but no alert may pay by itself.
            if wrong == "fp_cost" and not (stake > 0).all():
                row = int(np.flatnonzero(~(stake.reshape(-1) > 0))[0])
                raise ValueError(
                    f"fp_cost must exceed tn_cost, but in row {row} it does not: every alert would "
                    "pay."
                )
            stakes.append(np.maximum(stake, 0.0))
        return stakes[0], stakes[1]

    def _cost(self, name: str, X: Any) -> Any:
        source = getattr(self, name)
        if isinstance(source, Real):
            values = np.asarray(source, dtype=np.float64)
        else:
            given = per_row(name, source, X)
            try:
                values = given.astype(np.float64)
            except (TypeError, ValueError):
                raise ValueError(f"{name} must give numbers, got {given.dtype} values.") from None
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values.reshape(-1)))[0])
            raise ValueError(
                f"{name} is {values.reshape(-1)[row]} in row {row}: costs must be finite."
            )
        return values
