"""The loss core as a custom objective of XGBoost and LightGBM."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from focaltab.boosting._device import (
    DeviceRows,
    is_device_array,
    is_elsewhere,
    to_host,
    to_tensor,
    unknown_label,
)
from focaltab.losses import FocalLoss
from focaltab.losses._blocks import available_threads


class BoosterObjective:
    """A `FocalLoss` that a gradient booster can call, in either of its two conventions.

    ``objective(margins, data_set)`` is what ``xgb.train`` and ``lgb.train`` call; labels and
    weights are read from the data set. ``objective(y_true, margins, sample_weight)`` is what the
    libraries' scikit-learn classes call. Made by `xgboost_objective` and `lightgbm_objective`.

    Margins, labels and weights may each be anything that NumPy can read; the results are then new
    NumPy arrays. Where margins are a torch tensor or another array that speaks DLPack (such as
    CuPy's), or else labels lie on a device, torch computes there, and the results are arrays of
    that kind on that device. Nothing then moves between devices but what lies elsewhere. Labels
    and weights of a data set are fetched once, at its first call, and kept on the device as long
    as it lives: labels that are set on it afterwards are not seen. On devices there are two
    classes only, and torch must be installed (extra ``torch``).

    Parameters
    ----------
    loss : FocalLoss
    hessian_factor : float
        What the library's own softmax objective multiplies its diagonal hessian by.
    single_precision : bool
        Whether to compute in float32 where margins come in float64.
    n_threads : int or None
        Threads that share the rows of NumPy arrays; None for all that the process may use.
    """

    def __init__(
        self, loss: FocalLoss, hessian_factor: float, single_precision: bool, n_threads: int | None
    ) -> None:
        if not isinstance(loss, FocalLoss):
            raise TypeError(f"expected a FocalLoss, got {type(loss).__name__}.")
        self.loss = loss
        self.hessian_factor = hessian_factor
        self.single_precision = single_precision
        self.n_threads = n_threads
        # Of data sets whose rows were on a device, for as long as they live.
        self._kept: WeakKeyDictionary[Any, DeviceRows] = WeakKeyDictionary()
        # The array of labels that was checked last, and what it held when it came again.
        self._checked: tuple[ref[NDArray[Any]], bytes | None] | None = None

    def __repr__(self) -> str:
        return f"BoosterObjective({self.loss!r})"

    def __getstate__(self) -> dict[str, Any]:
        # Weak references belong to this process, and nothing is lost without them.
        return {k: v for k, v in self.__dict__.items() if k not in ("_kept", "_checked")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _kept=WeakKeyDictionary(), _checked=None)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """Gradient and positive curvature of every row, of the margins' shape.

        NumPy arrays, or arrays on the device of the margins (see the class).

        Raises
        ------
        ValueError
            If labels are not the class numbers that the loss expects, or margins, labels and
            weights on a device differ in number or are for more than two classes.
        ImportError
            For arrays other than NumPy's, where torch is not installed.
        """
        if hasattr(y_pred, "get_label"):
            margins, data_set = y_true, y_pred
            kept = self._kept_rows(data_set, margins)
            if kept is not None:
                return kept.gradient_hessian(margins, single_precision=self.single_precision)
            labels, weight = data_set.get_label(), data_set.get_weight()
        else:
            labels, margins, weight, data_set = y_true, y_pred, sample_weight, None
        like = self._on_device_of(margins, labels)
        if like is not None:
            rows = DeviceRows.check(self.loss, like, labels, weight)
            if data_set is not None:
                self._kept[data_set] = rows
            return rows.gradient_hessian(margins, single_precision=self.single_precision)
        return self._on_host(to_host(labels), margins, to_host(weight))

    def _on_device_of(self, margins: Any, labels: Any) -> Any:
        """The array whose kind and device results should have; None for NumPy's."""
        if is_device_array(margins):
            return margins
        # Margins on the host are fetched to the labels: one array, where results would be two.
        return labels if is_elsewhere(labels) and not self.loss.is_multiclass else None

    def _kept_rows(self, data_set: Any, margins: Any) -> DeviceRows | None:
        """What was kept of this data set on the margins' device, if anything."""
        rows = self._kept.get(data_set) if self._kept else None
        if rows is None:
            return None
        if is_device_array(margins):
            fits = type(margins) is rows.kind and to_tensor(margins).device == rows.labels.device
        else:
            fits = rows.elsewhere
        return rows if fits else None

    def _check_labels(self, labels: NDArray[Any]) -> None:
        # A look at each label takes a twentieth of the call. LightGBM hands over one array on
        # every round; XGBoost always makes a new one, of which a summary would be of no use.
        checked, before = self._checked or (lambda: None, None)
        summary = _summary_of(labels) if checked() is labels else None
        if summary is not None and summary == before:
            return
        n_known = sum(np.count_nonzero(labels == k) for k in range(self.loss.n_classes))
        if n_known != labels.size:
            strange = labels[~np.isin(labels, np.arange(self.loss.n_classes))][0]
            raise unknown_label(self.loss, strange)
        self._checked = ref(labels), summary

    def _on_host(self, labels: Any, margins: Any, weight: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        labels = np.asarray(labels)
        self._check_labels(labels)
        raw = np.asarray(margins)
        single = self.single_precision or raw.dtype == np.float32
        if raw.ndim == 2 and not self.loss.is_multiclass:
            raw = raw.reshape(-1)
        weight = None if weight is None or np.size(weight) == 0 else np.asarray(weight)
        n_threads = available_threads() if self.n_threads is None else self.n_threads
        gradient, hessian = np.empty((2, *raw.shape), np.float32 if single else np.float64)
        self.loss._gradient_hessian(
            labels, raw, weight, "expected", gradient, hessian, n_threads=n_threads
        )
        if self.loss.is_multiclass and self.hessian_factor != 1.0:
            np.multiply(hessian, self.hessian_factor, out=hessian)
        return gradient, hessian


def xgboost_objective(loss: FocalLoss, *, n_threads: int | None = None) -> BoosterObjective:
    """Make `loss` a custom objective for XGBoost.

    Works in ``xgb.train(params, dtrain, obj=...)`` and in ``XGBClassifier(objective=...)``.
    XGBoost starts a custom objective from its own ``base_score``: set ``base_score`` to the
    prevalence (with ``"objective": "binary:logistic"`` in ``params``) for a loss with
    ``link="logit"``. `FocalXGBClassifier` does all of this.

    Accepts NumPy arrays, torch tensors, and arrays that speak DLPack, such as CuPy's, and returns
    what the margins are (see `BoosterObjective`). XGBoost 3.2 hands a custom objective its margins
    as NumPy arrays whatever the ``device``, but labels as a CuPy array where they lie on the GPU.
    Margins are then copied there, four bytes a row, where gradients and hessians are made and
    stay.

    Parameters
    ----------
    loss : FocalLoss
    n_threads : int, default=None
        Threads that share the rows; None for all that the process may use.

    Returns
    -------
    BoosterObjective
        Picklable.

    Examples
    --------
    >>> import numpy as np, xgboost as xgb
    >>> from focaltab.boosting import xgboost_objective
    >>> from focaltab.losses import FocalLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)); y = X[:, 0] + rng.normal(size=500) > 2
    >>> params = {"objective": "binary:logistic", "base_score": y.mean()}
    >>> booster = xgb.train(params, xgb.DMatrix(X, y), 10,
    ...                     obj=xgboost_objective(FocalLoss(2.0, link="logit")))
    >>> booster.predict(xgb.DMatrix(X)).shape
    (500,)
    """
    # XGBoost's softmax objective doubles p (1 - p), an upper bound of the full hessian.
    return BoosterObjective(loss, 2.0, single_precision=True, n_threads=n_threads)


def lightgbm_objective(loss: FocalLoss, *, n_threads: int | None = None) -> BoosterObjective:
    """Make `loss` a custom objective for LightGBM.

    Works in ``lgb.train({"objective": ...}, data)`` and in ``LGBMClassifier(objective=...)``.
    LightGBM starts a custom objective from zero and keeps no ``init_score`` in the model:
    `FocalLGBMClassifier` starts from the intercept and stores it in the first tree. Arrays are
    NumPy's, which is what LightGBM takes (`BoosterObjective` says what else can be handed over).

    Parameters
    ----------
    loss : FocalLoss
    n_threads : int, default=None
        Threads that share the rows; None for all that the process may use.

    Returns
    -------
    BoosterObjective
        Picklable.

    Examples
    --------
    >>> import numpy as np, lightgbm as lgb
    >>> from focaltab.boosting import lightgbm_objective
    >>> from focaltab.losses import FocalLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)); y = (X[:, 0] + rng.normal(size=500) > 2).astype(int)
    >>> params = {"objective": lightgbm_objective(FocalLoss(2.0, link="logit")), "verbosity": -1}
    >>> lgb.train(params, lgb.Dataset(X, y), 10).predict(X).shape
    (500,)
    """
    # LightGBM's softmax objective uses K / (K - 1) (Friedman 2001, eq. 39). It keeps gradients in
    # float32, so float64 is worth its time only where the loss is exact (plain cross-entropy).
    return BoosterObjective(
        loss,
        loss.n_classes / (loss.n_classes - 1.0) if isinstance(loss, FocalLoss) else 1.0,
        single_precision=isinstance(loss, FocalLoss) and loss.gamma != 0,
        n_threads=n_threads,
    )


def _summary_of(labels: NDArray[Any]) -> bytes | None:
    """What differs after a change of the labels in place; None where it would not.

    The sum of the bits differs wherever one label does, unless others make up for it. In floats
    they could by many equal changes, since all small whole numbers end in zeros; of these the
    union of the bits differs. Both together take a fortieth of a call, and no memory.
    """
    if labels.dtype.hasobject or not labels.flags.c_contiguous:
        return None
    data = labels.reshape(-1).view(np.uint8)
    whole = data.size // 8 * 8
    words = data[:whole].view(np.uint64)
    sum_and_union = np.array([np.add.reduce(words), np.bitwise_or.reduce(words)])
    return sum_and_union.tobytes() + data[whole:].tobytes()


def own_threads(n_jobs: int | None) -> int | None:
    """Threads for the objective under the estimator's ``n_jobs``; None for all."""
    return n_jobs if n_jobs is not None and n_jobs > 0 else None
