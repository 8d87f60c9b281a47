"""Training by parts: what ``FocalMLPClassifier`` does in ``partial_fit``."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from focaltab.data import (
    Classes,
    Rows,
    check_rows,
    checked_labels,
    encode_target,
    prepare_loss,
    training_weight,
    whole_or_unchanged,
)
from focaltab.neural import _training
from focaltab.neural._batches import RowEncoder, ShuffledBatches
from focaltab.neural._parameters import check_parameters
from focaltab.neural._posterior import Posterior
from focaltab.neural._training import Objective


class PartialFit:
    """One epoch a call, on whatever rows the call brings."""

    validation_scores_: list[float] | None
    best_validation_score_: float | None

    def partial_fit(
        self: Any,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Train for one epoch on these rows, at a constant learning rate.

        The first call finds scales, categories, ``focal_alpha`` and the intercept; they stay. The
        ``sampler`` must be None, ``class_weight`` no ``"balanced"``, ``early_stopping`` not True;
        ``"auto"`` stops nothing here. After a `fit` that stopped early it goes on from the best
        epoch. Weights count by the scale of the first call's.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`; a call may lack a class.
        classes : array-like of shape (n_classes,), default=None
            All labels that will come; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`; if `classes` is missing in the first call or differs later, or the first
            call lacks rows of a class.
        """
        check_parameters(self)
        first = not hasattr(self, "network_")
        self._check_partial(first)
        known, codes = self._partial_codes(y, classes, first)
        weight = training_weight(
            sample_weight, self.class_weight, None, y, codes, every_class=first
        )
        with whole_or_unchanged(self), self._seeded(not first) as generator:
            table = self._checked_features(X, reset=first)
            check_rows(table, codes)
            given = Rows(table, codes, weight).with_weight_only()
            encoder = self._row_encoder(given, not first)
            if first:
                self._start(known, given, encoder)
            # A weight means what it meant in the first call.
            rows = replace(encoder, mean_weight=self._mean_weight).rows(given)
            # A copy, so that a call that fails leaves the network as it was.
            network = copy.deepcopy(self.network_).to(encoder.device)
            network.mixed_precision = self._mixes_precision(network.dtype)
            optimizer = self._new_optimizer(network)
            if self._optimizer_state is not None:
                chosen = [dict(group) for group in optimizer.param_groups]
                optimizer.load_state_dict(self._optimizer_state)
                for group, values in zip(optimizer.param_groups, chosen, strict=True):
                    group |= {k: v for k, v in values.items() if k != "params"}
            batches = ShuffledBatches(rows, self._batch_rows(len(rows)), generator)
            objective = Objective(self.loss_, self._label_smoothing)
            value = _training.train_epoch(network, batches, objective, optimizer)
            _training.check_finite(value, self._epochs_seen, self.learning_rate_init)
            _training.check_network(network, rows, self._epochs_seen, self.learning_rate_init)
            self.network_, self._optimizer_state = network, optimizer.state_dict()
            self._epochs_seen += 1
            self.n_iter_ += 1
            self.best_iter_ = self.n_iter_
            self.loss_curve_ = [*self.loss_curve_, value]
            self.validation_scores_, self.best_validation_score_ = None, None
            self.evals_result_: dict[str, Any] = {}
        return self

    def _check_partial(self: Any, first: bool) -> None:
        if self.sampler is not None:
            raise ValueError("partial_fit takes rows as they come: set sampler=None.")
        if self.sampling is not None:
            raise ValueError("partial_fit takes rows as they come: set sampling=None.")
        if self.early_stopping != "auto" and self.early_stopping:
            raise ValueError(
                "partial_fit has no held-out rows to stop early by: set early_stopping=False, or "
                "leave it 'auto'."
            )
        if not first and self._log_prior_shift is not None:
            raise ValueError(
                "This network was trained with sampler='balanced', and its probabilities are "
                "corrected for that: partial_fit cannot go on without it. Fit anew."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, which partial_fit does not see: "
                "pass {label: weight}."
            )

    def _partial_codes(
        self: Any, y: ArrayLike, classes: ArrayLike | None, first: bool
    ) -> tuple[Classes, NDArray[Any]]:
        if not first:
            known = self._label_order
            if classes is not None and not np.array_equal(np.unique(classes), known.labels):
                raise ValueError(
                    f"classes={np.unique(classes).tolist()} differs from that of the first call, "
                    f"{known.labels.tolist()}."
                )
            return known, known.encode_more(y, "y")
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        # Before they are encoded, which would say of a single class that there must be two.
        found = set(pd.unique(checked_labels(y)).tolist())
        announced = set(np.asarray(classes).tolist())
        if announced - found:
            raise ValueError(
                f"The first call to partial_fit needs rows of every class, to start from their "
                f"shares; y lacks {sorted(announced - found)}."
            )
        if found - announced:
            raise ValueError(
                f"y holds labels that are not in classes: {sorted(found - announced)}."
            )
        return encode_target(y, self.pos_label)

    def _start(self: Any, known: Classes, rows: Rows, encoder: RowEncoder) -> None:
        """Make the network that the first call trains."""
        loss, prevalence = prepare_loss(self, known, rows.codes, rows.weight)
        posterior = Posterior(loss, prevalence, self.label_smoothing, None)
        network = self._started_network(encoder, posterior)
        self._keep(known, posterior, encoder.table, network)
        self._mean_weight = encoder.mean_weight
        self._optimizer_state, self._epochs_seen = None, 0
        self.n_iter_, self.loss_curve_ = 0, []


def on_cpu(state: Any) -> Any:
    """An optimizer's state with every tensor on the CPU."""
    if isinstance(state, torch.Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: on_cpu(value) for key, value in state.items()}
    return [on_cpu(value) for value in state] if isinstance(state, list) else state
