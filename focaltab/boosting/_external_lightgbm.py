"""Tables that are larger than memory, as LightGBM takes them: rows pushed into its bins in batches.

LightGBM keeps a byte of every value in memory, its bin. Bins come from the same sample of rows as
those of a table in memory, so the model is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import Dataset, Sequence, record_evaluation, train
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from focaltab._compat.lightgbm import (
    aliases_of,
    as_feval,
    list_categories,
    set_fitted,
    training_parameters,
)
from focaltab.data import LazyTable, TrainingSet, is_lazy


def check_external(data: TrainingSet, init_model: Any) -> None:
    """Refuse what LightGBM cannot do with tables in files.

    Raises
    ------
    ValueError
        For a model to continue, or tables only in the evaluation sets.
    """
    if is_lazy(data.rows.X):
        if init_model is not None:
            raise ValueError(
                "init_model: LightGBM cannot continue a model on a table in files. Train anew, or "
                "on table.to_frame() if it fits into memory."
            )
        return
    for k, rows in enumerate(data.evaluation):
        if is_lazy(rows.X):
            raise ValueError(
                f"eval_set {k} is a table in files, but X is not: LightGBM takes its bins from X. "
                "Give both as tables in files, or table.to_frame()."
            )


def fit_from_table(
    estimator: Any,
    X: LazyTable,
    codes: NDArray[Any],
    *,
    sample_weight: Any = None,
    init_score: Any = None,
    eval_set: Any = None,
    eval_X: Any = None,
    eval_y: Any = None,
    eval_names: Any = None,
    eval_sample_weight: Any = None,
    eval_class_weight: Any = None,
    eval_init_score: Any = None,
    eval_metric: Any = None,
    feature_name: Any = "auto",
    categorical_feature: Any = "auto",
    callbacks: Any = None,
    init_model: None = None,
) -> None:
    """``LGBMClassifier.fit`` for a table that is not in memory, with the same arguments."""
    params = training_parameters(estimator, codes)
    asked = eval_metric if isinstance(eval_metric, list) else [eval_metric]
    given = params["metric"] if isinstance(params["metric"], list) else [params["metric"]]
    named = [metric for metric in asked if isinstance(metric, str) and metric not in given]
    params["metric"] = [metric for metric in [*named, *given] if metric is not None]
    dtypes = X.dtypes
    known = {str(name): dtype.categories for name, dtype in dtypes.items() if _is_category(dtype)}
    train_set = _TableDataset(
        _Rows(X),
        codes,
        weight=sample_weight,
        init_score=init_score,
        feature_name=X.columns if feature_name == "auto" else feature_name,
        categorical_feature=_positions(X, known, categorical_feature),
        params=params,
    )
    list_categories(train_set, [list(categories) for categories in known.values()])
    if eval_set is None and eval_X is not None:
        eval_set = list(zip(eval_X, eval_y, strict=True))
    valid_sets = []
    for k, (features, labels) in enumerate(eval_set or ()):
        weight = _of_set(eval_sample_weight, k)
        by_class = _of_set(eval_class_weight, k)
        if by_class is not None:
            factor = compute_sample_weight(by_class, labels)
            weight = factor if weight is None else np.multiply(weight, factor)
        valid_sets.append(
            _TableDataset(
                _Rows(features) if is_lazy(features) else features,
                labels,
                reference=train_set,
                weight=weight,
                init_score=_of_set(eval_init_score, k),
                params=params,
            )
        )
    results: dict[str, Any] = {}
    booster = train(
        params,
        train_set,
        num_boost_round=estimator.n_estimators,
        valid_sets=valid_sets,
        valid_names=eval_names,
        feval=[as_feval(metric) for metric in asked if callable(metric)],
        callbacks=[*(callbacks or []), record_evaluation(results)],
    )
    set_fitted(estimator, booster, results)
    booster.free_dataset()


class _TableDataset(Dataset):  # type: ignore[misc]
    """A `Dataset` whose rows come in batches, under all the parameters that shape its bins."""

    def get_params(self) -> dict[str, Any]:
        # For rows that come in batches LightGBM asks for these alone, and forgets some that a
        # table in memory heeds: the seed draws the sample of rows, and the size of leaves decides
        # which columns are of no use.
        more = aliases_of("seed", "min_data_in_leaf", "num_threads", "verbosity")
        return {**super().get_params(), **{k: v for k, v in self.params.items() if k in more}}


class _Rows(Sequence):  # type: ignore[misc]
    """A table's rows as LightGBM asks for them: a sample in ascending order, then all of them.

    Both are served from one batch at a time, so that each is one pass over the files.
    """

    def __init__(self, table: LazyTable) -> None:
        self.batch_size = table.batch_rows
        self._table = table
        self._batches: Iterator[tuple[Any, pd.DataFrame]]
        self._first: int  # row of the batch in memory, which are _values
        self._values: NDArray[np.float64]
        self._restart()

    def __len__(self) -> int:
        return self._table.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float64]:
        if isinstance(index, slice):
            first, last, _ = index.indices(len(self))
            found = [self._batch_of(first)[first - self._first :][: last - first]]
            while first + sum(map(len, found)) < last:
                place = first + sum(map(len, found))
                found.append(self._batch_of(place)[: last - place])
            return found[0] if len(found) == 1 else np.concatenate(found)
        return self._batch_of(index)[index - self._first]

    def _batch_of(self, row: int) -> NDArray[np.float64]:
        if row < self._first:
            self._restart()
        while row >= self._first + len(self._values):
            self._first += len(self._values)
            self._values = self._as_array(next(self._batches)[1])
        return self._values

    def _restart(self) -> None:
        self._batches = self._table.batches()
        self._first = 0
        self._values = np.empty((0, self._table.shape[1]))

    def _as_array(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        values = np.empty(frame.shape)
        for k, dtype in enumerate(frame.dtypes):
            column = frame.iloc[:, k]
            if _is_category(dtype):
                codes = column.cat.codes.to_numpy()
                values[:, k] = np.where(codes < 0, np.nan, codes)
            else:
                values[:, k] = column.to_numpy()
        return values


def _positions(X: LazyTable, known: dict[str, pd.Index], given: Any) -> list[int]:
    names = list(known) if given == "auto" else given
    return [X.columns.index(name) if isinstance(name, str) else name for name in names]


def _of_set(collection: Any, k: int) -> Any:
    if isinstance(collection, dict):
        return collection.get(k)
    return None if collection is None else collection[k]


def _is_category(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype)
