"""``save``: a fitted model as a new folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from focaltab._compat.skops import owners_by_name
from focaltab._errors import first_line
from focaltab._new_file import check_new, written_whole
from focaltab._saving import writing_parts
from focaltab.monitoring import Reference
from focaltab.persistence import _checksums, _manifest
from focaltab.persistence._facts import manifest_of
from focaltab.persistence._trusted import TRUSTED
from focaltab.pipeline._layers import positive_label

SKELETON = "model.skops"


def save(
    model: Any,
    path: str | Path,
    *,
    X: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    reference: Reference | None = None,
    metrics: dict[str, Any] | None = None,
    trusted: Sequence[str] = (),
) -> str:
    """Write a fitted model into a new folder, without pickle.

    The folder holds the boosters in XGBoost's and LightGBM's own formats, networks as safetensors,
    everything else as a skops file, ``manifest.json`` with what is known of the model, and
    ``SHA256SUMS`` over all of them. It appears whole or not at all.

    Parameters
    ----------
    model : estimator
        Fitted: any classifier of focaltab, alone or inside of scikit-learn's or focaltab's
        pipelines, thresholds, searches and ensembles.
    path : path
        Of a folder that does not exist.
    X : DataFrame or array-like of shape (n_samples, n_features), default=None
        Rows that later ones are compared with by `focaltab.monitoring` and ``focaltab serve``;
        the folder keeps shares and quantiles of each column, and no row. Rows that the model has
        not seen are best: on those of its training it scores too surely.
    y : array-like of shape (n_samples,), default=None
        Their labels, for a prevalence where there are two.
    sample_weight : array-like of shape (n_samples,), default=None
    reference : focaltab.monitoring.Reference, default=None
        Made of such rows already, instead of them.
    metrics : dict, default=None
        Figures to keep with the model: text, numbers, lists and dicts.
    trusted : sequence of str, default=()
        Full names of further types that the model holds, such as a transformer of your own; `load`
        asks for them again.

    Returns
    -------
    str
        The folder's digest (SHA-256 of ``SHA256SUMS``), with which `load` can be held to this very
        model.

    Raises
    ------
    FileExistsError, FileNotFoundError
        If the folder exists, or has no parent.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If the model holds code or types that `load` would not trust.
    ValueError
        For rows, labels or figures that cannot be described.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import focaltab
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> y = np.where(X[:, 0] > 1.5, "fraud", "fine")
    >>> model = focaltab.FocalXGBClassifier(n_estimators=5).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     digest = focaltab.save(model, f"{folder}/model")
    ...     again = focaltab.load(f"{folder}/model", sha256=digest)
    >>> bool((again.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    path = Path(path)
    check_new(path)
    _check_model(model)
    reference = _described(model, X, y, sample_weight, reference)
    with writing_parts() as writer:
        skeleton, types = _skeleton(model)
    _check_trusted(types, trusted)
    manifest = manifest_of(model, metrics or {}, reference, types)
    parts = {_manifest.NAME: manifest.to_json(), SKELETON: skeleton, **writer.parts}
    listed = _checksums.checksums(parts)
    with written_whole(path) as part:
        part.mkdir()
        for name, content in parts.items():
            (part / name).write_bytes(content)
        (part / _checksums.NAME).write_bytes(listed)
    return _checksums.digest(listed)


def _check_model(model: Any) -> None:
    if isinstance(model, type) or not hasattr(model, "get_params"):
        given = model if isinstance(model, type) else type(model)
        raise TypeError(f"save takes a fitted estimator, got {given.__name__}.")
    try:
        check_is_fitted(model)
    except TypeError:
        raise TypeError(f"{type(model).__name__} has no fit: save takes an estimator.") from None
    if is_classifier(model) and not hasattr(model, "classes_"):
        raise NotFittedError(f"This {type(model).__name__} is not fitted: fit it before saving.")


def _described(
    model: Any, X: Any, y: Any, sample_weight: Any, reference: Reference | None
) -> Reference | None:
    if X is None:
        if y is not None or sample_weight is not None:
            raise ValueError("y and sample_weight belong to rows: pass them with X.")
        return reference
    if reference is not None:
        raise ValueError("Pass rows (X) or a reference that was made of such, not both.")
    positive = positive_label(model)
    score = None
    if positive is not None and hasattr(model, "predict_proba"):
        column = list(np.asarray(model.classes_).tolist()).index(positive)
        score = np.asarray(model.predict_proba(X), dtype=np.float64)[:, column]
    if positive is None:
        y = None  # a prevalence is of two classes
    return Reference.from_rows(X, y, score=score, pos_label=positive, sample_weight=sample_weight)


def _skeleton(model: Any) -> tuple[bytes, set[str]]:
    """All but the parts, and the types in it beyond those that skops trusts."""
    # Not at the top: skops looks through all of scikit-learn when it is imported.
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    with owners_by_name(model), warnings.catch_warnings():
        # How skops looks for the home of a function in every module there is.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            made = skops.io.dumps(model, compression=ZIP_DEFLATED)
        except (UnsupportedTypeException, TypeError, RecursionError) as error:
            raise TypeError(
                f"{type(model).__name__} holds what a file without pickle cannot: "
                f"{first_line(error)}"
            ) from error
    return made, set(skops.io.get_untrusted_types(data=made))


def _check_trusted(types: set[str], trusted: Sequence[str]) -> None:
    unknown = sorted(types - TRUSTED - set(trusted))
    if unknown:
        raise TypeError(
            f"the model holds {', '.join(unknown)}, which focaltab.load would not make from a "
            "file. Take it out, or pass its full name in trusted=[...] here and to load, if "
            "whoever loads the model has that code and trusts it."
        )
