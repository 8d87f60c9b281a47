"""``DaskFocalXGBClassifier``: `FocalXGBClassifier` trained on a Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
from distributed import Client, Future, wait
from xgboost import dask as xgboost_dask

from focaltab._compat.xgboost import (
    BOOSTER,
    DASK_TASK,
    deal_out,
    partition_of,
    set_booster,
    workers_of,
)
from focaltab.boosting import FocalXGBClassifier, xgboost_objective
from focaltab.boosting._early_stopping import early_stopping, with_direction
from focaltab.boosting._evaluation import AveragePrecision, as_list, on_probabilities
from focaltab.data import XGBOOST, whole_or_unchanged
from focaltab.distributed._client import copy_unfitted, current_client
from focaltab.distributed._gathered import Gathered
from focaltab.distributed._lost_workers import run_watched
from focaltab.distributed._partitions import lazy_labels, lazy_probabilities
from focaltab.distributed._rows import joined
from focaltab.distributed._training import Rows, TrainingSet, training_set

_FITTED = (
    BOOSTER,
    "n_classes_",
    "_label_order",
    "loss_",
    "prevalence_",
    "sampling_",
    "_columns",
    "evals_result_",
)


class DaskFocalXGBClassifier(FocalXGBClassifier):
    """`FocalXGBClassifier` trained by ``xgboost.dask`` on the rows of all workers.

    Prevalence, class weights and the loss's scale are those of all partitions together, so the
    model is the one that `FocalXGBClassifier` would fit, up to how XGBoost bins features that are
    spread over workers.

    Parameters
    ----------
    client : distributed.Client, default=None
        None for the current client. It is not kept when the estimator is pickled.
    **kwargs
        Of `FocalXGBClassifier`. A callable ``eval_metric`` is handed the rows of all workers.
        ``n_jobs`` is what each worker may use, at most its own threads. ``early_stopping_folds``
        and ``refit`` are without effect: `validation_fraction` of the rows is held out.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    loss_ : FocalLoss
        The loss that was minimised, class weights and scale included.
    prevalence_ : float, or ndarray of shape (n_classes,) for more than two classes
        Weighted share of the positive class, or of each class, over all partitions.

    Notes
    -----
    ``fit`` takes no ``base_margin`` and no ``xgb_model``: continue a model with its local twin.

    Examples
    --------
    >>> import dask.array as da, numpy as np
    >>> from distributed import Client
    >>> from focaltab.distributed import DaskFocalXGBClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 4))
    >>> y = np.where(X[:, 0] + rng.normal(size=2000) > 2.5, "fraud", "fine")
    >>> client = Client(processes=False, dashboard_address=":0")
    >>> model = DaskFocalXGBClassifier(n_estimators=10, client=client)
    >>> model = model.fit(da.from_array(X, chunks=(500, 4)), da.from_array(y, chunks=500))
    >>> model.to_local().predict_proba(X).shape
    (2000, 2)
    >>> client.close()
    """

    def __init__(self, *, client: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client = client

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        eval_set: Sequence[tuple[Any, Any]] | None = None,
        sample_weight_eval_set: Sequence[Any] | None = None,
    ) -> DaskFocalXGBClassifier:
        """Fit the booster on the cluster.

        Parameters
        ----------
        X : dask DataFrame or dask Array of shape (n_samples, n_features)
            NaN is missing; categories must be known (``.categorize()``).
        y : dask Series or Array of shape (n_samples,)
            Labels of any type, in partitions like those of X.
        sample_weight : dask Series or Array of shape (n_samples,), default=None
        eval_set : list of (X, y), default=None
            For early stopping. Without it, `validation_fraction` of the rows is held out, drawn
            from all partitions.
        sample_weight_eval_set : list of dask Series or Arrays, default=None

        Returns
        -------
        self

        Raises
        ------
        TypeError
            For data that is no Dask collection.
        ValueError
            As `FocalXGBClassifier.fit`, with the partition that is at fault; for partitions that
            do not match, or categories that are not known.
        RuntimeError
            If a worker is lost while the model is trained.
        """
        with current_client(self.client) as client:
            self._fit(client, X, y, sample_weight, eval_set, sample_weight_eval_set)
        return self

    def _fit(
        self, client: Client, X: Any, y: Any, sample_weight: Any, eval_set: Any, eval_weight: Any
    ) -> None:
        for name, refused in (("tree_method", "exact"), ("booster", "gblinear")):
            if getattr(self, name) == refused:
                raise ValueError(f"{name}={refused!r}: XGBoost has no distributed training for it.")
        self._check_parameters()
        data = training_set(
            self,
            client,
            X,
            y,
            sample_weight,
            reader=XGBOOST,
            scale_pos_weight=self.scale_pos_weight,
            eval_set=eval_set,
            eval_weight=eval_weight,
            stops_early=bool(self.early_stopping_rounds),
            needs_positives=bool(self.early_stopping_rounds) and not self.eval_metric,
        )
        self._check_metrics(data.classes)
        with whole_or_unchanged(self):
            self.n_classes_ = data.classes.labels.size
            result = self._trained(client, data)
            set_booster(self, result["booster"])
            self.evals_result_ = result["history"]
            self._keep_best_rounds()
            self._keep(data.classes, data.columns, data.loss, data.prevalence)
            self.sampling_ = None

    def _trained(self, client: Any, data: TrainingSet) -> Any:
        """What ``xgboost.dask.train`` returns."""
        collections = [
            tuple(None if c is None else client.persist(c) for c in rows.collections(data.dtype))
            for rows in (data.rows, *data.evaluation)
        ]
        wait([c for one in collections for c in one if c is not None])
        params, custom_metric = self._training_parameters(data)
        callbacks = [with_direction(one, self.eval_metric) for one in self.callbacks or []]
        rounds = self.early_stopping_rounds or None
        stop = early_stopping(rounds, self.eval_metric)
        if stop is not None:
            callbacks.append(stop)
            rounds = None
        threads = min(client.ncores().values())
        objective = xgboost_objective(data.loss, n_threads=threads)

        def train() -> Any:
            matrices = [self._matrix(client, collections[0], None)]
            for one, rows in zip(collections[1:], data.evaluation, strict=True):
                matrices.append(self._matrix(client, one, matrices[0]))
                deal_out(matrices[-1], _shares(client, rows, workers_of(matrices[0])))
            return xgboost_dask.train(
                client,
                params,
                matrices[0],
                self.get_num_boosting_rounds(),
                evals=[(m, f"validation_{k}") for k, m in enumerate(matrices[1:])],
                obj=objective,
                custom_metric=custom_metric,
                early_stopping_rounds=rounds,
                callbacks=callbacks,
                verbose_eval=False,
            )

        return run_watched(client, DASK_TASK, train)

    def _training_parameters(self, data: TrainingSet) -> tuple[dict[str, Any], Any]:
        """Parameters of the booster, and the metric that is not among them."""
        self._fit_base_score = self._base_score(data.loss, data.prevalence)
        try:
            params = self.get_xgb_params()
        finally:
            del self._fit_base_score
        n_classes = data.classes.labels.size
        params["objective"] = "binary:logistic" if n_classes == 2 else "multi:softprob"
        if n_classes > 2:
            params["num_class"] = n_classes
        params.pop("eval_metric", None)
        if self.eval_metric is None:
            return params, Gathered(AveragePrecision(data.loss), n_classes)
        metrics = as_list(self.eval_metric)
        own = [metric for metric in metrics if callable(metric)]
        if len(own) > 1:
            raise ValueError("eval_metric: XGBoost takes one callable metric at most.")
        if named := [metric for metric in metrics if not callable(metric)]:
            params["eval_metric"] = named
        return params, Gathered(on_probabilities(own[0], data.loss), n_classes) if own else None

    def _matrix(self, client: Any, collections: Any, reference: Any) -> Any:
        X, codes, weight = collections
        shared = {
            "weight": weight,
            "missing": self.missing,
            "feature_types": self.feature_types,
            "enable_categorical": self.enable_categorical,
        }
        if self.feature_weights is not None:
            shared["feature_weights"] = da.from_array(np.asarray(self.feature_weights))
        if self.tree_method in (None, "auto", "hist"):
            return xgboost_dask.DaskQuantileDMatrix(
                client, X, codes, max_bin=self.max_bin, ref=reference, **shared
            )
        return xgboost_dask.DaskDMatrix(client, X, codes, **shared)

    def to_local(self) -> FocalXGBClassifier:
        """The fitted model as an ordinary estimator, for data in memory and for files."""
        self.get_booster()  # scikit-learn's NotFittedError
        parameters = self.get_params(deep=False)
        del parameters["client"]
        local = FocalXGBClassifier(**parameters)
        local.__dict__.update({name: vars(self)[name] for name in _FITTED if name in vars(self)})
        return local

    def predict_proba(self, X: Any) -> da.Array:  # type: ignore[override]
        """Calibrated probability of each class, not computed.

        Parameters
        ----------
        X : dask DataFrame or dask Array of shape (n_samples, n_features)

        Returns
        -------
        dask Array of shape (n_samples, n_classes), float32
            Columns in the order of `classes_`.
        """
        return lazy_probabilities(self.to_local(), X, np.float32)

    def predict(self, X: Any) -> da.Array:  # type: ignore[override]
        """Label of the most probable class, not computed; dask Array of shape (n_samples,)."""
        return lazy_labels(self.to_local(), X)

    def _wrapper_params(self) -> set[str]:
        return set(super()._wrapper_params()) | {"client"}

    def __sklearn_clone__(self) -> DaskFocalXGBClassifier:
        return copy_unfitted(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}


def _shares(client: Client, rows: Rows, workers: list[str]) -> dict[str, list[Future]]:
    """An evaluation set dealt out to the workers that train, be it to some of them as no rows.

    XGBoost fails where a worker has rows to train on and none to evaluate, or the reverse.
    """
    shares = {}
    for number, worker in enumerate(workers):
        weight = None if rows.weight is None else rows.weight[number :: len(workers)]
        shares[worker] = [
            client.submit(
                _share,
                rows.meta,
                rows.features[number :: len(workers)],
                rows.codes[number :: len(workers)],
                weight,
                workers=[worker],
                allow_other_workers=False,
                pure=False,
            )
        ]
    return shares


def _share(meta: Any, features: list[Any], codes: list[Any], weight: Any) -> dict[str, Any]:
    """One worker's rows in the form of ``xgboost.dask``'s partitions."""
    one = joined(meta, features, codes, weight)
    return partition_of(one.features, one.codes, one.weight)
