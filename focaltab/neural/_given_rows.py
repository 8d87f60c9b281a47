"""Fit a network on some rows and stop early by others, both the caller's choice.

``FocalMLPClassifier.fit`` holds out a part of its own. A comparison with other models is fair only
if all of them stop by the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from focaltab import _inputs
from focaltab.neural import _training
from focaltab.neural._batches import ShuffledBatches
from focaltab.neural._encoder import TableEncoder
from focaltab.neural._estimator import FocalMLPClassifier, _HeldOutScore
from focaltab.neural._parameters import check_parameters
from focaltab.neural._training import Objective


def fit_on_given_rows(
    model: FocalMLPClassifier,
    X: Any,
    y: ArrayLike,
    X_stop: Any,
    y_stop: ArrayLike,
    after_epoch: Callable[[int], None],
) -> int:
    """Train as ``fit`` does, with early stopping on the rows of `X_stop`.

    Parameters
    ----------
    model : FocalMLPClassifier
        Not fitted, with ``sampler=None`` and ``class_weight=None``. Its ``early_stopping``,
        ``validation_fraction`` and ``warm_start`` mean nothing here.
    X, y
        Rows to train on, as ``fit`` takes them.
    X_stop, y_stop
        Rows whose average precision decides when to stop, and which epoch is kept; the loss on
        them decides between epochs of the same.
    after_epoch : callable
        Called with the number of epochs done.

    Returns
    -------
    int
        The epoch, counted from 1, whose weights the fitted model keeps.

    Raises
    ------
    ValueError
        As ``fit``.
    """
    check_parameters(model)
    if model.sampler is not None or model.class_weight is not None:
        raise ValueError(
            "Given rows are trained on as they are: set sampler and class_weight=None."
        )
    X, X_stop = model._checked_features(X, reset=True), model._checked_features(X_stop, reset=False)
    classes, codes = _inputs.encode_target(y, model.pos_label)
    _inputs.check_rows(X, codes)
    ((X_stop, stop_codes),) = _inputs.encode_evaluation_sets(
        [(X_stop, y_stop)], classes, None, needs_positives=True
    )
    loss, prevalence = _inputs.prepare_loss(model, classes, codes, None)
    with model._seeded() as generator:
        encoder = TableEncoder().fit(X)
        dtype = model._precision(codes.size)
        rows = model._rows(encoder, dtype, X, codes, None)
        network = model._new_network(encoder, rows, loss)
        network.start_from(loss.intercept(prevalence))
        score = _HeldOutScore(loss, network, model._rows(encoder, dtype, X_stop, stop_codes, None))
        reached: list[tuple[float, float]] = []

        def score_and_tell() -> tuple[float, float]:
            reached.append(score())
            after_epoch(len(reached))
            return reached[-1]

        history = _training.train(
            network,
            ShuffledBatches(rows, model._batch_rows(len(rows)), generator),
            Objective(loss, model.label_smoothing),
            model._new_optimizer(network),
            model._plan(),
            score_and_tell,
            verbose=False,
        )
    model._keep(classes, loss, prevalence, encoder, network, None)
    model.n_iter_, model.loss_curve_ = len(history.loss), history.loss
    model.validation_scores_, model.best_validation_score_ = history.score, history.best_score
    # As in training, the first of equals.
    return reached.index(max(reached)) + 1
