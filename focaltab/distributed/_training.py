"""From Dask collections to class numbers, weights and one loss for all partitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from dask.delayed import Delayed
from distributed import Client, Future, wait
from numpy.typing import NDArray

from focaltab.data import (
    LIGHTGBM,
    Classes,
    InputColumns,
    Reader,
    encode_target,
    prepare_loss,
    said_of,
    training_weight,
    warn_of_common_positive,
)
from focaltab.distributed import _rows
from focaltab.distributed._partitions import (
    check_collection,
    check_columns,
    column_from,
    features_from,
    partitions_of,
)
from focaltab.distributed._rows import rows_to_hold_out
from focaltab.losses import FocalLoss


@dataclass
class Rows:
    """Partitions that have rows, in the form in which a library takes them."""

    meta: Any
    features: list[Future]
    codes: list[Future]
    weight: list[Future] | None
    sizes: list[int]

    def collections(self, dtype: Any) -> tuple[Any, Any, Any]:
        """Features, class numbers and weights (or None) as collections."""
        return (
            features_from(self.features, self.meta, self.sizes),
            column_from(self.codes, dtype, self.sizes),
            None if self.weight is None else column_from(self.weight, np.float64, self.sizes),
        )


@dataclass
class TrainingSet:
    """What a library trains on, and the loss that these rows ask for."""

    classes: Classes
    columns: InputColumns
    loss: FocalLoss
    prevalence: Any
    rows: Rows
    evaluation: list[Rows]

    @property
    def dtype(self) -> Any:
        """Of class numbers."""
        return np.min_scalar_type(-self.classes.labels.size)


@dataclass
class _Given:
    """Partitions of a user's collections in the memory of workers, and what is known of them."""

    meta: Any
    features: list[Future]
    labels: list[Future]
    weight: list[Future] | None
    places: list[str]
    facts: list[_rows.Facts]


def training_set(
    estimator: Any,
    client: Client,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    reader: Reader,
    scale_pos_weight: float | None,
    eval_set: Any,
    eval_weight: Any,
    stops_early: bool,
    needs_positives: bool,
) -> TrainingSet:
    """Check the input, encode it and find the loss, all over all partitions.

    Raises
    ------
    TypeError, ValueError
        As the estimators' ``fit``.
    """
    FocalLoss(estimator.focal_gamma, link=estimator.link)  # before anything is read
    if estimator.sampling is not None:
        raise ValueError(
            f"sampling={estimator.sampling!r} is for tables in memory or in Parquet files: on Dask "
            "set sampling=None."
        )
    given = _look(client, X, y, sample_weight, "", reader)
    columns = InputColumns.of(given.meta, reader)
    classes, n_of_label = _classes(given.facts, estimator.pos_label)
    factor = _weight_of_class(estimator.class_weight, scale_pos_weight, classes, n_of_label)
    rows = _encoded(client, given, classes, factor)
    evaluation = [
        _evaluation_rows(
            client, one, weight, number, classes, given.meta, columns, reader, needs_positives
        )
        for number, (one, weight) in enumerate(_evaluation_sets(eval_set, eval_weight))
    ]
    if stops_early and not evaluation:
        rows, held_out = _split(
            client,
            rows,
            given.facts,
            classes,
            estimator.validation_fraction,
            estimator.random_state,
        )
        evaluation = [held_out]
    weight = rows.weight or [None] * len(rows.codes)
    n_classes = classes.labels.size
    totals = sum(
        client.gather(
            [
                client.submit(_rows.class_totals, codes, w, n_classes, pure=False)
                for codes, w in zip(rows.codes, weight, strict=True)
            ]
        ),
        start=np.zeros(n_classes),
    )
    # One row for every class, with the weight of all its rows: what the loss depends on.
    numbers = np.arange(n_classes)
    training_weight(totals, None, None, classes.by_number, numbers)
    loss, prevalence = prepare_loss(estimator, classes, numbers, totals)
    warn_of_common_positive(classes, prevalence, estimator.pos_label)
    rows, evaluation = (
        _by_numbers(client, columns, rows, reader),
        [_by_numbers(client, columns, one, reader) for one in evaluation],
    )
    return TrainingSet(classes, columns, loss, prevalence, rows, evaluation)


def _look(
    client: Client,
    X: Any,
    y: Any,
    weight: Any,
    name: str,
    reader: Reader,
    expected: Any = None,
) -> _Given:
    """Bring collections into the workers' memory and learn what every partition holds."""
    check_collection(X, f"{name}X")
    check_collection(y, f"{name}y")
    if weight is not None:
        check_collection(weight, f"{name}sample_weight")
    meta = check_columns(X, reader)
    if expected is not None:
        _check_same_columns(meta, expected, name)
    features, labels = _in_memory(client, X), _in_memory(client, y)
    weights = None if weight is None else _in_memory(client, weight)
    for other, what in ((labels, "y"), (weights, "sample_weight")):
        if other is not None and len(other) != len(features):
            raise ValueError(
                f"{name}X has {len(features)} partitions but {what} has {len(other)}: take both "
                "from one collection, or repartition (rechunk) them alike."
            )
    places = [f"{name}partition {k}" for k in range(len(features))]
    features = [
        client.submit(_rows.read, place, part, reader, pure=False)
        for place, part in zip(places, features, strict=True)
    ]
    parts = zip(places, features, labels, weights or [None] * len(features), strict=True)
    facts = client.gather(
        [client.submit(_rows.facts_of, *part, meta, pure=False) for part in parts]
    )
    return _Given(meta, features, labels, weights, places, facts)


def _in_memory(client: Client, collection: Any) -> list[Future]:
    """Partitions of a collection, kept by the workers for as long as they are referred to."""
    parts: list[Delayed] = partitions_of(collection)
    futures = list(client.compute(parts))
    wait(futures)  # before `collection` is let go, which some of them may be made from
    return futures


def _check_same_columns(meta: Any, expected: Any, name: str) -> None:
    if type(meta) is not type(expected):
        raise TypeError(f"{name}X must be the same kind of collection as the training set's X.")
    if hasattr(expected, "columns") and list(meta.columns) != list(expected.columns):
        raise ValueError(
            f"{name}X has columns {list(meta.columns)}, but the training set has "
            f"{list(expected.columns)}."
        )
    if meta.shape[1] != expected.shape[1]:
        raise ValueError(
            f"{name}X has {meta.shape[1]} columns, but the training set has {expected.shape[1]}."
        )


def _classes(facts: list[_rows.Facts], pos_label: Any) -> tuple[Classes, NDArray[np.intp]]:
    """The classes of all partitions together, and the number of rows by class number."""
    filled = [one for one in facts if one.n_rows]
    if not filled:
        raise ValueError("y has 0 sample(s): every partition is empty.")
    labels = np.concatenate([one.labels for one in filled])
    classes, codes = encode_target(labels, pos_label)
    counts = np.concatenate([one.counts for one in filled])
    n_of_label = np.zeros(classes.labels.size, np.intp)
    np.add.at(n_of_label, codes, counts)
    return classes, n_of_label


def _weight_of_class(
    class_weight: Any,
    scale_pos_weight: float | None,
    classes: Classes,
    n_of_label: NDArray[np.intp],
) -> NDArray[np.float64] | None:
    """What rows of every class number are multiplied by; None where that is nothing."""
    by_number = classes.by_number
    if isinstance(class_weight, str) and class_weight == "balanced":
        # scikit-learn's rule, from the counts of all partitions.
        balanced = n_of_label.sum() / (n_of_label.size * n_of_label)
        class_weight = dict(zip(by_number.tolist(), balanced.tolist(), strict=True))
    return training_weight(
        None, class_weight, scale_pos_weight, by_number, np.arange(by_number.size)
    )


def _encoded(
    client: Client, given: _Given, classes: Classes, factor: NDArray[np.float64] | None
) -> Rows:
    """Class numbers and weights of the partitions that have rows."""
    filled = [k for k, one in enumerate(given.facts) if one.n_rows]
    codes = [
        client.submit(_rows.encode, given.places[k], given.labels[k], classes, pure=False)
        for k in filled
    ]
    weight = None
    if given.weight is not None or factor is not None:
        own = [None if given.weight is None else given.weight[k] for k in filled]
        weight = [
            client.submit(_rows.weigh, numbers, one, factor, pure=False)
            for numbers, one in zip(codes, own, strict=True)
        ]
    return Rows(
        given.meta,
        [given.features[k] for k in filled],
        codes,
        weight,
        [given.facts[k].n_rows for k in filled],
    )


def _evaluation_sets(eval_set: Any, weights: Any) -> list[tuple[Any, Any]]:
    if eval_set is None:
        return []
    sets = [eval_set] if isinstance(eval_set, tuple) else list(eval_set)
    weights = [None] * len(sets) if weights is None else list(weights)
    if len(weights) != len(sets):
        raise ValueError(
            f"eval_set has {len(sets)} sets, but there are weights for {len(weights)}."
        )
    if not all(isinstance(one, tuple | list) and len(one) == 2 for one in sets):
        raise ValueError("eval_set must be a list of pairs (X, y).")
    return list(zip(sets, weights, strict=True))


def _evaluation_rows(
    client: Client,
    pair: Any,
    weight: Any,
    number: int,
    classes: Classes,
    meta: Any,
    columns: InputColumns,
    reader: Reader,
    needs_positives: bool,
) -> Rows:
    name = f"eval_set {number}: "
    X, y = pair
    given = _look(client, X, y, weight, name, reader, meta)
    with said_of(name[:-2]):
        columns.check(given.meta)
    filled = [one for one in given.facts if one.n_rows]
    if not filled:
        raise ValueError(f"{name}every partition is empty.")
    codes = classes.encode_more(np.concatenate([one.labels for one in filled]), name[:-2])
    if needs_positives and not codes.any():
        raise ValueError(
            f"{name}there is no row of class {classes.by_number.tolist()[1]!r}: average "
            "precision, which early stopping goes by, needs positives."
        )
    return _encoded(client, given, classes, None)


def _split(
    client: Client,
    rows: Rows,
    facts: list[_rows.Facts],
    classes: Classes,
    fraction: float,
    random_state: Any,
) -> tuple[Rows, Rows]:
    """Rows to train on, and rows to stop early on."""
    counts = np.zeros((len(rows.sizes), classes.labels.size), np.intp)
    for k, one in enumerate(one for one in facts if one.n_rows):
        counts[k, classes.numbers(one.labels)] = one.counts
    n_held_out, seeds = rows_to_hold_out(counts, fraction, random_state)
    held = [
        client.submit(_rows.held_out, codes, n, seed, pure=False)
        for codes, n, seed in zip(rows.codes, n_held_out, seeds, strict=True)
    ]
    kept = [client.submit(np.logical_not, chosen, pure=False) for chosen in held]
    sizes = n_held_out.sum(axis=1)
    return (
        _chosen(client, rows, kept, np.array(rows.sizes) - sizes),
        _chosen(client, rows, held, sizes),
    )


def _by_numbers(client: Client, columns: InputColumns, rows: Rows, reader: Reader) -> Rows:
    """The same with categories as whole numbers."""
    if not columns.categories:
        return rows
    encoded = partial(columns.encoded, unseen="missing" if reader is LIGHTGBM else "refuse")
    features = [client.submit(encoded, part, pure=False) for part in rows.features]
    return replace(rows, meta=encoded(rows.meta), features=features)


def _chosen(client: Client, rows: Rows, chosen: list[Future], sizes: NDArray[Any]) -> Rows:
    filled = np.flatnonzero(sizes)

    def of(parts: list[Future]) -> list[Future]:
        return [client.submit(_rows.take, parts[k], chosen[k], pure=False) for k in filled]

    return Rows(
        rows.meta,
        of(rows.features),
        of(rows.codes),
        None if rows.weight is None else of(rows.weight),
        sizes[filled].tolist(),
    )
