"""``DaskFocalLGBMClassifier``: `FocalLGBMClassifier` trained on a Dask cluster."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from distributed import Client, wait
from lightgbm import DaskLGBMRegressor, LGBMRegressor
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray

from focaltab._compat.lightgbm import (
    DASK_TASK,
    aliases_of,
    fitted_attributes,
    further_parameters,
    leave_network,
    nothing_to_split,
    set_labels,
    train_on_cluster,
)
from focaltab.boosting import FocalLGBMClassifier, lightgbm_objective
from focaltab.boosting._lightgbm import _OWN_PARAMETERS, _add_to_first_trees
from focaltab.data import LIGHTGBM, whole_or_unchanged
from focaltab.distributed._average_precision import EvaluateAveragePrecision
from focaltab.distributed._client import copy_unfitted, current_client
from focaltab.distributed._lost_workers import run_watched
from focaltab.distributed._partitions import lazy_labels, lazy_probabilities
from focaltab.distributed._rows import joined
from focaltab.distributed._training import Rows, TrainingSet, training_set


class _WorkersModel(LGBMRegressor):  # type: ignore[misc]
    """What a worker trains, which leaves no connections behind where it fails.

    LightGBM frees its network after a success alone: a worker that then trains on its own, with
    no network to set up, would go on talking to those that are gone.
    """

    def fit(self, *data: Any, **options: Any) -> _WorkersModel:
        try:
            super().fit(*data, **options)
        except BaseException:
            leave_network()
            raise
        return self


class _Trainer(DaskLGBMRegressor):  # type: ignore[misc]
    """LightGBM's training over Dask that leaves labels alone.

    Its classifier numbers the labels on each worker anew: one that holds no negatives would take
    its positives for class 0.
    """

    def fit(self, X: Any, y: Any, **options: Any) -> _Trainer:
        train_on_cluster(self, _WorkersModel, X, y, options)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        params: dict[str, Any] = super().get_params(deep)
        params.pop("n_jobs", None)  # which LightGBM would warn of: workers' threads are Dask's
        return params


class DaskFocalLGBMClassifier(FocalLGBMClassifier):
    """`FocalLGBMClassifier` trained by ``lightgbm.dask`` on the rows of all workers.

    Prevalence, class weights and the loss's scale are those of all partitions together, so the
    model is the one that `FocalLGBMClassifier` would fit, up to how LightGBM bins features that
    are spread over workers.

    Parameters
    ----------
    client : distributed.Client, default=None
        None for the current client. It is not kept when the estimator is pickled.
    **kwargs
        Of `FocalLGBMClassifier`. ``n_jobs`` is without effect: each worker uses its own threads.
        So are ``early_stopping_folds`` and ``refit``: `validation_fraction` of the rows is held
        out.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    loss_ : FocalLoss
        The loss that was minimised, class weights and scale included.
    prevalence_ : float, or ndarray of shape (n_classes,) for more than two classes
        Weighted share of the positive class, or of each class, over all partitions.

    Notes
    -----
    Evaluation sets are copied whole to every worker, since LightGBM has no way to add up a metric
    over workers; they are judged by average precision and by nothing else.

    Examples
    --------
    >>> import dask.array as da, numpy as np
    >>> from distributed import Client
    >>> from focaltab.distributed import DaskFocalLGBMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 4))
    >>> y = np.where(X[:, 0] + rng.normal(size=2000) > 2.5, "fraud", "fine")
    >>> client = Client(processes=False, dashboard_address=":0")
    >>> model = DaskFocalLGBMClassifier(n_estimators=10, verbosity=-1, client=client)
    >>> model = model.fit(da.from_array(X, chunks=(500, 4)), da.from_array(y, chunks=500))
    Finding random open ports for workers
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
        sample_weight: Any = None,
        eval_set: Any = None,
        eval_sample_weight: Any = None,
    ) -> DaskFocalLGBMClassifier:
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
        eval_sample_weight : list of dask Series or Arrays, default=None

        Returns
        -------
        self

        Raises
        ------
        TypeError
            For data that is no Dask collection.
        ValueError
            As `FocalLGBMClassifier.fit`, with the partition that is at fault; for partitions that
            do not match, categories that are not known, or columns of which none can be split.
        RuntimeError
            If a worker is lost while the model is trained.
        """
        with current_client(self.client) as client:
            self._fit(client, X, y, sample_weight, eval_set, eval_sample_weight)
        return self

    def _fit(
        self, client: Client, X: Any, y: Any, sample_weight: Any, eval_set: Any, eval_weight: Any
    ) -> None:
        self._check_parameters(None)
        if self._given("metric") not in (None, "average_precision"):
            raise ValueError(
                f"metric={self._given('metric')!r}: LightGBM would evaluate every worker's rows by "
                "themselves. Early stopping here goes by average precision over all of them."
            )
        stops = (self._given("early_stopping_round") or 0) > 0
        data = training_set(
            self,
            client,
            X,
            y,
            sample_weight,
            reader=LIGHTGBM,
            scale_pos_weight=further_parameters(self).get("scale_pos_weight"),
            eval_set=eval_set,
            eval_weight=eval_weight,
            stops_early=stops,
            needs_positives=stops,
        )
        intercept = np.atleast_1d(data.loss.intercept(data.prevalence))
        with whole_or_unchanged(self):
            trained = self._trained(client, data, intercept)
            parameters = self.get_params(deep=False)
            self.__dict__.update(fitted_attributes(trained, parameters, labels=False))
            objective = "multiclass" if data.loss.is_multiclass else "binary"
            set_labels(self, data.classes.labels, objective)
            _add_to_first_trees(self.booster_, intercept)
            self._keep(data.classes, data.columns, data.loss, data.prevalence)
            self.sampling_ = None

    def _trained(self, client: Any, data: TrainingSet, intercept: NDArray[np.float64]) -> _Trainer:
        """LightGBM's own estimator, trained on class numbers from the intercept on."""
        X, codes, weight = data.rows.collections(data.dtype)
        start = _constant_score(intercept, data.rows.sizes)
        X, codes, start = (client.persist(one) for one in (X, codes, start))
        weight = None if weight is None else client.persist(weight)
        kept = [one for one in (X, codes, start, weight) if one is not None]
        wait(kept)
        trainer = _Trainer(
            client=client,
            objective=lightgbm_objective(data.loss, n_threads=min(client.ncores().values())),
            **self._training_parameters(data),
        )
        callbacks = []
        if data.evaluation:
            callbacks.append(_evaluation(client, data, intercept))
            wait(callbacks)

        def train() -> _Trainer:
            return trainer.fit(
                X, codes, sample_weight=weight, init_score=start, callbacks=callbacks or None
            )

        try:
            return run_watched(client, DASK_TASK, train)
        except LightGBMError as error:
            if nothing_to_split(error):
                raise ValueError(
                    "No column can be split: all are constant, or have too few rows for "
                    f"min_child_samples={self.min_child_samples}."
                ) from error
            raise

    def _training_parameters(self, data: TrainingSet) -> dict[str, Any]:
        params = self.get_params(deep=False)
        ours = {*_OWN_PARAMETERS, "client", "class_weight", "scale_pos_weight"}
        ours |= {*aliases_of("objective", "metric", "num_class", "num_threads")}
        if not data.evaluation or self._given("early_stopping_round") is None:
            ours |= {*aliases_of("early_stopping_round")}
        params = {name: value for name, value in params.items() if name not in ours}
        for alias in aliases_of("early_stopping_round"):
            if params.get(alias, 0) is None:
                del params[alias]
        if data.loss.is_multiclass:
            params["num_class"] = data.loss.n_classes
        return {**params, "metric": "None"}

    def to_local(self) -> FocalLGBMClassifier:
        """The fitted model as an ordinary estimator, for data in memory and for files."""
        _ = self.booster_  # scikit-learn's NotFittedError
        parameters = self.get_params(deep=False)
        del parameters["client"]
        local = FocalLGBMClassifier(**parameters)
        local.__dict__.update(fitted_attributes(self, parameters, labels=True))
        return local

    def predict_proba(self, X: Any) -> da.Array:  # type: ignore[override]
        """Calibrated probability of each class, not computed.

        Parameters
        ----------
        X : dask DataFrame or dask Array of shape (n_samples, n_features)

        Returns
        -------
        dask Array of shape (n_samples, n_classes), float64
            Columns in the order of `classes_`.
        """
        return lazy_probabilities(self.to_local(), X, np.float64)

    def predict(self, X: Any) -> da.Array:  # type: ignore[override]
        """Label of the most probable class, not computed; dask Array of shape (n_samples,)."""
        return lazy_labels(self.to_local(), X)

    def __sklearn_clone__(self) -> DaskFocalLGBMClassifier:
        return copy_unfitted(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}


def _constant_score(intercept: NDArray[np.float64], sizes: list[int]) -> da.Array:
    shape: Any = (sum(sizes),)
    chunks: Any = (tuple(sizes),)
    if intercept.size == 1:
        return da.full(shape, intercept[0], chunks=chunks)
    # One partition of rows after the other, each with a column for every class.
    return da.broadcast_to(
        da.from_array(intercept), (*shape, intercept.size), chunks=(*chunks, (intercept.size,))
    )


def _evaluation(client: Any, data: TrainingSet, intercept: NDArray[np.float64]) -> Any:
    """The callback that evaluates, made and kept on a worker: the client never sees the rows."""

    def one(rows: Rows) -> Any:
        return client.submit(joined, rows.meta, rows.features, rows.codes, rows.weight, pure=False)

    sets = [one(rows) for rows in data.evaluation]
    return client.submit(EvaluateAveragePrecision, sets, data.loss, intercept, pure=False)
