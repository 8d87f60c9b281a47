"""The small model that tells hard negatives from easy ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter

from focaltab import _inputs
from focaltab.sampling._hard_negative import HardNegativeSampling

# A pilot sees at least as many negatives for each positive.
_FEWEST_NEGATIVES = 5


@dataclass(frozen=True)
class Pilot:
    """A fitted classifier and what its probabilities are to be corrected for.

    Parameters
    ----------
    model : classifier
    column : int
        Of the positive class in its probabilities.
    negatives_seen : float
        Share of the negatives that it was trained on.
    """

    model: Any
    column: int
    negatives_seen: float

    @classmethod
    def fitted(
        cls,
        sampling: HardNegativeSampling,
        make_pilot: Callable[[], Any],
        classes: _inputs.Classes,
        X: Any,
        codes: NDArray[Any],
        weight: NDArray[np.float64] | None,
        rng: np.random.Generator,
    ) -> Pilot:
        """A pilot fitted on all positives and a uniform part of the negatives, or a frozen one.

        Raises
        ------
        ValueError
            If a frozen one knows other classes.
        """
        if isinstance(sampling.pilot, FrozenEstimator):
            known = np.asarray(sampling.pilot.classes_).tolist()
            if set(known) != set(classes.labels.tolist()):
                raise ValueError(
                    f"sampling: the pilot knows the classes {known}, but y has "
                    f"{classes.labels.tolist()}."
                )
            return cls(sampling.pilot, known.index(classes.by_number.tolist()[1]), 1.0)
        model = make_pilot() if sampling.pilot is None else clone(sampling.pilot)
        positives, negatives = np.flatnonzero(codes == 1), np.flatnonzero(codes == 0)
        n_wanted = max(sampling.pilot_fraction * negatives.size, _FEWEST_NEGATIVES * positives.size)
        n_seen = min(negatives.size, int(np.ceil(n_wanted)))
        seen = rng.choice(negatives, n_seen, replace=False, shuffle=False)
        rows = np.sort(np.concatenate([positives, seen]))
        options = {}
        if weight is not None and has_fit_parameter(model, "sample_weight"):
            options["sample_weight"] = weight[rows]
        model.fit(_inputs.in_memory(_inputs.take_rows(X, rows)), codes[rows], **options)
        return cls(model, 1, n_seen / negatives.size)

    def probability(self, X: Any) -> NDArray[np.float32]:
        """Probability of being positive for each row, as if all negatives had been seen.

        Raises
        ------
        ValueError
            If the model states one that is no number.
        """
        stated = self.model.predict_proba
        both = _inputs.by_batch(stated, X) if _inputs.is_lazy(X) else stated(X)
        p = np.asarray(both[:, self.column], dtype=np.float32)
        finite = np.isfinite(p)
        if not finite.all():
            raise ValueError(
                f"sampling: the pilot's probability of row {int(np.argmin(finite))} is no number."
            )
        seen = np.float32(self.negatives_seen)
        # The odds among the seen rows are the true ones divided by the share of negatives seen.
        return np.asarray(p * seen / (1.0 - p + p * seen), dtype=np.float32)
