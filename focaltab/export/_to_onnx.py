"""``to_onnx``: a fitted model with its preprocessing as one ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from focaltab import __version__
from focaltab._new_file import check_new, written_whole
from focaltab._optional import require

_LEAST_OPSET = 18


def to_onnx(
    model: Any, path: str | Path | None = None, *, X: Any = None, opset: int = _LEAST_OPSET
) -> Any:
    """Make one ONNX graph of a fitted classifier and all that comes before it.

    The graph takes the rows as the model does and returns calibrated probabilities: the focal link,
    a correction after resampling or balanced batches, and imputation, scaling and encodings are
    nodes of it.

    Parameters
    ----------
    model : classifier
        `FocalXGBClassifier`, `FocalLGBMClassifier`, `FocalMLPClassifier`, ``XGBClassifier``,
        ``LGBMClassifier``, a classifier of scikit-learn's that skl2onnx knows, or a pipeline,
        `ResampledClassifier`, threshold, search or `FocalEnsembleClassifier` of these.
    path : path, default=None
        Of a new file; None writes none.
    X : DataFrame, default=None
        Some rows as in training. LightGBM does not always keep which columns held pandas
        categories; where it has to be told, an error says so.
    opset : int, default=18
        Of ONNX's own operators, at least 18.

    Returns
    -------
    onnx.ModelProto
        Inputs: of a model that was trained on a DataFrame one for each column that it reads, by
        name, of shape (n_rows, 1): double for numbers (NaN where missing), text for categories
        ("" where missing, "7" for 7 and 7.0), double seconds since 1970 in UTC for dates. Of one
        that was trained on an array, ``X`` of shape (n_rows, n_features): float for XGBoost, which
        rounds what it is given, double for others. `onnx_inputs` makes them.

        Outputs: ``probabilities``, float of shape (n_rows, n_classes) in the order of
        ``classes_``, and ``label`` of shape (n_rows,), what ``predict`` says.

        Metadata: ``focaltab_version``, ``estimator``, ``classes``, ``columns`` and, of a focal
        loss, ``gamma``, ``class_weights``, ``link`` and ``link_formula``.

    Raises
    ------
    ValueError
        For what has no form in ONNX, by name, and for an opset that is too old.
    sklearn.exceptions.NotFittedError
        For a model that is not fitted.
    FileExistsError
        If the file exists (FileNotFoundError where its folder does not).
    ImportError
        Without onnx; for parts of scikit-learn, without skl2onnx.

    Examples
    --------
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from focaltab import FocalXGBClassifier
    >>> from focaltab.export import to_onnx
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 4)).astype(np.float32)
    >>> y = np.where(X[:, 0] + rng.normal(size=2000) > 2.5, "fraud", "fine")
    >>> model = FocalXGBClassifier(n_estimators=20, link="focal").fit(X, y)
    >>> session = InferenceSession(to_onnx(model).SerializeToString())
    >>> probabilities, labels = session.run(None, {"X": X})
    >>> bool(np.abs(probabilities - model.predict_proba(X)).max() < 1e-5)
    True
    """
    require("onnx", "to_onnx", extra="onnx")
    if path is not None:
        check_new(Path(path))
    _check_fitted(model)
    built = _built(model, X, _checked_opset(opset))
    if path is not None:
        with written_whole(Path(path)) as part:
            part.write_bytes(built.SerializeToString())
    return built


def _built(model: Any, X: Any, opset: int) -> Any:
    from focaltab.export._graph import Graph
    from focaltab.export._source import source

    graph = Graph(opset)
    return from_table(graph, model, lambda: source(graph, model), X)


def from_table(graph: Any, model: Any, table: Callable[[], Any], X: Any = None) -> Any:
    """The whole model of a graph in which a fitted classifier reads a table.

    Parameters
    ----------
    graph : Graph
    model : classifier
    table : callable
        Makes the `Table` that the classifier is to read, in its own order of columns.
    X : DataFrame, default=None
        As in `to_onnx`.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ValueError
        Names what has no form in ONNX.
    """
    from focaltab.export import _classifiers, _scores

    name = type(model).__name__
    try:
        scores = _classifiers.scores(graph, model, table(), X)
        outputs = _scores.outputs(graph, scores)
    except NotFittedError:
        raise
    except ValueError as error:
        raise ValueError(f"to_onnx cannot express this {name}: {error}.") from error
    facts = {
        "focaltab_version": __version__,
        "estimator": name,
        "classes": json.dumps(np.asarray(scores.classes).tolist()),
        "columns": json.dumps(graph.columns),
        **dict(scores.facts),
    }
    return graph.model(outputs, facts)


def _check_fitted(model: Any) -> None:
    if isinstance(model, type) or not hasattr(model, "predict_proba") or not hasattr(model, "fit"):
        what = model.__name__ if isinstance(model, type) else type(model).__name__
        raise ValueError(
            f"to_onnx takes a fitted classifier with predict_proba, got {what}"
            + (" (a class)." if isinstance(model, type) else ".")
        )
    check_is_fitted(model)


def _checked_opset(opset: Any) -> int:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    if not isinstance(opset, int) or not _LEAST_OPSET <= opset <= newest:
        raise ValueError(
            f"opset must be a whole number from {_LEAST_OPSET} to {newest}, got {opset!r}."
        )
    return opset
