"""``ResampledClassifier``: train on resampled rows, state probabilities for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from focaltab._errors import first_line
from focaltab._saving import part_writer
from focaltab.calibration import undo_resampling
from focaltab.data import check_rows, encode_target, take_rows, weight_keyword, with_weight_only
from focaltab.losses._validation import check_weight
from focaltab.model_selection._decision import states_probabilities

_NAMED = {"under": "RandomUnderSampler", "over": "RandomOverSampler"}


class ResampledClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Fit a classifier on resampled rows and take the resampling out of its probabilities.

    Resampling changes the share of positives, and a model trained on its rows states
    probabilities for a world with that share. Counting each class before and after gives the rates
    ``r1 = after / before`` of positives and ``r0`` of negatives; the log-odds of every row are then
    too high by ``log(r1 / r0)``, which `predict_proba` takes back
    (`focaltab.calibration.undo_resampling`). Rows that are predicted are never resampled.

    Where the sampler draws existing rows at random the correction is exact. Samplers that make
    rows up (SMOTE and its kin) or choose them by what they look like (NearMiss, Tomek links) also
    change what a class looks like, which no shift can undo: with them it is the prior alone that is
    put right.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``
    resampler : {"under", "over"} or imbalanced-learn sampler, default="under"
        "under" drops random negatives and "over" repeats random positives until both classes have
        equally many rows.
    correct : bool, default=True
        Whether the shift is taken back. False gives the model's own probabilities.
    random_state : int or None, default=None
        Seed of "under" and "over"; a sampler that is given has its own.

    Attributes
    ----------
    estimator_ : classifier
        Fitted on the resampled rows.
    resampler_ : sampler
    rates_ : ndarray of shape (2,)
        Rows (their weights where there are any) after resampling over those before, by class.
    n_resampled_ : int
        Rows that the estimator was fitted on.
    classes_ : ndarray of shape (2,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Class weights inside the estimator are not corrected: resample or reweight, not both. An
    estimator that stops early holds out part of the resampled rows, where repeated (or made up)
    positives stand on both sides: give it a fixed number of rounds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from focaltab.pipeline import ResampledClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(20000, 1)); y = X[:, 0] + rng.logistic(size=20000) > 5
    >>> model = ResampledClassifier(LogisticRegression(), random_state=0).fit(X, y)
    >>> bool(model.n_resampled_ == 2 * y.sum()), round(float(y.mean()), 2)
    (True, 0.01)
    >>> round(float(model.predict_proba(X)[:, 1].mean()), 2)
    0.01
    """

    def __init__(
        self,
        estimator: Any,
        resampler: Any = "under",
        *,
        correct: bool = True,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.resampler = resampler
        self.correct = correct
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ResampledClassifier:
        """Resample the rows and fit the estimator on them.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
            Whatever the estimator takes, where rows are only drawn; else what the sampler takes.
        y : array-like of shape (n_samples,)
            Two labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Goes along with the rows that are drawn and counts in the rates; rows of weight 0 are
            left out. Needs a sampler that draws existing rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For more or fewer than two classes, an estimator without ``predict_proba``, a sampler
            that cannot work on these rows or leaves a class without any, or weights that cannot
            follow their rows.
        """
        self._check_parts()
        X = self._checked(X, reset=True)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        labels = column_or_1d(y, warn=True)
        _check_two_labels(labels)
        check_rows(X, labels)
        classes, codes = encode_target(labels)
        weight = self._checked_weight(sample_weight, codes.size)
        X, codes, weight = with_weight_only(X, codes, weight)
        _check_every_class(classes.labels, codes)
        sampler = self._sampler()
        X_drawn, codes_drawn, drawn = _resample(sampler, X, codes, classes.labels)
        weight_drawn = None
        if weight is not None:
            if drawn is None:
                raise ValueError(
                    f"{type(sampler).__name__} makes rows up, which have no sample_weight: use a "
                    "sampler that draws existing rows ('over', 'under'), or fit without weights."
                )
            weight_drawn = weight[drawn]
        after = np.bincount(codes_drawn, weight_drawn, minlength=2)
        if not (after > 0).all():
            raise ValueError(
                f"{type(sampler).__name__} left no row of class "
                f"{classes.labels.tolist()[int(after.argmin())]!r}: choose another "
                "sampling_strategy."
            )
        keyword = weight_keyword(self.estimator)
        fit_params = {} if weight_drawn is None else {str(keyword): weight_drawn}
        fitted = clone(self.estimator).fit(X_drawn, classes.labels[codes_drawn], **fit_params)
        # Last and together: a refit that fails leaves the fit before it whole.
        self.estimator_ = fitted
        self.resampler_ = sampler
        self.rates_: NDArray[np.float64] = after / np.bincount(codes, weight, minlength=2)
        self.n_resampled_ = int(codes_drawn.size)
        self.classes_: NDArray[Any] = classes.labels
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if part_writer() is None:
            return state
        # A fitted sampler may hold the rows that it drew from.
        return {name: value for name, value in state.items() if name != "resampler_"}

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities among rows that are not resampled, shape (n_samples, 2)."""
        check_is_fitted(self)
        stated = np.asarray(self.estimator_.predict_proba(self._checked(X, reset=False)))
        if not self.correct:
            return stated
        negative, positive = self.rates_
        p = undo_resampling(stated[:, 1], positive_rate=positive, negative_rate=negative)
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier label of each row, shape (n_samples,)."""
        # Taken from the second column alone: one minus it may round a tie away.
        likelier = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[likelier.astype(np.intp)])

    def _check_parts(self) -> None:
        if not states_probabilities(self.estimator):
            raise ValueError(
                f"{type(self.estimator).__name__} has no predict_proba: wrap it in "
                "sklearn.calibration.CalibratedClassifierCV."
            )
        if isinstance(self.resampler, str):
            if self.resampler not in _NAMED:
                raise ValueError(
                    f"resampler must be 'under', 'over' or a sampler, got {self.resampler!r}."
                )
        elif not hasattr(self.resampler, "fit_resample"):
            raise ValueError(
                f"resampler must be 'under', 'over' or have fit_resample, as the samplers of "
                f"imbalanced-learn do; got {type(self.resampler).__name__}."
            )

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Frames and what is sparse as they are; anything else as an array."""
        if isinstance(X, pd.DataFrame):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        # Before rows are drawn: the one that the estimator would refuse may not be among them.
        dtype = None if get_tags(self.estimator).input_tags.string else "numeric"
        return validate_data(
            self, X, reset=reset, accept_sparse=True, dtype=dtype, ensure_all_finite=False
        )

    def _checked_weight(self, sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
        if sample_weight is None:
            return None
        if weight_keyword(self.estimator) is None:
            raise ValueError(
                f"{type(self.estimator).__name__} takes no sample_weight: fit without weights, or "
                "use another estimator."
            )
        given = np.asarray(sample_weight, dtype=np.float64)
        return check_weight(np.full(n_rows, given) if given.ndim == 0 else given, n_rows)

    def _sampler(self) -> Any:
        if not isinstance(self.resampler, str):
            return clone(self.resampler)
        from imblearn.over_sampling import RandomOverSampler
        from imblearn.under_sampling import RandomUnderSampler

        kind = {"under": RandomUnderSampler, "over": RandomOverSampler}[self.resampler]
        return kind(random_state=self.random_state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.classifier_tags.multi_class = False
        for name in ("sparse", "allow_nan", "string", "categorical"):
            setattr(tags.input_tags, name, getattr(inner.input_tags, name))
        return tags


def only_draws(resampler: Any) -> bool:
    """Whether a sampler draws rows at random and leaves them as they are, whatever they hold."""
    if isinstance(resampler, str):
        return True
    return type(resampler).__name__ == "RandomUnderSampler" or (
        type(resampler).__name__ == "RandomOverSampler"
        and getattr(resampler, "shrinkage", None) is None
    )


def _resample(
    sampler: Any, X: Any, codes: NDArray[Any], labels: NDArray[Any]
) -> tuple[Any, NDArray[Any], NDArray[np.intp] | None]:
    """Rows, their class numbers, and which rows they were, if they were any."""
    counts = np.bincount(codes, minlength=2)
    by_draws = only_draws(sampler)
    # Of rows that are only drawn the sampler is given the numbers: any type of X will do, and
    # nothing is copied or converted on the way.
    given = np.arange(codes.size).reshape(-1, 1) if by_draws else X
    try:
        X_drawn, y_drawn = sampler.fit_resample(given, labels[codes])
    except (ValueError, TypeError) as error:
        negative, positive = labels.tolist()
        raise ValueError(
            f"{type(sampler).__name__} cannot resample {counts[0]} rows of class {negative!r} and "
            f"{counts[1]} of {positive!r}: {first_line(error)}"
        ) from error
    codes_drawn = np.asarray(np.asarray(y_drawn) == labels[1]).astype(np.intp)
    drawn = getattr(sampler, "sample_indices_", None)
    if by_draws:
        rows = np.asarray(X_drawn).reshape(-1).astype(np.intp)
        return take_rows(X, rows), codes_drawn, rows
    return X_drawn, codes_drawn, None if drawn is None else np.asarray(drawn, dtype=np.intp)


def _check_two_labels(labels: NDArray[Any]) -> None:
    kind = type_of_target(labels, input_name="y", raise_unknown=True)
    if kind != "binary":
        raise ValueError(
            f"Only binary classification is supported. The type of the target is {kind}."
        )


def _check_every_class(labels: NDArray[Any], codes: NDArray[Any]) -> None:
    counts = np.bincount(codes, minlength=2)
    if not (counts > 0).all():
        raise ValueError(
            "sample_weight is zero in every row of class "
            f"{labels.tolist()[int(counts.argmin())]!r}: a classifier needs rows of both classes."
        )
