"""scikit-learn: rows, names, the inside of scorers and fitted parts, requests for metadata."""

from __future__ import annotations

from copy import deepcopy
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.model_selection._search import BaseSearchCV
from sklearn.preprocessing import TargetEncoder
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_feature_names_in, _num_samples


def count_rows(X: Any) -> int:
    """Number of rows of anything that scikit-learn takes for a table or a column.

    By ``_num_samples``. Without it no length is compared, and every import of a focaltab estimator
    fails; were its errors to change, so would the messages for what has no length.
    """
    return int(_num_samples(X))


def rows_at(data: Any, rows: NDArray[Any]) -> Any:
    """Rows of an array, frame, sparse matrix or list, by number and in their order.

    By ``_safe_indexing``. Without it nothing can be held out or resampled.
    """
    return _safe_indexing(data, rows)


def feature_names_in(transformer: Any, given: Any = None) -> NDArray[Any]:
    """Names of a fitted transformer's columns: as seen, as `given`, or ``x0``, ``x1``, ...

    By ``_check_feature_names_in``, which also refuses names that are not those of the fit. Without
    it `TableFeatures` has no names for the columns of an array.
    """
    return np.asarray(_check_feature_names_in(transformer, given), dtype=object)


def is_search(part: Any) -> bool:
    """Whether an estimator is one of scikit-learn's searches over parameters.

    By ``BaseSearchCV``, which the grid, random and halving searches share. Without it a search in a
    weighted pipeline would be asked for weights that its metric does not take.
    """
    return isinstance(part, BaseSearchCV)


def seeded_target_encoder(random_state: int | None) -> TargetEncoder:
    """A target encoder whose five folds are drawn by a seed.

    scikit-learn 1.9 asks for a splitter where earlier ones took a seed. Were both to go, models of
    text with many values would be other ones on every fit.
    """
    if signature(TargetEncoder).parameters["random_state"].default == "deprecated":
        return TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=random_state))
    return TargetEncoder(random_state=random_state)


class ScorerParts(NamedTuple):
    """What ``make_scorer`` was given.

    `sign` is 1 where more is better, else -1.
    """

    function: Any
    options: dict[str, Any]
    sign: int
    response_method: Any


def scorer_parts(scorer: Any) -> ScorerParts | None:
    """What a scorer was made of; None for what ``make_scorer`` did not make.

    By ``_score_func``, ``_kwargs``, ``_sign`` and ``_response_method``. Without them no scorer can
    be told the positive label, and a search that goes on would not notice another metric.
    """
    if not hasattr(scorer, "_score_func"):
        return None
    return ScorerParts(scorer._score_func, scorer._kwargs, scorer._sign, scorer._response_method)


def scorer_options(scorer: Any) -> dict[str, Any]:
    """A scorer's options, such as ``pos_label``; none for what is no scorer.

    By ``_kwargs``, as `scorer_parts`.
    """
    return dict(getattr(scorer, "_kwargs", {}))


def scorer_with(scorer: Any, **options: Any) -> Any:
    """A copy of a scorer with other options, and the same requests for metadata.

    By ``_kwargs``. Kept elsewhere, the copy would go by the former label without a word.
    """
    copied = deepcopy(scorer)
    copied._kwargs.update(options)
    return copied


def tuned_positive(classifier: Any) -> Any:
    """The positive label of a fitted ``TunedThresholdClassifierCV``; None where it has none.

    By ``_curve_scorer``, the metric that it was tuned by, which alone knows. Without it decisions
    would be explained and exported for the other class.
    """
    scorer = getattr(classifier, "_curve_scorer", None)
    return None if scorer is None else scorer._get_pos_label()


def has_requests(thing: Any) -> bool:
    """Whether an estimator or scorer said which metadata it wants.

    By ``_metadata_request``, which is absent until then. Without it ``sample_weight`` would be
    requested for those that declined it.
    """
    return getattr(thing, "_metadata_request", None) is not None


def copy_requests(thing: Any, other: Any) -> None:
    """Have `other` request the metadata that `thing` does, if that said anything.

    By ``_metadata_request``. Without it a scorer that was told a label would lose its weights.
    """
    if has_requests(thing):
        other._metadata_request = deepcopy(thing._metadata_request)


def requests_of(thing: Any) -> list[Any] | None:
    """Requests of an estimator, scorer or splitter: its own, then by method; None of other things.

    By ``_metadata_request``. Requests have an ``owner``, in later versions the object itself. Were
    they kept elsewhere, a model with requests could not be saved.
    """
    if isinstance(thing, type) or not hasattr(thing, "get_metadata_routing"):
        return None
    requests = vars(thing).get("_metadata_request")
    if requests is None:
        return []
    return [requests, *(one for one in vars(requests).values() if hasattr(one, "owner"))]


def input_positions(transformer: Any) -> dict[str, list[int]]:
    """Input columns of each part of a fitted ``ColumnTransformer``, by number.

    By ``_transformer_to_input_indices``; ``transformers_`` has names, slices and callables as they
    were given. Without it no column transformer can be exported.
    """
    return {name: list(rows) for name, rows in transformer._transformer_to_input_indices.items()}


class HistogramTrees(NamedTuple):
    """The inside of a histogram gradient boosting.

    `rounds` holds a tree for each margin, with ``nodes`` and ``raw_left_cat_bitsets``. `columns`
    is the ``ColumnTransformer`` that stands before the trees, or None.
    """

    baseline: NDArray[np.float64]
    rounds: list[list[Any]]
    columns: Any


def histogram_trees(model: Any) -> HistogramTrees:
    """Trees of a fitted ``HistGradientBoostingClassifier``.

    By ``_baseline_prediction``, ``_predictors`` and ``_preprocessor``, and the fields of the trees'
    nodes. Without them none can be exported: skl2onnx does not know these of scikit-learn 1.9.
    """
    baseline = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    return HistogramTrees(baseline, model._predictors, model._preprocessor)
