"""``AlertBudgetClassifier``: as many alerts a period as can be worked."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted, column_or_1d

from focaltab._compat.sklearn import count_rows
from focaltab.data import take_rows
from focaltab.model_selection._decision import DecisionClassifier, per_row
from focaltab.model_selection._folds import checked_folds
from focaltab.model_selection._positive import pos_label_of
from focaltab.model_selection._search_evaluation import of_rows


class AlertBudgetClassifier(DecisionClassifier):
    """Call positive what scores above the threshold that makes `k` alerts a period on average.

    The threshold comes from out-of-fold scores of the training rows: scores of rows that a model
    was trained on are too extreme to set one. `predict` then judges each row by itself, so it
    works in a stream; `alerts` picks exactly the `k` highest rows of each period of a batch.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``
    k : int, default=100
        Alerts a period.
    period : str or callable, default=None
        A column of ``X`` that says which period a row is in (its day, say); the estimator is not
        given that column, and `predict` does not need it. Or a callable that makes it from ``X``,
        all of which the estimator is then given. None takes all training rows as one period.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the out-of-fold scores, as `checked_folds` takes them; a number makes stratified,
        shuffled ones. Periods are those of the rows that were tested, which need not be all.
    pos_label : label, default=None
        The positive label; None for the one that the estimator is told, else the second in sorted
        order.
    random_state : int or None, default=None
        Shuffles the folds.

    Attributes
    ----------
    threshold_ : float
        Rows whose probability is at least this are called positive.
    n_periods_ : int
    estimator_ : classifier
        Fitted on all rows.
    classes_ : ndarray of shape (2,)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from focaltab.model_selection import AlertBudgetClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2)); y = (X[:, 0] + rng.normal(size=2000) > 2).astype(int)
    >>> model = AlertBudgetClassifier(LogisticRegression(), k=50, random_state=0).fit(X, y)
    >>> bool(40 < model.predict(X).sum() < 60), int(model.alerts(X).sum())
    (True, 50)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        k: int = 100,
        period: str | Callable[[Any], Any] | None = None,
        cv: Any = 5,
        pos_label: Any = None,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.k = k
        self.period = period
        self.cv = cv
        self.pos_label = pos_label
        self.random_state = random_state

    def fit(self, X: Any, y: Any, **fit_params: Any) -> AlertBudgetClassifier:
        """Set the threshold from out-of-fold scores, then fit the estimator on all rows.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two labels.
        **fit_params
            Passed to the estimator's ``fit``; values of the rows' length are split with them.
            Under metadata routing they go to the estimator, and to the splitter `cv`, as each
            requests.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a `k` below 1 or beyond the rows, more than two classes, folds that
            `checked_folds` refuses, or a row that is tested twice.
        """
        X, y = indexable(X, y)
        y = column_or_1d(y, warn=True)
        positive = self._check(X, y)
        routed = self._routing(fit_params)
        for_estimator = fit_params if routed is None else dict(routed.estimator.fit)
        groups = None if routed is None else routed.splitter.split.get("groups")
        _check_both_classes_count(y, for_estimator.get("sample_weight"))
        periods = self._checked_periods(X)
        folds = checked_folds(
            self.cv,
            X,
            y,
            groups,
            pos_label=pos_label_of(self),
            random_state=self.random_state,
        )
        features = self._features(X)
        scores, tested = np.empty(y.size), np.zeros(y.size, dtype=bool)
        for train, test in folds:
            if tested[test].any():
                raise ValueError(
                    "cv tests rows more than once: a threshold needs one score of each."
                )
            fitted = clone(self.estimator).fit(
                take_rows(features, train),
                y[train],
                **of_rows(for_estimator, train, y.size),
            )
            stated = fitted.predict_proba(take_rows(features, test))
            scores[test], tested[test] = np.asarray(stated)[:, positive], True
        n_periods = int(np.unique(periods[tested]).size)
        n_alerts = self._n_alerts(n_periods, int(tested.sum()))
        self._take(clone(self.estimator).fit(features, y, **for_estimator))
        # Last and together: a refit that fails leaves the fit before it whole.
        self.threshold_: float = float(np.partition(scores[tested], -n_alerts)[-n_alerts])
        self.n_periods_ = n_periods
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata of `fit` go under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        MetadataRouter
            To the estimator's ``fit`` and the splitter's ``split``, as each requests.
        """
        mapping = MethodMapping().add(callee="split", caller="fit")
        return super().get_metadata_routing().add(splitter=self.cv, method_mapping=mapping)

    def _checked_periods(self, X: Any) -> NDArray[Any]:
        """Period of each row."""
        if not isinstance(self.k, Integral) or self.k < 1:
            raise ValueError(f"k must be a whole number of at least 1, got {self.k!r}.")
        periods = self._periods(X)
        self._n_alerts(int(np.unique(periods).size), periods.size)
        return periods

    def _n_alerts(self, n_periods: int, n_rows: int) -> int:
        """Alerts in all periods."""
        n_alerts = int(self.k) * n_periods
        if n_alerts > n_rows:
            raise ValueError(
                f"k={self.k} alerts in each of {n_periods} periods are more than the {n_rows} rows."
            )
        return n_alerts

    def predict(self, X: Any) -> NDArray[Any]:
        """Label of each row by its own score, shape (n_samples,)."""
        check_is_fitted(self, "threshold_")
        return self._labels(self._positive_proba(X) >= self.threshold_)

    def alerts(self, X: Any) -> NDArray[np.bool_]:
        """Whether each row is among the `k` highest of its period in this batch.

        Of equal scores the earlier rows; a period of fewer than `k` rows has them all.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of bool of shape (n_samples,)
        """
        check_is_fitted(self, "threshold_")
        score = pd.Series(self._positive_proba(X))
        rank = score.groupby(self._periods(X)).rank(method="first", ascending=False)
        return np.asarray(rank <= self.k)

    def _features(self, X: Any) -> Any:
        if isinstance(self.period, str) and isinstance(X, pd.DataFrame):
            return X.drop(columns=self.period, errors="ignore")
        return X

    def _periods(self, X: Any) -> NDArray[Any]:
        if self.period is None:
            return np.zeros(count_rows(X), np.intp)
        values = per_row("period", self.period, X)
        if pd.isna(values).any():
            row = int(np.flatnonzero(pd.isna(values))[0])
            raise ValueError(f"period is missing in row {row}.")
        return values


def _check_both_classes_count(y: NDArray[Any], sample_weight: Any) -> None:
    if sample_weight is not None:
        weight = pd.Series(np.asarray(sample_weight, dtype=np.float64)).groupby(y).sum()
        if (weight == 0).any():
            raise ValueError(
                f"sample_weight is zero in every row of class {weight.idxmin()}: both classes are "
                "needed."
            )
