"""From raw predictions to the probabilities of the data, and how good they are on held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from focaltab.data import mean_average_precision
from focaltab.losses import FocalLoss
from focaltab.neural._batches import Rows
from focaltab.neural._network import FocalNetwork
from focaltab.neural._training import predict_raw

ROWS_PER_PREDICTION = 16_384
_SMALL_SHARE = 0.2


def mean_probability(loss: FocalLoss, raw: torch.Tensor) -> NDArray[np.float64]:
    """Calibrated probabilities by class number, averaged over members."""
    values = raw.double().cpu().numpy()
    if not loss.is_multiclass:
        positive = loss.inverse_link(values[..., 0]).mean(axis=1)
        return np.stack([1.0 - positive, positive], axis=1)
    n_rows, n_members, n_classes = values.shape
    flat = loss.inverse_link(values.reshape(-1, n_classes))
    return np.asarray(flat.reshape(n_rows, n_members, n_classes).mean(axis=1))


def sampled_prevalence(loss: FocalLoss, prevalence: Any, shift: NDArray[np.float64] | None) -> Any:
    """Prevalence among the rows that are drawn, which the network starts from."""
    if shift is None:
        return prevalence
    shares = (
        np.asarray(prevalence) if loss.is_multiclass else np.array([1 - prevalence, prevalence])
    )
    drawn = shares * np.exp(-shift)
    drawn /= drawn.sum()
    return drawn if loss.is_multiclass else float(drawn[1])


def undo_training(
    by_number: NDArray[np.float64],
    shares: NDArray[np.float64],
    label_smoothing: float,
    log_prior_shift: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Probabilities of the data from those of what the network was shown.

    `shares` are the classes' own, in which the smallest probabilities are measured.
    """
    n_classes = by_number.shape[1]
    if label_smoothing > 0.0:
        # The network learned (1 - e) eta + e / K, and strays to both sides of it: where eta is
        # small the difference may be negative. A hyperbola keeps it positive and in its order.
        eta = (by_number - label_smoothing / n_classes) / (1.0 - label_smoothing)
        by_number = 0.5 * (eta + np.hypot(eta, _SMALL_SHARE * shares))
    if log_prior_shift is not None:
        by_number = by_number * np.exp(log_prior_shift)
    return np.asarray(by_number / by_number.sum(axis=1, keepdims=True))


class HeldOutScore:
    """Average precision of the network on held-out rows, and how low its loss is there.

    The mean over several classes. The loss decides where average precision does not, as when it
    is perfect on the few positives that are held out.
    """

    def __init__(self, loss: FocalLoss, network: FocalNetwork, rows: Rows) -> None:
        self.loss = loss
        self.network = network
        self.rows = rows
        self.y = rows.y.cpu().numpy()
        self.weight = None if rows.weight is None else rows.weight.cpu().numpy()

    def __call__(self) -> tuple[float, float]:
        probability = np.concatenate(
            [
                mean_probability(self.loss, predict_raw(self.network, part))
                for part in self.rows.split(ROWS_PER_PREDICTION)
            ]
        )
        if not np.isfinite(probability).all():
            return -np.inf, -np.inf
        ranked = probability if self.loss.is_multiclass else probability[:, 1]
        score = mean_average_precision(self.y, ranked, self.weight)
        own = probability[np.arange(self.y.size), self.y]
        log_own = np.log(np.maximum(own, np.finfo(np.float64).tiny))
        return score, float(np.average(log_own, weights=self.weight))
