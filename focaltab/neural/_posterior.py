"""From raw predictions to the probabilities of the data, and how good they are on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from focaltab.data import mean_average_precision, mean_log_loss
from focaltab.losses import FocalLoss
from focaltab.neural._batches import Rows
from focaltab.neural._network import FocalNetwork
from focaltab.neural._training import Metric, predict_raw

ROWS_PER_PREDICTION = 16_384
_SMALL_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Posterior:
    """From raw predictions to the probabilities of the data.

    Parameters
    ----------
    loss : FocalLoss
    prevalence : float or ndarray of shape (n_classes,)
    label_smoothing : float
    log_prior_shift : ndarray of shape (n_classes,) or None
        Log of how much rarer each class is in truth than among the rows that are drawn.
    """

    loss: FocalLoss
    prevalence: Any
    label_smoothing: float
    log_prior_shift: NDArray[np.float64] | None

    def probability(self, raw: torch.Tensor) -> NDArray[np.float64]:
        """Calibrated probabilities by class number, shape (n_samples, n_classes)."""
        of_drawn = mean_probability(self.loss, raw)
        return undo_training(of_drawn, self._shares, self.label_smoothing, self.log_prior_shift)

    def intercept(self) -> Any:
        """What a network starts from: raw predictions of the prevalence among the drawn rows."""
        if self.log_prior_shift is None:
            return self.loss.intercept(self.prevalence)
        drawn = self._shares * np.exp(-self.log_prior_shift)
        drawn /= drawn.sum()
        return self.loss.intercept(drawn if self.loss.is_multiclass else float(drawn[1]))

    @property
    def _shares(self) -> NDArray[np.float64]:
        if self.loss.is_multiclass:
            return np.asarray(self.prevalence, dtype=np.float64)
        return np.array([1.0 - self.prevalence, self.prevalence])


def mean_probability(loss: FocalLoss, raw: torch.Tensor) -> NDArray[np.float64]:
    """Calibrated probabilities by class number, averaged over members."""
    values = raw.double().cpu().numpy()
    if not loss.is_multiclass:
        positive = loss.inverse_link(values[..., 0]).mean(axis=1)
        return np.stack([1.0 - positive, positive], axis=1)
    n_rows, n_members, n_classes = values.shape
    flat = loss.inverse_link(values.reshape(-1, n_classes))
    return np.asarray(flat.reshape(n_rows, n_members, n_classes).mean(axis=1))


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
    """Average precision and log loss of the stated probabilities on held-out rows.

    Average precision is the mean over several classes.

    Parameters
    ----------
    posterior : Posterior
    network : FocalNetwork
    rows : Rows
    first : {"average_precision", "logloss"}
        What decides which epoch is better. The other one does where it is the same, as when
        average precision is perfect on the few positives that are held out.
    """

    def __init__(
        self, posterior: Posterior, network: FocalNetwork, rows: Rows, first: Metric
    ) -> None:
        self.posterior = posterior
        self.network = network
        self.rows = rows
        self.first = first
        self.y = rows.y.cpu().numpy()
        self.weight = None if rows.weight is None else rows.weight.cpu().numpy()

    def __call__(self) -> dict[str, float]:
        """Both figures of the network as it is."""
        probability = np.concatenate(
            [
                self.posterior.probability(predict_raw(self.network, part))
                for part in self.rows.split(ROWS_PER_PREDICTION)
            ]
        )
        if not np.isfinite(probability).all():
            return {"average_precision": -np.inf, "logloss": np.inf}
        ranked = probability if self.posterior.loss.is_multiclass else probability[:, 1]
        score = mean_average_precision(self.y, ranked, self.weight)
        return {
            "average_precision": score,
            "logloss": mean_log_loss(self.y, probability, self.weight),
        }
