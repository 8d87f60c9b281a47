"""From labels of any type to the class numbers that the losses and libraries count in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from focaltab.data._containers import first_masked

_ROWS_PER_STEP = 65_536
# A positive class of this share is hardly the rare one that the user is after.
COMMON = 0.9
_COMMON_POSITIVE = "The positive class is"


@dataclass(frozen=True)
class Classes:
    """The labels of a target in sorted order, and which of two is the positive class.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
    flipped : bool
        Whether the first of two labels is the positive class, class number 1.
    """

    labels: NDArray[Any]
    flipped: bool = False

    @property
    def by_number(self) -> NDArray[Any]:
        """Labels in the order of their class numbers."""
        return self.labels[::-1] if self.flipped else self.labels

    def numbers(self, labels: NDArray[Any]) -> NDArray[np.intp]:
        """Class number of each label, -1 for an unknown one."""
        positions = pd.Index(self.by_number).get_indexer(pd.Index(labels))
        return np.asarray(positions, dtype=np.intp)

    def columns_in_order(self, by_number: NDArray[Any]) -> NDArray[Any]:
        """Columns of class numbers as columns of sorted labels, or back."""
        return by_number[:, ::-1] if self.flipped else by_number

    def encode_more(self, y: Any, name: str = "eval_set") -> NDArray[np.intp]:
        """Class numbers of more labels, of an evaluation set or whatever `name` says.

        Raises
        ------
        ValueError
            If a label was not in the training set.
        """
        labels = np.asarray(column_or_1d(_plain_labels(y)))
        codes = self.numbers(labels)
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            raise ValueError(
                f"{name}: label {labels[row]} in row {row} is not among the training classes "
                f"{self.labels.tolist()}."
            )
        return codes

    def weights_by_number(self, focal_alpha: Any) -> Any:
        """``focal_alpha`` of labels, or of sorted classes, in the order of class numbers."""
        if isinstance(focal_alpha, Mapping):
            unknown = [label for label in focal_alpha if label not in self.labels]
            absent = [label for label in self.labels.tolist() if label not in focal_alpha]
            if unknown or absent:
                raise ValueError(
                    f"focal_alpha needs one weight for each class {self.labels.tolist()}; "
                    f"missing: {absent}, unknown: {unknown}."
                )
            return [focal_alpha[label] for label in self.by_number.tolist()]
        if self.flipped and np.ndim(focal_alpha) == 1:
            return list(focal_alpha)[::-1]
        return focal_alpha


def encode_target(y: Any, pos_label: Any = None) -> tuple[Classes, NDArray[np.integer[Any]]]:
    """Classes of a target, and the class number of each row.

    Raises
    ------
    ValueError
        If labels are missing or continuous, there is only one class, or `pos_label` is not one
        of two.
    """
    labels = checked_labels(y)
    classes = Classes(_sorted_classes(labels))
    if pos_label is not None:
        if classes.labels.size > 2 or pos_label not in classes.labels:
            labels = classes.labels.tolist()
            numbered = ""
            if labels == [0, 1]:
                numbered = (
                    " scikit-learn's VotingClassifier and StackingClassifier number the labels in "
                    "sorted order before their members see them: name the number there."
                )
            raise ValueError(
                f"pos_label={pos_label!r} must be one of two labels; y holds {labels}.{numbered}"
            )
        classes = Classes(classes.labels, flipped=bool(pos_label == classes.labels[0]))
    # The smallest integer type, filled in parts: class numbers live as long as the fit does.
    codes = np.empty(labels.size, np.min_scalar_type(-classes.labels.size))
    if labels.dtype != object and classes.labels.size == 2:
        np.equal(labels, classes.by_number[1], out=codes, casting="unsafe")
        return classes, codes
    for start in range(0, labels.size, _ROWS_PER_STEP):
        part = slice(start, start + _ROWS_PER_STEP)
        codes[part] = classes.numbers(labels[part])
    return classes, codes


def warn_of_common_positive(classes: Classes, prevalence: Any, pos_label: Any) -> None:
    """Warn where the alphabet, not the user, made the common label the positive one."""
    if pos_label is None and classes.labels.size == 2 and prevalence > COMMON:
        rare, common = classes.labels.tolist()
        warnings.warn(
            f"{_COMMON_POSITIVE} {common!r}, the second label in sorted order, with a share of "
            f"{prevalence:.4g}. If {rare!r} is the one to find, set pos_label={rare!r}: early "
            "stopping, focal_alpha and pairs of focal_gamma are about the positive class.",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def told_of_common_positive() -> Iterator[None]:
    """Keep models fitted on parts of a table from saying again what was said of the whole."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _COMMON_POSITIVE)
        yield


def checked_labels(y: ArrayLike | None) -> NDArray[Any]:
    """Labels in one dimension, numbers or of dtype object, none of them missing.

    Raises
    ------
    ValueError
        If there are none, or one is missing or infinite.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None.")
    labels = column_or_1d(_plain_labels(y), warn=True)
    if labels.size == 0:
        raise ValueError("y has 0 sample(s): there is nothing to learn from.")
    if labels.dtype == object and not isinstance(labels[0], str):
        labels = pd.Series(labels).infer_objects().to_numpy()  # numbers that came as objects
    if labels.dtype.kind not in "biuf":
        labels = np.asarray(labels, dtype=object)
        # pandas' own string and nullable dtypes carry their missing values along.
        absent = np.asarray(pd.isna(labels))
    else:
        absent = ~np.isfinite(labels)
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueError(
            f"y has a missing (NaN) or infinite label in row {row}: drop such rows or label them."
        )
    return labels


def _plain_labels(y: Any) -> Any:
    """Labels of pandas' own types as NumPy has them: whole numbers and truth values stay such.

    Raises
    ------
    ValueError
        Names the row of a label that is masked.
    """
    if (row := first_masked(y)) is not None:
        raise ValueError(
            f"y has a missing (masked) label in row {row}: drop such rows or label them."
        )
    if isinstance(y, np.ma.MaskedArray):
        return y.data
    dtype = getattr(y, "dtype", None)
    if not isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return y
    plain = getattr(dtype, "numpy_dtype", None)
    column = pd.Series(y)
    if isinstance(plain, np.dtype) and plain.kind in "biuf" and not column.hasnans:
        return column.to_numpy(plain)
    return y


def _sorted_classes(labels: NDArray[Any]) -> NDArray[Any]:
    # Hashing finds the classes in a tenth of the time that sorting all rows takes. pandas' hash
    # of numbers would leave tens of megabytes behind for the fit.
    found = pd.unique(labels) if labels.dtype == object else _distinct_numbers(labels)
    try:
        classes = np.sort(found)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in found})
        raise ValueError(
            f"y mixes labels of types {', '.join(kinds)}, which have no common order: "
            "convert them to one type."
        ) from None
    check_classification_targets(found)
    if classes.size < 2:
        raise ValueError(
            f"y has only one class, {classes.tolist()[0]!r}: a classifier needs rows of at least "
            "two."
        )
    if classes.dtype == object and all(isinstance(c, str) for c in classes):
        classes = classes.astype(str)
    return classes


def _distinct_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    """Distinct values; two comparisons where there are only two, as there mostly are."""
    others = labels != labels[0]
    pair = np.array([labels[0], labels[others.argmax()]])
    return np.unique(pair) if (others == (labels == pair[1])).all() else np.unique(labels)
