"""``GroupPrevalenceKFold``: whole customers, and positives in every fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from focaltab.model_selection._folds import (
    check_classes,
    check_enough,
    checked_groups,
    positive_rows,
)
from focaltab.model_selection._time_gap_split import describe_folds


class GroupPrevalenceKFold(StratifiedGroupKFold):  # type: ignore[misc]
    """Folds of whole groups with about the same share of positives, refused where one has none.

    scikit-learn's ``StratifiedGroupKFold`` with the checks that rare positives need: it would give
    folds without any positive silently, in which nothing can be found.

    Parameters
    ----------
    n_splits : int, default=5
    shuffle : bool, default=True
    random_state : int, RandomState instance or None, default=None

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.model_selection import GroupPrevalenceKFold
    >>> customers = np.repeat(np.arange(10), 20)
    >>> y = np.zeros(200, int); y[[5, 45, 85, 125]] = 1
    >>> folds = GroupPrevalenceKFold(2, random_state=0)
    >>> folds.describe(np.zeros((200, 1)), y, customers)["test_positives"].tolist()
    [2, 2]
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = True, random_state: Any = None
    ) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Row numbers to train on and to test on.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two labels.
        groups : array-like of shape (n_samples,)
            Whose row it is.

        Yields
        ------
        train, test : ndarray of intp

        Raises
        ------
        ValueError
            For missing groups, fewer groups with positives (or with negatives) than folds, or a
            fold that lacks one of the classes.
        """
        if groups is None:
            raise ValueError("GroupPrevalenceKFold needs groups: pass whose row each one is.")
        positive, labels = positive_rows(y)
        groups = checked_groups(groups, positive.size)
        check_enough(positive, labels, self.n_splits, groups)
        numbered = pd.factorize(groups)[0]
        for k, (train, test) in enumerate(
            super().split(np.zeros(positive.size), positive, numbered), start=1
        ):
            advice = "use fewer folds, or another random_state"
            check_classes(k, "train", positive[train], labels, advice)
            check_classes(k, "test", positive[test], labels, advice)
            yield train, test

    def describe(self, X: Any, y: Any, groups: Any) -> pd.DataFrame:
        """What each fold holds.

        Parameters
        ----------
        X, y, groups
            As in `split`.

        Returns
        -------
        DataFrame of n_splits rows
            ``n_train``, ``n_test``, ``train_positives``, ``test_positives``,
            ``train_prevalence``, ``test_prevalence``, ``train_groups`` and ``test_groups``.
            Without a `random_state` another call makes other folds.
        """
        folds = list(self.split(X, y, groups))
        of_row = np.asarray(groups)
        table = describe_folds(folds, y)
        table["train_groups"] = [len(pd.unique(of_row[train])) for train, _ in folds]
        table["test_groups"] = [len(pd.unique(of_row[test])) for _, test in folds]
        return table
