"""``FocalEnsembleClassifier``: different models, weighted by what they add out of fold."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from imblearn.under_sampling import RandomUnderSampler
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state, indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from focaltab._compat.sklearn import scorer_options
from focaltab._errors import first_line
from focaltab._progress import Advance, progress_bar
from focaltab.data import (
    Classes,
    check_names,
    check_rows,
    encode_target,
    named_frame,
    refuse_lazy,
    take_rows,
    told_of_common_positive,
    training_weight,
    warn_of_common_positive,
    whole_or_unchanged,
    with_weight_only,
)
from focaltab.ensemble._members import DEFAULT_COSTS, default_members
from focaltab.ensemble._recalibration import Recalibration
from focaltab.ensemble._schedule import Schedule
from focaltab.ensemble._selection import greedy_weights, usefulness
from focaltab.metrics import FewRowsWarning, average_precision
from focaltab.model_selection._decision import states_probabilities
from focaltab.model_selection._scorers import relabelled, scoring_told
from focaltab.pipeline import ResampledClassifier, TableFeatures, make_pipeline

Floats = NDArray[np.float64]

_LARGEST_SEED = 2**31 - 1
# From so many rows on three folds, which take half the time of five: noise is small by then.
_MANY_ROWS = 20_000
# Parameters that may be dicts of labels.
_BY_LABEL = ("class_weight", "focal_alpha", "sampling_strategy")


@dataclass(frozen=True)
class _Candidate:
    """A member with its calibrated out-of-fold probabilities."""

    name: str
    model: Any
    recalibration: Recalibration
    out_of_fold: Floats
    useful: float
    seconds: float
    rows: int


class FocalEnsembleClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Average of different models, chosen greedily on rows that they were not fitted on.

    Each member is fitted on all folds but one and scores that one. These out-of-fold
    probabilities calibrate it (`Recalibration`) and decide how much of it the average takes:
    greedy selection with replacement (Caruana et al. 2004) on average precision and log loss
    together. The chosen members are then fitted on all rows. Two classes.

    Parameters
    ----------
    members : dict of str to classifier, default=None
        With ``predict_proba``; each is given the encoding of the table that it needs
        (`focaltab.pipeline.make_pipeline`), a pipeline the table as it is. None for
        `default_members`, which has networks among them where torch is installed. What they are
        told of classes keeps its meaning; a ``pos_label`` of theirs that is None becomes the
        ensemble's.
    cv : int or "auto", default="auto"
        Stratified folds; fewer where a class has fewer rows. ``"auto"`` is 5, and 3 from 20,000
        rows on.
    n_bags : int, default=10
        Greedy selections, each over a random half of the members, whose weights are averaged.
    n_rounds : int, default=20
        Steps of each greedy selection.
    time_budget : float, default=None
        Seconds for everything. The cheapest members are tried first, of more than 20,000 rows on
        10,000 of them, all positives and some negatives, with probabilities put right; then the
        best ones on as many as there is time for. None is tried that would not end in time, but
        for the first. Two runs may end with different members. None tries all on all rows.
    pos_label : label, default=None
        The positive label; None for the second in sorted order.
    n_jobs : int, default=None
        Folds fitted at once. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Of the folds, the bags, and the members that leave theirs at None.
    verbose : int, default=0
        1 shows a progress bar on stderr.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    members_ : dict of str to fitted pipeline
        Those that were chosen.
    weights_ : dict of str to float
        Their shares, which sum to 1.
    out_of_fold_ : DataFrame
        One row for each member that was tried: ``average_precision`` and ``log_loss`` out of fold
        (calibrated), ``weight``, ``seconds``, and the ``rows`` that it is fitted on. Empty where a
        class has one row only.
    failures_ : dict of str to str
        Members that could not be fitted, and the first line of their error.
    not_tried_ : list of str
        Members that there was no time for.

    See Also
    --------
    focaltab.model_selection.FocalSearchCV : one model, tuned.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from focaltab.boosting import FocalXGBClassifier
    >>> from focaltab.ensemble import FocalEnsembleClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 4))
    >>> y = np.where(X[:, 0] + rng.normal(size=1000) > 2.0, "fraud", "fine")
    >>> members = {"booster": FocalXGBClassifier(n_estimators=20), "linear": LogisticRegression()}
    >>> model = FocalEnsembleClassifier(members, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (1000, 2)
    >>> sorted(model.weights_)
    ['booster', 'linear']
    """

    def __init__(
        self,
        members: Mapping[str, Any] | None = None,
        *,
        cv: int | Literal["auto"] = "auto",
        n_bags: int = 10,
        n_rounds: int = 20,
        time_budget: float | None = None,
        pos_label: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.members = members
        self.cv = cv
        self.n_bags = n_bags
        self.n_rounds = n_rounds
        self.time_budget = time_budget
        self.pos_label = pos_label
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        callback: Callable[[int, int, str], None] | None = None,
    ) -> FocalEnsembleClassifier:
        """Fit the members, choose among them, and fit the chosen on all rows.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two labels of any type.
        sample_weight : array-like of shape (n_samples,), default=None
            For members, calibration and selection; a member that takes no weights fails.
        callback : callable, default=None
            Told the members done, their number, and what is running, what leads and what time is
            left; in place of the bar of `verbose`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For unusable parameters, labels, features or weights, or if no member can be fitted.

        Warns
        -----
        FitFailedWarning
            For each member that cannot be fitted; it is left out.
        FewRowsWarning
            If a class has a single row: members are then averaged alike, as they are.
        """
        self._check_parameters()
        classes, codes = encode_target(y, self.pos_label)
        if classes.labels.size != 2:
            raise ValueError(
                "Only binary classification is supported. The target has "
                f"{classes.labels.size} classes."
            )
        with whole_or_unchanged(self):
            refuse_lazy(X, "FocalEnsembleClassifier")
            X = self._table(X, reset=True)
            X = indexable(X)[0]
            check_rows(X, codes)
            weight = training_weight(sample_weight, None, None, y, codes)
            X, codes, weight = with_weight_only(X, codes, weight)
            share = float(np.average(codes == 1, weights=weight))
            warn_of_common_positive(classes, share, self.pos_label)
            random_state = check_random_state(self.random_state)
            models = self._models(classes, random_state)
            folds = self._folds(codes, random_state)
            if any(isinstance(m.steps[0][1], TableFeatures) for m in models.values()):
                # What no member could read is the table's fault: told as such, before any fit.
                TableFeatures().fit(X, codes)
            self.failures_: dict[str, str] = {}
            self.not_tried_: list[str] = []
            self._positive = 0 if classes.flipped else 1
            # Members see the classes in their order, to which lists of theirs go by.
            numbers = codes if self._positive else 1 - codes
            if folds:
                with self._progress(len(models), callback) as advance:
                    tried = self._tried(models, X, numbers, codes, weight, folds, advance)
                    self._choose(tried, codes, weight, random_state)
                    models = {candidate.name: candidate.model for candidate in tried}
                    advance(0, f"fitting {len(self.weights_)} members for good")
                    self._fit_chosen(models, X, numbers, weight)
            else:
                self._recalibration: dict[str, Recalibration] = {}
                self.weights_: dict[str, float] = dict.fromkeys(models, 1.0)
                self.out_of_fold_ = pd.DataFrame()
                self._fit_chosen(models, X, numbers, weight)
            self._classes = classes
            self.classes_ = classes.labels
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__().copy()
        if "out_of_fold_" in state:  # as plain lists, which any file can hold
            state["out_of_fold_"] = state["out_of_fold_"].to_dict("split")
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "members_" in state:  # earlier ones handed all members the positive class as number 1
            state = {"_positive": 1, **state}
        if "out_of_fold_" in state:
            state = {
                **state,
                "out_of_fold_": pd.DataFrame(**state["out_of_fold_"]).rename_axis("member"),
            }
        super().__setstate__(state)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, shape (n_samples, 2), in the order of `classes_`.

        The average of the members' calibrated ones, or of what they state where nothing could be
        held out.

        Raises
        ------
        ValueError
            For other columns than in training.
        """
        check_is_fitted(self)
        # Members that take arrays would not look at the order of its columns.
        X = self._table(X, reset=False)
        positive = sum(
            share * self._stated(name, self.members_[name].predict_proba(X)[:, self._positive])
            for name, share in self.weights_.items()
        )
        positive = np.clip(positive, 0.0, 1.0)
        return self._classes.columns_in_order(np.stack([1.0 - positive, positive], axis=1))

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier label of each row, shape (n_samples,)."""
        probability = self.predict_proba(X)
        return np.asarray(self.classes_[(probability[:, 1] > 0.5).astype(np.intp)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _table(self, X: Any, *, reset: bool) -> Any:
        """The table as the members are given it: of other libraries' tables the frame."""
        frame = named_frame(X)
        if frame is not None:
            check_names(frame)
            X = frame
        if reset or frame is not None:
            validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _check_parameters(self) -> None:
        for name, least in (("cv", 2), ("n_bags", 1), ("n_rounds", 1)):
            value = getattr(self, name)
            if name == "cv" and value == "auto":
                continue
            if not isinstance(value, Integral) or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, got {value!r}."
                )
        budget = self.time_budget
        if budget is not None and not (isinstance(budget, Real) and budget > 0):
            raise ValueError(f"time_budget must be a positive number of seconds, got {budget!r}.")
        if self.members is None:
            return
        if not isinstance(self.members, Mapping) or not self.members:
            raise ValueError("members must be a dict of names and classifiers, and not empty.")
        for name, member in self.members.items():
            if isinstance(member, type) or not states_probabilities(member):
                raise ValueError(f"members[{name!r}] must be a classifier with predict_proba.")

    def _models(self, classes: Classes, random_state: np.random.RandomState) -> dict[str, Any]:
        """Unfitted pipelines, seeded, for class numbers in place of labels."""
        members = default_members() if self.members is None else self.members
        models = {}
        for name, member in members.items():
            seed = int(random_state.randint(_LARGEST_SEED))
            features = None if hasattr(member, "steps") else "auto"
            models[name] = make_pipeline(member, features=features, random_state=seed)
            models[name].set_params(**_for_numbers(models[name].get_params(), classes, seed))
        return models

    def _folds(
        self, codes: NDArray[Any], random_state: np.random.RandomState
    ) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Stratified folds; none where a class has a single row."""
        wanted = (3 if codes.size >= _MANY_ROWS else 5) if self.cv == "auto" else int(self.cv)
        n_folds = min(wanted, int(np.bincount(codes).min()))
        if n_folds < 2:
            warnings.warn(
                "A class has a single row: nothing can be held out to choose members by, and all "
                "are averaged alike.",
                FewRowsWarning,
                stacklevel=3,
            )
            return []
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
        return list(splitter.split(np.zeros(codes.size), codes))

    @contextmanager
    def _progress(
        self, total: int, callback: Callable[[int, int, str], None] | None
    ) -> Iterator[Advance]:
        if callback is None:
            with progress_bar(total, self.verbose) as advance:
                yield advance
            return
        finished = 0

        def tell(done: int = 1, text: str | None = None) -> None:
            nonlocal finished
            finished += done
            callback(finished, total, text or "")

        yield tell

    def _tried(
        self,
        models: dict[str, Any],
        X: Any,
        numbers: NDArray[Any],
        codes: NDArray[Any],
        weight: Floats | None,
        folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
        advance: Advance,
    ) -> list[_Candidate]:
        """Members with their out-of-fold probabilities, of those that there is time for."""
        schedule = Schedule(self.time_budget, codes, len(folds), DEFAULT_COSTS)
        # Tables go whole to the processes: of mapped files joblib's tracker writes tracebacks.
        parallel = Parallel(n_jobs=self.n_jobs, max_nbytes=None)
        if self.time_budget is not None:
            # Processes that import their libraries only now would make the first member look slow.
            parallel(delayed(len)(models) for _ in folds)

        def trial(name: str, n_rows: int | None) -> _Candidate | None:
            model = models[name]
            if n_rows is not None:
                model = _on_fewer_rows(model, n_rows, codes)
            started = time.perf_counter()
            try:
                parts = parallel(
                    delayed(_held_out)(model, X, numbers, self._positive, weight, *fold)
                    for fold in folds
                )
            except Exception as error:
                self._report(name, error)
                return None
            stated = np.empty(codes.size)
            for (_, held_out), part in zip(folds, parts, strict=True):
                stated[held_out] = part
            recalibration = Recalibration.fit(codes, stated, weight)
            calibrated = recalibration(stated)
            seconds = time.perf_counter() - started
            useful = usefulness(codes, calibrated, weight)
            rows = codes.size if n_rows is None else n_rows
            return _Candidate(name, model, recalibration, calibrated, useful, seconds, rows)

        tried: dict[str, _Candidate] = {}

        def told(name: str, rows: int | None) -> str:
            """What the progress bar says: what is running, what leads, what time is left."""
            said = name if rows is None else f"{name} on {rows:,} rows"
            if tried:
                best = max(tried.values(), key=lambda candidate: candidate.useful)
                said += f", best so far {best.name}"
            return said if self.time_budget is None else f"{said}, {schedule.left():.0f} s left"

        first_rows = schedule.first_rows
        for name in schedule.order(models):
            if not schedule.allows(name):
                self.not_tried_.append(name)
                advance()
                continue
            advance(0, told(name, first_rows))
            candidate = trial(name, first_rows)
            if candidate is not None:
                tried[name] = candidate
                schedule.note(name, candidate.seconds, first=True)
            advance()
        if first_rows is None:
            return list(tried.values())
        for first in sorted(tried.values(), key=lambda candidate: -candidate.useful):
            name = first.name
            more = schedule.rows_of_second_trial(name, first.seconds, first.rows)
            if more is None:
                continue
            advance(0, told(name, more))
            second = trial(name, None if more == codes.size else more)
            if second is not None:
                schedule.note(name, second.seconds, first=False)
                if second.useful > first.useful:
                    tried[name] = replace(second, seconds=first.seconds + second.seconds)
        return list(tried.values())

    def _choose(
        self,
        tried: list[_Candidate],
        codes: NDArray[Any],
        weight: Floats | None,
        random_state: np.random.RandomState,
    ) -> None:
        self._check_any(bool(tried))
        shares = greedy_weights(
            codes,
            np.array([c.out_of_fold for c in tried]),
            weight,
            n_bags=self.n_bags,
            n_rounds=self.n_rounds,
            random_state=random_state,
        )
        self._recalibration = {c.name: c.recalibration for c in tried}
        self.weights_ = {
            c.name: float(share) for c, share in zip(tried, shares, strict=True) if share
        }
        self.out_of_fold_ = pd.DataFrame(
            {
                "average_precision": [
                    average_precision(codes, c.out_of_fold, sample_weight=weight) for c in tried
                ],
                "log_loss": [log_loss(codes, c.out_of_fold, sample_weight=weight) for c in tried],
                "weight": shares,
                "seconds": [c.seconds for c in tried],
                "rows": [c.rows for c in tried],
            },
            index=pd.Index([c.name for c in tried], name="member"),
        )

    def _fit_chosen(
        self, models: dict[str, Any], X: Any, numbers: NDArray[Any], weight: Floats | None
    ) -> None:
        """Fit what has a share on all rows, and let the rest share what a failure leaves."""
        self.members_ = {}
        results = Parallel(n_jobs=self.n_jobs, max_nbytes=None)(
            delayed(_fitted_or_error)(models[name], X, numbers, weight) for name in self.weights_
        )
        for name, result in zip(self.weights_, results, strict=True):
            if isinstance(result, Exception):
                self._report(name, result)
            else:
                self.members_[name] = result
        self._check_any(bool(self.members_))
        total = sum(self.weights_[name] for name in self.members_)
        self.weights_ = {name: self.weights_[name] / total for name in self.members_}

    def _stated(self, name: str, probability: NDArray[Any]) -> Floats:
        stated = np.asarray(probability, dtype=np.float64)
        recalibration = self._recalibration.get(name)
        return stated if recalibration is None else recalibration(stated)

    def _report(self, name: str, error: Exception) -> None:
        self.failures_[name] = first_line(error)
        warnings.warn(
            f"Member {name!r} could not be fitted and is left out: {self.failures_[name]}",
            FitFailedWarning,
            stacklevel=4,
        )

    def _check_any(self, any_left: bool) -> None:
        if not any_left:
            name, message = next(iter(self.failures_.items()))
            raise ValueError(f"No member could be fitted. The first, {name!r}: {message}")


def _for_numbers(parameters: Mapping[str, Any], classes: Classes, seed: int) -> dict[str, Any]:
    """Parameters that have to change where labels have become 0 and 1, and seeds to set."""
    labels = classes.labels.tolist()
    changed: dict[str, Any] = {}
    for key, value in parameters.items():
        name = key.split("__")[-1]
        if name == "random_state" and value is None:
            changed[key] = seed
        elif name == "pos_label" and value is None:
            changed[key] = 0 if classes.flipped else None
        elif name == "pos_label" and value in labels:
            changed[key] = labels.index(value)
        elif name == "scoring" and scorer_options(value).get("pos_label") in labels:
            changed[key] = relabelled(value, labels.index(scorer_options(value)["pos_label"]))
        elif name == "scoring" and value is not None and classes.flipped:
            changed[key] = scoring_told(value, 0)
        elif name == "scale_pos_weight" and value not in (None, 1) and classes.flipped:
            _check_knows_positive(key, value, parameters, classes)
        elif name in _BY_LABEL and isinstance(value, Mapping):
            changed[key] = {labels.index(k) if k in labels else k: v for k, v in value.items()}
    return changed


def _check_knows_positive(
    key: str, value: Any, parameters: Mapping[str, Any], classes: Classes
) -> None:
    """Refuse a weight of the positive class that its library gives to the other one."""
    prefix = key.removesuffix("scale_pos_weight")
    if f"{prefix}pos_label" in parameters:
        return
    model = parameters.get(prefix.removesuffix("__"))
    positive, other = classes.labels.tolist()
    raise ValueError(
        f"A member's scale_pos_weight={value!r} would weigh the label {other!r}, which sorts last, "
        f"where {positive!r} is positive: {type(model).__name__} cannot be "
        "told. Use focaltab's estimator, which has pos_label, or class_weight."
    )


def _fitted(model: Any, X: Any, numbers: NDArray[Any], weight: Floats | None) -> Any:
    options = {} if weight is None else {"sample_weight": weight}
    with told_of_common_positive():  # by other names than those of the class numbers
        return clone(model).fit(X, numbers, **options)


def _fitted_or_error(model: Any, X: Any, numbers: NDArray[Any], weight: Floats | None) -> Any:
    try:
        return _fitted(model, X, numbers, weight)
    except Exception as error:
        return error


def _on_fewer_rows(model: Any, n_rows: int, codes: NDArray[Any]) -> Any:
    """The model fitted on all positives and some negatives, and put right for it.

    Of a fold it sees the same share of negatives.
    """
    n_positives = int(codes.sum())
    share = n_positives / (n_rows - n_positives)
    seed = model.get_params().get("model__random_state", 0)
    sampler = RandomUnderSampler(sampling_strategy=share, random_state=seed)
    return ResampledClassifier(model, sampler)


def _held_out(
    model: Any,
    X: Any,
    numbers: NDArray[Any],
    positive: int,
    weight: Floats | None,
    train: NDArray[np.intp],
    held_out: NDArray[np.intp],
) -> Floats:
    """Positive probabilities of the held-out rows by a model fitted on the others."""
    own = None if weight is None else weight[train]
    fitted = _fitted(model, take_rows(X, train), numbers[train], own)
    stated = fitted.predict_proba(take_rows(X, held_out))
    return np.asarray(stated, np.float64)[:, positive]
