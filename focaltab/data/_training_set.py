"""What a fit trains on: rows with their labels, weights and margins, and those it is judged by.

The way of one row: `as_table` makes its container plain, `check_features` judges its values,
`TrainingSet.read` numbers its label and weighs it, `with_evaluation` may hold it out,
`focaltab.sampling` may leave it out, and `InputColumns.encoded` makes whole numbers of its
categories; the library sees it then for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone

from focaltab._compat.sklearn import count_rows, rows_at
from focaltab.data._checks import Reader, read_table
from focaltab.data._columns import InputColumns, Unseen
from focaltab.data._early_stopping import (
    BOOSTER_FOLDS,
    Split,
    StoppedFold,
    folds_of,
    validation_rows,
)
from focaltab.data._labels import Classes, encode_target
from focaltab.data._lazy import in_memory, is_lazy, said_of
from focaltab.data._weights import (
    check_margin,
    numbers_per_row,
    prepare_loss,
    training_weight,
)
from focaltab.losses import FocalLoss
from focaltab.losses._validation import check_weight


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a table, and what goes with each.

    Parameters
    ----------
    X : DataFrame, csr_matrix, ndarray or LazyTable of shape (n_rows, n_features)
    codes : ndarray of shape (n_rows,)
        Class numbers.
    weight : ndarray of shape (n_rows,) or None
    margin : array-like of shape (n_rows,) or (n_rows, n_classes), or None
        What training starts from, given by the user.
    """

    X: Any
    codes: NDArray[np.integer[Any]]
    weight: NDArray[np.float64] | None = None
    margin: Any = None

    def __len__(self) -> int:
        return int(self.codes.size)

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Some of them."""
        return Rows(
            take_rows(self.X, rows),
            self.codes[rows],
            None if self.weight is None else self.weight[rows],
            take_rows(self.margin, rows),
        )

    def with_weight_only(self) -> Rows:
        """Those with weight: the others say nothing but would set scales."""
        if self.weight is None or (self.weight > 0).all():
            return self
        return self.take(np.flatnonzero(self.weight > 0))


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What a fit trains on, whichever library does it.

    Parameters
    ----------
    classes : Classes
    columns : InputColumns
    rows : Rows
        To train on; features in a plain form, with categories as the user has them.
    evaluation : tuple of Rows
        What early stopping or the user's metrics go by.
    held_out : bool
        Whether `evaluation` is a part of the user's rows, and not given.
    """

    classes: Classes
    columns: InputColumns
    rows: Rows
    evaluation: tuple[Rows, ...] = ()
    held_out: bool = False

    @classmethod
    def read(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        reader: Reader,
        *,
        sample_weight: Any = None,
        margin: Any = None,
        scale_pos_weight: float | None = None,
        continued: InputColumns | None = None,
        takes_new_categories: bool = False,
    ) -> TrainingSet:
        """Check the input of a fit and bring it to numbers.

        Parameters
        ----------
        estimator : estimator
            Its ``pos_label`` and ``class_weight`` count.
        X, y, sample_weight
            As the user gives them.
        reader : Reader
        margin : array-like, default=None
        scale_pos_weight : float, default=None
        continued : InputColumns, default=None
            Columns of the model that training goes on from.
        takes_new_categories : bool, default=False
            Whether such a model may meet categories that it does not know.

        Raises
        ------
        ValueError, TypeError
            For anything that cannot be trained on.
        """
        classes, codes = encode_target(y, estimator.pos_label)
        table = read_table(X, reader)
        check_rows(table, codes)
        weight = training_weight(sample_weight, estimator.class_weight, scale_pos_weight, y, codes)
        if continued is None:
            columns = InputColumns.of(table, reader)
        else:
            table = continued.in_form_of_training(table, reader)
            columns = continued.extended(table, reader)
            if not takes_new_categories:
                columns = continued
                if not is_lazy(table):
                    columns.encoded(table)  # refuses by the user's row, before rows are held out
        n_classes = classes.labels.size
        margin = check_margin(margin, codes.size, n_classes, reader.margin)
        return cls(classes, columns, Rows(table, codes, weight, margin))

    def with_evaluation(
        self,
        eval_set: Any,
        reader: Reader,
        *,
        weights: Any = None,
        margins: Any = None,
        needs_positives: bool,
    ) -> TrainingSet:
        """The same with the user's evaluation sets, checked as the training rows are.

        Raises
        ------
        ValueError
            For features, labels or weights that cannot be used, as many weights as there are no
            sets, or where early stopping on average precision is asked of a set without positives.
        """
        pairs = evaluation_pairs(eval_set)
        n_classes = self.classes.labels.size
        given = {
            name: _one_each(values, len(pairs), name)
            for name, values in (("weights", weights), ("margins", margins))
        }
        found = []
        for k, (X, y) in enumerate(pairs):
            name = f"eval_set {k}"
            with said_of(name):
                if y is None:
                    raise ValueError("it has no labels: y is None.")
                table = self.columns.in_form_of_training(read_table(X, reader), reader)
                check_rows(table, y)
                self.columns.check(table, by_kind=not reader.takes_text)
            codes = self.classes.encode_more(y, name)
            if needs_positives and codes.size and not codes.any():
                raise ValueError(
                    f"{name} has no row of class {self.classes.by_number.tolist()[1]!r}: average "
                    "precision, which early stopping goes by, needs positives."
                )
            weight = given["weights"][k]
            if weight is not None:
                of_weight = f"sample_weight of {name}"
                weight = check_weight(numbers_per_row(weight, of_weight), codes.size, of_weight)
            margin = check_margin(
                given["margins"][k], codes.size, n_classes, f"{reader.margin} of {name}"
            )
            found.append(Rows(table, codes, weight, margin))
        return replace(self, evaluation=tuple(found), held_out=False)

    def with_rows_held_out(self, fraction: float, random_state: Any) -> TrainingSet:
        """The same with a stratified part of the rows to stop early by."""
        return self._divided(validation_rows(self.rows.codes, fraction, random_state))

    def stopped_folds(
        self,
        estimator: Any,
        stop: Callable[[Any, TrainingSet], tuple[int, Mapping[str, Sequence[float]]]],
        *,
        most: int = BOOSTER_FOLDS,
    ) -> list[StoppedFold]:
        """Where training stops on each fold of an estimator's ``early_stopping_folds``.

        Parameters
        ----------
        estimator : estimator
        stop : callable
            Trains a clone on the rows outside of a fold and stops by those in it; returns its best
            round, counted from 1, and its metrics by round.
        most : int
            Folds of "auto": see `folds_of`.
        """
        folds = estimator.early_stopping_folds
        # Rows without weight would fill folds; a splitter of the user's counts them.
        data = self.with_weight_only() if isinstance(folds, str | Integral) else self
        splits = folds_of(
            data.rows.codes, folds, estimator.validation_fraction, estimator.random_state, most
        )
        return [
            StoppedFold(
                *stop(clone(estimator), data._divided(split)), split[0].size / len(data.rows)
            )
            for split in splits
        ]

    def _divided(self, split: Split) -> TrainingSet:
        train, held_out = split
        return replace(
            self,
            rows=self.rows.take(train),
            evaluation=(self.rows.take(held_out),),
            held_out=True,
        )

    def with_weight_only(self) -> TrainingSet:
        """The same with those rows to train on that have weight."""
        return replace(self, rows=self.rows.with_weight_only())

    def loss(self, estimator: Any) -> tuple[FocalLoss, Any]:
        """The estimator's loss for the rows to train on, and their weighted prevalence."""
        return prepare_loss(estimator, self.classes, self.rows.codes, self.rows.weight)

    def starting_from(self, intercept: NDArray[np.float64]) -> TrainingSet:
        """The same with a margin for every row that has none: the intercept of each class."""

        def started(rows: Rows) -> Rows:
            if rows.margin is not None:
                return rows
            n = len(rows)
            margin = np.full(n, intercept[0]) if intercept.size == 1 else np.tile(intercept, (n, 1))
            return replace(rows, margin=margin)

        return replace(
            self, rows=started(self.rows), evaluation=tuple(map(started, self.evaluation))
        )

    def in_memory(self) -> TrainingSet:
        """The same with tables in files read into memory."""
        parts = [replace(rows, X=in_memory(rows.X)) for rows in (self.rows, *self.evaluation)]
        return replace(self, rows=parts[0], evaluation=tuple(parts[1:]))

    def encoded(self, *, unseen: Unseen = "refuse") -> TrainingSet:
        """The same with categories as whole numbers, as the boosters take them."""

        def encoded(rows: Rows) -> Rows:
            return replace(rows, X=self.columns.encoded(rows.X, unseen=unseen))

        evaluation = []
        for k, rows in enumerate(self.evaluation):
            with nullcontext() if self.held_out else said_of(f"eval_set {k}"):
                evaluation.append(encoded(rows))
        return replace(self, rows=encoded(self.rows), evaluation=tuple(evaluation))


def check_rows(X: Any, y: Any) -> None:
    """Refuse features and labels of different lengths.

    Raises
    ------
    ValueError
        Names both lengths.
    """
    n_rows, n_labels = count_rows(X), count_rows(y)
    if n_rows != n_labels:
        raise ValueError(f"X has {n_rows} rows but y has {n_labels} labels.")


def evaluation_pairs(eval_set: Any) -> list[tuple[Any, Any]]:
    """Evaluation sets as a list of pairs: one pair alone, or several in a list or a tuple.

    Raises
    ------
    ValueError
        For anything else.
    """
    several = isinstance(eval_set, list) or (
        isinstance(eval_set, tuple)
        and all(isinstance(one, tuple | list) and len(one) == 2 for one in eval_set)
        and not (len(eval_set) == 2 and isinstance(eval_set[0], list))
    )
    pairs = list(eval_set) if several else [eval_set]
    if not pairs:
        raise ValueError("eval_set is an empty list: leave it out, or give a pair (X, y).")
    if not all(isinstance(one, tuple | list) and len(one) == 2 for one in pairs):
        raise ValueError("eval_set must be a pair (X, y) or a list of pairs.")
    return [(X, y) for X, y in pairs]


def _one_each(values: Any, n: int, what: str) -> list[Any]:
    if values is None:
        return [None] * n
    if isinstance(values, Mapping):  # LightGBM's other way
        unknown = [key for key in values if key not in range(n)]
        if unknown:
            raise ValueError(f"eval_set has {n} sets, but there are {what} for set {unknown[0]!r}.")
        return [values.get(k) for k in range(n)]
    if len(values) != n:
        raise ValueError(f"eval_set has {n} sets, but there are {what} for {len(values)}.")
    return list(values)


@contextmanager
def whole_or_unchanged(estimator: Any) -> Iterator[None]:
    """Put every attribute back where the block is left by an exception, an interrupt included.

    Attributes must be replaced in the block, not changed in place.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise


def take_rows(data: Any, rows: NDArray[np.intp]) -> Any:
    """Rows of an array, frame, sparse matrix, list or table in files; None stays None."""
    if data is None:
        return None
    if is_lazy(data):
        return data.take(rows)
    if sparse.issparse(data):
        matrix: Any = data
        data = matrix.tocsr()  # not every sparse format can be indexed by row
    return rows_at(data, rows)


def with_weight_only(
    X: Any, codes: NDArray[Any], weight: NDArray[np.float64] | None
) -> tuple[Any, NDArray[Any], NDArray[np.float64] | None]:
    """As `Rows.with_weight_only`, of what is not gathered yet."""
    rows = Rows(X, codes, weight).with_weight_only()
    return rows.X, rows.codes, rows.weight
