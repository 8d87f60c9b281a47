"""``Explanation``: Shapley values of rows, and the reasons that they give an analyst."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focaltab._optional import require
from focaltab.explanation._typical import described, holds_amounts

Floats = NDArray[np.float64]

_COLUMNS = (
    "row",
    "rank",
    "feature",
    "value",
    "typical",
    "direction",
    "contribution",
    "reason",
)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each column adds to the margin of each row; `focaltab.explain` makes one.

    ``values.sum(axis=1) + base_value`` is the margin of the rows. Where models are sampled,
    probabilities closer than 1e-7 to 0 or 1 are taken for that, since log-odds of 0 are infinite.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_classes)
        float64, in the unit `unit`.
    base_value : float, or ndarray of shape (n_classes,)
        The margin of a row of which nothing is known.
    feature_names : list of str
    data : DataFrame of shape (n_samples, n_features)
        The rows that are explained, before any encoding.
    unit : str
        "log-odds" of the positive class. Of several classes: logarithms of their probabilities,
        up to a number that a row's classes share, so that a softmax makes the probabilities.
        "focal margin" for boosters with ``link="focal"``, whose margins are the paper's: they rise
        with the log-odds, but are not equal to them. "margin of the model's own objective" for
        stock boosters with other objectives.
    positive : label or None
        The label that values above 0 speak for; None for several classes.
    classes : ndarray of shape (n_classes,)
    probability : ndarray of shape (n_samples,) or (n_samples, n_classes)
        What the model states: of the positive class, or of all of several.
    typical : dict of str to value
        Of each column the median, or the most common value, in the background.
    method : {"trees", "sampling"}

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from focaltab import FocalXGBClassifier, explain
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"amount": rng.gamma(1.0, 80.0, 2000).round(2)})
    >>> y = rng.random(2000) < X["amount"] / 2000
    >>> model = FocalXGBClassifier(n_estimators=10, max_depth=2).fit(X, y)
    >>> explanation = explain(model, pd.DataFrame({"amount": [12.5]}), background=X)
    >>> print(explanation.reasons()["reason"][0])
    amount 12.50 is low (typical 56.30): lowers the log-odds by ...
    """

    values: Floats
    base_value: float | Floats
    feature_names: list[str]
    data: pd.DataFrame
    unit: str
    positive: Any
    classes: NDArray[Any]
    probability: Floats
    typical: dict[str, Any]
    method: str

    def reasons(self, n: int = 3, threshold: float | None = None) -> pd.DataFrame:
        """The columns that moved each row most, in words.

        Parameters
        ----------
        n : int, default=3
            Reasons for each row, at most; columns that add nothing are none.
        threshold : float in [0, 1], default=None
            Only rows whose probability is at least this, such as the alerts.

        Returns
        -------
        DataFrame
            One line for each reason, the strongest of a row first: ``row``, its position in the
            rows that were explained; ``rank`` from 1; ``feature``; ``value``; ``typical``;
            ``direction``, "raises" or "lowers"; ``contribution`` in the unit of the explanation;
            and ``reason``, a sentence. Of several classes it is about the likeliest of each row,
            which a further column ``class`` names.

        Raises
        ------
        ValueError
            For an `n` below 1 or a threshold outside [0, 1].
        """
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n must be a whole number of at least 1, got {n!r}.")
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must lie in [0, 1], got {threshold}.")
        every = np.arange(len(self.values))
        labels = None
        values, probability = self.values, self.probability
        if values.ndim == 3:
            likeliest = probability.argmax(axis=1)
            labels = self.classes[likeliest].tolist()
            values, probability = values[every, :, likeliest], probability[every, likeliest]
        rows = every if threshold is None else np.flatnonzero(probability >= threshold)
        columns = [self.data.iloc[:, k].to_numpy(dtype=object) for k in range(self.data.shape[1])]
        amounts = [holds_amounts(self.data.iloc[:, k]) for k in range(self.data.shape[1])]
        found = []
        for row in rows.tolist():
            strongest = np.argsort(-np.abs(values[row]), kind="stable")[:n].tolist()
            for rank, k in enumerate(strongest, start=1):
                contribution = float(values[row, k])
                if contribution == 0.0:
                    break
                line = self._reason(k, columns[k][row], contribution, amounts[k])
                found.append({"row": row, "rank": rank, **line})
                if labels is not None:
                    found[-1]["class"] = labels[row]
        names = [*_COLUMNS, *([] if labels is None else ["class"])]
        # Values of many types in one column stay what they are.
        table = pd.DataFrame(found, columns=names, dtype=object)
        return table.astype({"row": np.intp, "rank": np.intp, "contribution": np.float64})

    def _reason(self, k: int, value: Any, contribution: float, is_amount: bool) -> dict[str, Any]:
        name = self.feature_names[k]
        typical = self.typical[name]
        direction = "raises" if contribution > 0 else "lowers"
        shown = described(name, value, typical, is_amount=is_amount)
        # Small steps keep a digit.
        size = f"{abs(contribution):{'.1f' if abs(contribution) >= 0.1 else '.1g'}}"
        return {
            "feature": name,
            "value": value,
            "typical": typical,
            "direction": direction,
            "contribution": contribution,
            "reason": f"{shown}: {direction} the {self.unit} by {size}",
        }

    def to_shap(self) -> Any:
        """The same as a ``shap.Explanation``, for the plots of the shap package.

        Numbers are its ``data``; columns of other values are given as codes there, and as they
        are in ``display_data``.

        Returns
        -------
        shap.Explanation

        Raises
        ------
        ImportError
            Without shap.
        """
        require("shap", "Explanation.to_shap", extra="explain")
        import shap

        n_rows = len(self.values)
        base = np.repeat(np.asarray(self.base_value)[None, ...], n_rows, axis=0)
        numbers = [_as_numbers(self.data.iloc[:, k]) for k in range(self.data.shape[1])]
        return shap.Explanation(
            values=self.values,
            base_values=base,
            data=np.column_stack(numbers),
            display_data=self.data.to_numpy(dtype=object),
            feature_names=self.feature_names,
            output_names=None if self.positive is not None else [str(c) for c in self.classes],
        )


def _as_numbers(column: pd.Series) -> Floats:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = pd.factorize(column, sort=False)[0].astype(np.float64)
    return np.where(codes < 0, np.nan, codes)
