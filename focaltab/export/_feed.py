"""Rows of a table as the inputs of a session."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def onnx_inputs(session: Any, X: Any) -> dict[str, NDArray[Any]]:
    """What ``session.run(None, ...)`` takes for the rows of a table.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Of a model that `to_onnx` made.
    X : DataFrame or array-like of shape (n_samples, n_features)
        As for the model's ``predict_proba``.

    Returns
    -------
    dict of str to ndarray
        Columns that the model does not read are left out.

    Raises
    ------
    ValueError
        For columns that are not there, or that hold other values than in training.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from onnxruntime import InferenceSession
    >>> from focaltab import FocalLGBMClassifier
    >>> from focaltab.export import onnx_inputs, to_onnx
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"amount": rng.gamma(1.0, 80.0, 2000),
    ...                   "country": pd.Categorical(rng.choice(["FR", "NO", None], 2000))})
    >>> y = rng.random(2000) < X["amount"] / 1000
    >>> model = FocalLGBMClassifier(n_estimators=20, verbosity=-1).fit(X, y)
    >>> session = InferenceSession(to_onnx(model).SerializeToString())
    >>> inputs = onnx_inputs(session, X)
    >>> inputs["country"].shape, inputs["amount"].dtype
    ((2000, 1), dtype('float64'))
    >>> probabilities, labels = session.run(None, inputs)
    >>> bool(np.abs(probabilities - model.predict_proba(X)).max() < 1e-5)
    True
    """
    columns = json.loads(session.get_modelmeta().custom_metadata_map.get("columns", "{}"))
    given = {i.name: i for i in session.get_inputs()}
    if not columns:
        ((name, only),) = given.items()
        return {name: _matrix(X, only)}
    if not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"The model reads columns by name, but X is a {type(X).__name__}: pass a DataFrame."
        )
    frame = X.set_axis([str(name) for name in X.columns], axis=1)
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise ValueError(f"X lacks {len(absent)} column(s) that the model reads: {absent[:10]}.")
    return {name: _column(name, frame[name], facts) for name, facts in columns.items()}


def _matrix(X: Any, only: Any) -> NDArray[Any]:
    if sparse.issparse(X):
        raise ValueError(
            "X is a sparse matrix, of which XGBoost takes what is left out for missing and others "
            "for zero: pass an array that says which."
        )
    matrix = np.asarray(X, dtype=_TYPES[only.type])
    n_features = only.shape[1]
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise ValueError(
            f"X must have shape (n_samples, {n_features}), as in training, got {matrix.shape}."
        )
    return matrix


def _column(name: str, column: pd.Series, facts: dict[str, str]) -> NDArray[Any]:
    from focaltab.pipeline._dates import as_dates, seconds_since_1970
    from focaltab.pipeline._kinds import as_numbers, as_text

    if facts["kind"] == "text":
        text = as_text(column)
        return np.asarray(text.where(text.notna(), facts["missing"]), dtype=object)[:, None]
    if facts["kind"] == "moment":
        return seconds_since_1970(as_dates(name, column))[:, None]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(np.float64)
    return as_numbers(name, column).astype(np.float64)[:, None]
