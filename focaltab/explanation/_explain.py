"""``explain``: each column's part in a row's log-odds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from focaltab.explanation._explanation import Explanation
from focaltab.explanation._layers import BoosterInside, Core, find_booster, peel
from focaltab.explanation._rows import Table
from focaltab.explanation._sampled import drawn_background, sampled_contributions
from focaltab.explanation._trees import (
    LOG_ODDS,
    Contributions,
    booster_contributions,
    loss_of_stock,
    number_one,
    unit_of,
)
from focaltab.explanation._typical import typical_of_reference, typical_of_rows
from focaltab.monitoring import Reference

Floats = NDArray[np.float64]


def explain(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    max_evals: int | str = "auto",
    random_state: Any = None,
) -> Explanation:
    """Shapley values of a fitted classifier: what each column adds to a row's log-odds.

    Boosters of XGBoost and LightGBM, stock ones and those of this package, are explained exactly by
    their own library, also inside of pipelines of `TableFeatures` (or of transformers that keep
    columns apart), `ResampledClassifier`, searches and classifiers that decide by a threshold.
    What the parts of a date, the values of a category or a flag of missing values add is summed
    up to the column that they were made from.

    Any other model with ``predict_proba`` is explained by sampling, against `background` rows
    (``pip install "focaltab[explain]"``).

    Parameters
    ----------
    model : fitted classifier with ``predict_proba``
    X : DataFrame or array-like of shape (n_samples, n_features)
        Rows to explain, as the model is given them.
    background : DataFrame, array-like or Reference, default=None
        What rows are compared with: a hundred or so typical ones, of which at most 200 are drawn.
        Needed for models that are sampled; for boosters it only says what is typical, which a
        `focaltab.monitoring.Reference` can do as well. None takes `X` for that.
    max_evals : int or "auto", default="auto"
        Sets of columns that are tried for each row of a sampled model, each with every background
        row. "auto" is 10 random orders of the columns, forwards and backwards. Where all sets are
        no more, the values are exact.
    random_state : int, RandomState instance or None, default=None
        Of background rows and orders.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        For a model without ``predict_proba``, other columns than it was fitted on, a background
        that is needed or has other columns, or too small `max_evals`.
    TypeError
        For a sparse matrix or a table that is not in memory.
    sklearn.exceptions.NotFittedError
    ImportError
        Where a model needs sampling and shap is not installed.

    Notes
    -----
    The two ways answer for what is not known of a row differently: trees weigh their branches by
    the training rows that went there (Lundberg et al. 2020), sampling puts in values of background
    rows. Both sum to the row's margin.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from focaltab import FocalLGBMClassifier, explain
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"amount": rng.gamma(1.0, 80.0, 2000), "age": rng.integers(18, 80, 2000)})
    >>> y = rng.random(2000) < X["amount"] / 2000
    >>> model = FocalLGBMClassifier(n_estimators=20, verbosity=-1).fit(X, y)
    >>> explanation = explain(model, X.nlargest(2, "amount"))
    >>> explanation.values.shape, explanation.unit, explanation.positive
    ((2, 2), 'log-odds', True)
    >>> explanation.reasons(1)["direction"].tolist()
    ['raises', 'raises']
    """
    _check_model(model)
    table = Table.of(X)
    core = peel(model, table)
    classes = np.asarray(core.model.classes_)
    # As it stands among the classes: True rather than 1.
    labels = classes.tolist()
    positive = None if core.positive is None else labels[labels.index(core.positive)]
    rows = _background_rows(background, core.table)
    inside, obstacle = find_booster(core)
    unit = LOG_ODDS
    if inside is not None:
        unit = unit_of(inside.model, inside.library)
        if inside.log_odds_shift and unit != LOG_ODDS:
            inside, obstacle = None, f"resampling is corrected in log-odds, not in the {unit}"
            unit = LOG_ODDS
    if inside is not None:
        found = _of_booster(inside, core, classes, positive)
        method = "trees"
    else:
        if rows is None:
            raise ValueError(
                f"{type(model).__name__} can only be explained against background rows "
                f"({obstacle}): pass some typical rows as background"
                + (", not a Reference." if isinstance(background, Reference) else ".")
            )
        random = check_random_state(random_state)
        drawn = drawn_background(rows, random)
        found = sampled_contributions(core.model, core.table, drawn, positive, max_evals, random)
        method = "sampling"
    names = core.table.names
    if isinstance(background, Reference):
        typical = typical_of_reference(background, names, core.table.frame)
    else:
        typical = typical_of_rows((core.table if rows is None else rows).frame)
    probability = _stated(core, found)
    if positive is not None:
        probability = probability[:, classes.tolist().index(positive)]
    return Explanation(
        values=found.values,
        base_value=float(found.base_value) if found.base_value.ndim == 0 else found.base_value,
        feature_names=names,
        data=core.table.frame,
        unit=unit,
        positive=positive,
        classes=classes,
        probability=probability,
        typical=typical,
        method=method,
    )


def _check_model(model: Any) -> None:
    if isinstance(model, type):
        raise ValueError(f"model must be a fitted classifier, got the class {model.__name__}.")
    if hasattr(model, "fit"):
        check_is_fitted(model)
    if not hasattr(model, "predict_proba"):
        raise ValueError(
            f"{type(model).__name__} has no predict_proba: explain needs a fitted classifier with "
            "probabilities (sklearn.calibration.CalibratedClassifierCV gives them to one without)."
        )


def _background_rows(background: Any, table: Table) -> Table | None:
    """Background rows with the columns of the rows to explain.

    Raises
    ------
    ValueError
        Names the column that is missing, or both numbers of columns.
    """
    if background is None or isinstance(background, Reference):
        return None
    given = Table.of(background, "background")
    if (given.dtype is None) != (table.dtype is None):
        raise ValueError("X and background must both be DataFrames, or both arrays.")
    if table.dtype is None or given.dtype is None:
        absent = [name for name in table.frame.columns if name not in given.frame.columns]
        if absent:
            raise ValueError(f"background lacks the column {absent[0]!r} of X.")
        return Table(given.frame[list(table.frame.columns)], None)
    if given.frame.shape[1] != table.frame.shape[1]:
        raise ValueError(
            f"background has {given.frame.shape[1]} columns, but X has {table.frame.shape[1]}."
        )
    return Table(given.frame, np.result_type(given.dtype, table.dtype))


def _of_booster(
    inside: BoosterInside, core: Core, classes: NDArray[Any], positive: Any
) -> Contributions:
    """Contributions to the margin of the positive class, by columns of the model's table."""
    found = booster_contributions(inside)
    values = _summed(found.values, inside.sources, core.table.frame.shape[1])
    if positive is None:
        return Contributions(values, found.base_value)
    # As margins of the second class, which resampling shifts; then of the positive one.
    second = classes.tolist()[1]
    one = number_one(inside.model)
    sign = 1.0 if one == second else -1.0
    base = sign * found.base_value + inside.log_odds_shift
    turned = 1.0 if positive == second else -1.0
    return Contributions(turned * sign * values, np.asarray(turned * base))


def _stated(core: Core, found: Contributions) -> Floats:
    """Probability of each class, shape (n_samples, n_classes).

    Raises
    ------
    ValueError
        For a stock booster under an objective that it knows no probabilities of.
    """
    loss = loss_of_stock(core.model)
    if loss is not None:
        return np.asarray(loss.predict_proba(found.values.sum(axis=1) + found.base_value))
    stated = np.asarray(core.model.predict_proba(core.table.as_given()), dtype=np.float64)
    if stated.ndim != 2 or not ((stated >= 0.0) & (stated <= 1.0)).all():
        raise ValueError(
            f"{type(core.model).__name__}.predict_proba gives no probabilities, as under an "
            "objective of one's own: use an estimator that knows its objective."
        )
    return stated


def _summed(values: Floats, sources: NDArray[np.intp], n_columns: int) -> Floats:
    """Sums over the columns that were made from the same one; 0 for columns that none was."""
    summed = np.zeros((values.shape[0], n_columns, *values.shape[2:]))
    for position, source in enumerate(sources.tolist()):
        summed[:, source] += values[:, position]
    return summed
