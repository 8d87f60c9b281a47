"""``make_pipeline``: a table's columns, a model and its decisions in one estimator."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

# It adds a method to scikit-learn's metadata requests; those made before would lack it for good.
import imblearn.base  # noqa: F401
from sklearn.base import clone

from focaltab.model_selection._positive import agreed_pos_label, pos_label_of
from focaltab.pipeline._features import TableFeatures
from focaltab.pipeline._needs import (
    ANY_NUMBER,
    encodes_text,
    encoding_for,
    innermost,
    needs_plain_names,
)
from focaltab.pipeline._resampled import ResampledClassifier, only_draws
from focaltab.pipeline._steps import TabularPipeline
from focaltab.pipeline._threshold import with_threshold
from focaltab.pipeline._weights import requesting_weights

Threshold = float | str | Mapping[str, Any] | Callable[..., float] | None


def make_pipeline(
    estimator: Any,
    *,
    resampler: Any = None,
    threshold: Threshold = None,
    features: Any = "auto",
    max_categories: int = 40,
    categorical: Collection[str] = (),
    pos_label: Any = None,
    random_state: int | None = None,
) -> Any:
    """A classifier for a mixed table: encoded columns, a model, and how it decides.

    Everything is fitted on the training rows alone, so that the result can go into
    ``cross_val_score`` or a search as it is.

    Parameters
    ----------
    estimator : classifier
        It is cloned. A model of XGBoost is told to accept categories.
    resampler : {"under", "over"}, imbalanced-learn sampler or None, default=None
        Resamples the encoded training rows, and takes the change of the prior out of the
        probabilities (`ResampledClassifier`).
    threshold : float, str, callable, dict or None, default=None
        How `predict` decides. None: as the estimator does. A number: positive from that
        probability. A metric ("f1", "jaccard", "balanced_accuracy", "matthews_corrcoef",
        "expected_cost", "savings_score", or a scikit-learn scorer): the threshold that is best for
        it over five folds. A dict of ``fp_cost``, ``fn_cost``, ``tp_cost`` and ``tn_cost``: the
        cheaper decision for each row, where a cost may also be the name of a column of the table
        (`focaltab.model_selection.CostThresholdClassifier`).
    features : "auto", transformer or None, default="auto"
        "auto" is `TableFeatures` with the encoding that the estimator needs. Any transformer may
        take its place (``skrub.TableVectorizer()``, say); None leaves the table as it is.
    max_categories : int, default=40
        Columns of text with more different values are encoded by the mean target.
    categorical : collection of str, default=()
        Columns whose values are names, whatever they look like, such as codes of digits.
    pos_label : label, default=None
        The positive label for `threshold`, and for a model that has such a parameter and was not
        told; None for the one that the model was told, else the second in sorted order, 1 for
        metrics.
    random_state : int or None, default=None
        Seed of "under" and "over" and of all folds; the estimator has its own.

    Returns
    -------
    TabularPipeline, or a classifier that decides over one
        Steps "features" and "model"; with a resampler the model is inside of another one
        (``model__estimator``), with a threshold the pipeline is (``estimator__model``).

    Raises
    ------
    ValueError
        For parameters that are unknown or do not go together, also a `pos_label` other than the
        model's.

    Notes
    -----
    ``fit(X, y, sample_weight=w)`` hands the weights to the model, with metadata routing and
    without: the model requests them, unless it says otherwise itself. Imputation, scaling and the
    encoding of text count rows, not weights.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from focaltab.pipeline import make_pipeline
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"amount": rng.gamma(1.0, 80.0, 3000),
    ...                   "country": rng.choice(["FR", "NO", None], 3000)})
    >>> y = np.where(rng.random(3000) < X["amount"] / 2000, "fraud", "fine")
    >>> model = make_pipeline(
    ...     LogisticRegression(), resampler="under", random_state=0, pos_label="fraud",
    ...     threshold={"fp_cost": 5.0, "tp_cost": 5.0, "fn_cost": "amount"})
    >>> sorted(set(model.fit(X, y).predict(X).tolist()))
    ['fine', 'fraud']
    """
    if not hasattr(estimator, "fit") or isinstance(estimator, type):
        raise ValueError(f"estimator must be a classifier, got {estimator!r}.")
    model = requesting_weights(clone(estimator))
    # XGBoost refuses categories unless it is told that they may come.
    if getattr(innermost(model), "enable_categorical", None) is False:
        innermost(model).set_params(enable_categorical=True)
    # What the threshold counts as positive, early stopping and focal_alpha should too.
    core = innermost(model)
    told = {"pos_label": pos_label, "estimator.pos_label": pos_label_of(model)}
    pos_label = agreed_pos_label(told)
    if pos_label is not None and core.get_params(deep=False).get("pos_label", "") is None:
        core.set_params(pos_label=pos_label)
    if resampler is not None:
        model = requesting_weights(ResampledClassifier(model, resampler, random_state=random_state))
    if isinstance(features, str):
        if features != "auto":
            raise ValueError(f"features must be 'auto', a transformer or None, got {features!r}.")
        features = TableFeatures(
            _encoding(estimator, resampler),
            max_categories=ANY_NUMBER if encodes_text(estimator) else max_categories,
            categorical=categorical,
            plain_names=needs_plain_names(estimator),
            random_state=random_state,
        )
    steps = [("features", "passthrough" if features is None else features), ("model", model)]
    pipeline = TabularPipeline(steps)
    if threshold is None:
        return pipeline
    return with_threshold(pipeline, threshold, pos_label=pos_label, random_state=random_state)


def _encoding(estimator: Any, resampler: Any) -> Any:
    if resampler is None or only_draws(resampler):
        return encoding_for(estimator)
    if type(resampler).__name__ in ("SMOTENC", "SMOTEN"):
        raise ValueError(
            f"{type(resampler).__name__} works on categories, which are numbers by then: use "
            "SMOTE, or features=None with a table without missing values."
        )
    # Samplers that measure distances need numbers on one scale, whatever the model could take.
    return "scaled"
