"""``FocalLoss``: the loss, its link and its intercept, in scikit-learn's ``_loss`` dialect."""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, softmax

from focaltab.losses import _binary, _multiclass, _softmax_link
from focaltab.losses._class_weights import ClassBalanced, Weights, check_alpha, weights_from_counts
from focaltab.losses._link import link_for
from focaltab.losses._margin import margin_loss
from focaltab.losses._validation import (
    check_gamma,
    check_labels,
    check_probabilities,
    check_raw_prediction,
    check_weight,
    result_array,
)

LinkName = Literal["focal", "logit"]
Alpha = float | str | ClassBalanced | ArrayLike | None


class FocalLoss:
    r"""Focal loss for two or more classes, with the link that makes it calibrated.

    For two classes, with margin ``z``, ``t = (2y-1) z``, ``p = sigmoid(t)`` and ``q = 1 - p``::

        L = -a q**gamma log(p),   a = alpha for y = 1 and 1 - alpha for y = 0

    (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017); for more classes ``p`` is
    the softmax probability of the row's class.

    The focal margin is not the log-odds of the class. ``link="focal"`` keeps the paper's margin
    and undoes ``gamma`` and ``alpha`` in `predict_proba`. ``link="logit"`` takes the true
    log-odds as the raw prediction (the canonical form), so that a plain sigmoid or softmax is
    already calibrated and the curvature is positive by construction.

    Parameters
    ----------
    gamma : float or (float, float), default=2.0
        Focusing parameter, at least 0; 0 is (weighted) cross-entropy. A pair is
        ``(gamma_pos, gamma_neg)``, for two classes (the asymmetric loss of Ridnik et al., ICCV
        2021, without its shift).
    alpha : float, "balanced", ClassBalanced, array-like of shape (n_classes,) or None, default=None
        Class weights: a number in (0, 1) for the positive class (its complement for the
        negative), ``"balanced"`` for ``n / (n_classes * n_k)``, `ClassBalanced`, or one positive
        weight per class. None weights all classes by 1.
    link : {"focal", "logit"}, default="focal"
        What the raw prediction is.
    n_classes : int, default=2
        2 uses one margin per row; more use ``n_classes`` margins per row.

    Raises
    ------
    ValueError
        For a negative or non-finite ``gamma``, an ``alpha`` outside its range, or an unknown
        ``link``.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.losses import FocalLoss
    >>> loss = FocalLoss(gamma=2.0, alpha=0.25)
    >>> z = loss.intercept(0.002)
    >>> round(float(loss.inverse_link(np.array([z]))[0]), 6)
    0.002
    >>> loss.loss(y_true=np.array([0, 1]), raw_prediction=np.array([-3.0, -3.0])).round(4).tolist()
    [0.0001, 0.6916]
    """

    def __init__(
        self,
        gamma: float | tuple[float, float] = 2.0,
        alpha: Alpha = None,
        *,
        link: LinkName = "focal",
        n_classes: int = 2,
    ) -> None:
        if link not in ("focal", "logit"):
            raise ValueError(f"link must be 'focal' or 'logit', got {link!r}.")
        if not isinstance(n_classes, int | np.integer) or n_classes < 2:
            raise ValueError(f"n_classes must be a whole number of at least 2, got {n_classes!r}.")
        # Copies: what the caller does to an array or a list of his own is no change of the loss.
        self.gamma = copy.copy(gamma)
        self.alpha = copy.copy(alpha)
        self.link_name: LinkName = link
        self.n_classes = int(n_classes)
        self._gammas = check_gamma(gamma, self.n_classes)
        self._alpha = check_alpha(alpha, self.n_classes)

    def __repr__(self) -> str:
        return (
            f"FocalLoss(gamma={self.gamma!r}, alpha={self.alpha!r}, link={self.link_name!r}, "
            f"n_classes={self.n_classes})"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {
            "gamma": self.gamma,
            "alpha": self.alpha,
            "link": self.link_name,
            "n_classes": self.n_classes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def is_multiclass(self) -> bool:
        """Whether raw predictions have one column per class."""
        return self.n_classes > 2

    @property
    def class_weights(self) -> Weights:
        """Weight of each class, shape (n_classes,).

        Raises
        ------
        ValueError
            If ``alpha`` still depends on data; see `resolve_alpha`.
        """
        if not isinstance(self._alpha, tuple):
            raise ValueError(
                f"alpha={self.alpha!r} depends on the data: call "
                "loss = loss.resolve_alpha(y_true, sample_weight) first."
            )
        return self._alpha

    @property
    def _link(self) -> Any:
        return link_for(self._gammas, self.class_weights)

    def resolve_alpha(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> FocalLoss:
        """Return a loss whose class weights are numbers, found from the labels if need be.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Class numbers 0 to ``n_classes - 1``.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        FocalLoss
            This loss where ``alpha`` does not depend on data.

        Raises
        ------
        ValueError
            If a class has no rows, or the labels or weights are unusable.
        """
        if isinstance(self._alpha, tuple):
            return self
        y = check_labels(y_true, self.n_classes)
        counts = np.bincount(
            y.astype(np.intp), check_weight(sample_weight, y.shape[0]), self.n_classes
        ).astype(np.float64)
        return self._with_weights(weights_from_counts(self._alpha, counts))

    def _with_weights(self, weights: Weights) -> FocalLoss:
        return FocalLoss(self.gamma, weights, link=self.link_name, n_classes=self.n_classes)

    def normalized(self, prevalence: ArrayLike) -> FocalLoss:
        """Scale the loss so that its expected hessian at `prevalence` is that of logistic loss.

        A gradient booster's ``min_child_weight`` and ``reg_lambda`` then mean what they mean for
        its built-in objective. The links are unchanged.

        Parameters
        ----------
        prevalence : float, or array-like of shape (n_classes,)
            As for `intercept`.
        """
        loss = self._resolved_at(prevalence)
        pi = check_probabilities("normalized", prevalence, self.n_classes)
        logistic = (pi * (1.0 - pi)).sum()
        if self.is_multiclass:
            raw = loss.intercept(pi)[None, :]
            hessian = np.empty_like(raw)
            loss._gradient_hessian(np.zeros(1), raw, None, "expected", np.empty_like(raw), hessian)
        else:
            # Straight from the link: tables are for many rows.
            z = loss._link.margin(logit(pi))
            if self.link_name == "logit":
                hessian = logistic * loss._link.canonical_weight(z)
            else:
                hessian = np.exp(loss._link.log_expected_hessian(z))
        scale = float(logistic / hessian.sum())
        return loss._with_weights(tuple(w * scale for w in loss.class_weights))

    def loss(
        self,
        y_true: ArrayLike,
        raw_prediction: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """Loss of each row.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Class numbers 0 to ``n_classes - 1``.
        raw_prediction : array-like of shape (n_samples,) or (n_samples, n_classes)
            float32 or float64; margins under ``link="focal"``, log-odds under ``link="logit"``.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        ndarray of shape (n_samples,)
            In the dtype of ``raw_prediction``.

        Raises
        ------
        ValueError
            For labels that are not class numbers, or lengths or weights that do not fit.
        """
        y, raw, weight = self._check(y_true, raw_prediction, sample_weight)
        loss = self.resolve_alpha(y, weight)
        wide = raw.astype(np.float64)
        if self.is_multiclass:
            weights, labels = np.asarray(loss.class_weights), y.astype(np.intp)
            if self.link_name == "logit":
                values = _softmax_link.row_loss_canonical(
                    raw, labels, self._gammas[0], np.log(weights)
                )
            else:
                s = _multiclass.one_vs_rest_log_odds(wide)
                values = _multiclass.row_loss(s, labels, self._gammas[0], weights)
        else:
            z = loss._link.margin(wide) if self.link_name == "logit" else wide
            (g0, g1), (a0, a1) = self._gammas, loss.class_weights
            values = np.where(y == 1, a1 * margin_loss(z, g1), a0 * margin_loss(-z, g0))
        if weight is not None:
            values = values * weight
        return np.asarray(values, dtype=raw.dtype)

    def gradient(
        self,
        y_true: ArrayLike,
        raw_prediction: ArrayLike,
        sample_weight: ArrayLike | None = None,
        gradient_out: NDArray[Any] | None = None,
        n_threads: int = 1,
    ) -> NDArray[Any]:
        """Gradient of each row's loss; arguments as in `gradient_hessian`."""
        return self.gradient_hessian(
            y_true, raw_prediction, sample_weight, gradient_out, None, n_threads
        )[0]

    def gradient_hessian(
        self,
        y_true: ArrayLike,
        raw_prediction: ArrayLike,
        sample_weight: ArrayLike | None = None,
        gradient_out: NDArray[Any] | None = None,
        hessian_out: NDArray[Any] | None = None,
        n_threads: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and hessian of each row's loss with respect to the raw prediction.

        For two classes and ``link="focal"`` the hessian is the exact second derivative, which is
        negative on badly misclassified rows. In the other cases it is the expected hessian under
        the posterior that the raw prediction stands for, which is positive (for more than two
        classes: its diagonal).

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Class numbers 0 to ``n_classes - 1``, any real dtype.
        raw_prediction : array-like of shape (n_samples,) or (n_samples, n_classes)
            float32 or float64 (other dtypes are computed in float64).
        sample_weight : array-like of shape (n_samples,), default=None
        gradient_out, hessian_out : ndarray of the raw prediction's shape and dtype, default=None
            Written to and returned where given.
        n_threads : int, default=1
            Threads that may share the rows.

        Returns
        -------
        gradient, hessian : ndarray
            Of the raw prediction's shape and dtype.

        Raises
        ------
        ValueError
            For labels that are not class numbers, or lengths, dtypes or weights that do not fit.
        """
        y, raw, weight = self._check(y_true, raw_prediction, sample_weight)
        gradient = result_array("gradient_out", gradient_out, raw)
        hessian = result_array("hessian_out", hessian_out, raw)
        self._gradient_hessian(y, raw, weight, "exact", gradient, hessian, n_threads)
        return gradient, hessian

    def gradient_expected_hessian(
        self,
        y_true: ArrayLike,
        raw_prediction: ArrayLike,
        sample_weight: ArrayLike | None = None,
        gradient_out: NDArray[Any] | None = None,
        hessian_out: NDArray[Any] | None = None,
        n_threads: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and expected hessian, the positive curvature that boosters need.

        The expectation is over the label under the posterior ``inverse_link(raw_prediction)``:
        ``f'(z) G0 G1 / (G0 + G1)`` in the focal margin. Arguments, results and errors are those
        of `gradient_hessian`.
        """
        y, raw, weight = self._check(y_true, raw_prediction, sample_weight)
        gradient = result_array("gradient_out", gradient_out, raw)
        hessian = result_array("hessian_out", hessian_out, raw)
        self._gradient_hessian(y, raw, weight, "expected", gradient, hessian, n_threads)
        return gradient, hessian

    def logistic_weight(self, log_odds: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Row weights under which logistic loss has this loss's canonical gradient and hessian.

        In the true log-odds ``f`` the gradient is ``w(f) (sigmoid(f) - y)`` and the expected
        hessian ``w(f) sigmoid(f) sigmoid(-f)``: logistic loss's own, times ``w(f) = (G0 + G1)
        dz/df``, the same for both labels. A booster's built-in logistic objective can so be
        trained on focal loss by renewing its row weights on every round.

        Parameters
        ----------
        log_odds : array-like of shape (n_samples,)
            True log-odds, float32 or float64; not the focal margin.
        out : ndarray of the same shape and dtype, default=None
            Written to and returned where given.

        Returns
        -------
        ndarray of shape (n_samples,)
            Positive; relative error below 2e-5 in float32 and 1e-8 in float64.

        Raises
        ------
        ValueError
            For more than two classes, where no such weights exist, or if ``alpha`` still depends
            on data.

        Examples
        --------
        >>> import numpy as np
        >>> from focaltab.losses import FocalLoss
        >>> FocalLoss(gamma=2.0).logistic_weight(np.array([-4.0, 0.0, 4.0])).round(4)
        array([0.3592, 0.2229, 0.3592])
        """
        if self.is_multiclass:
            raise ValueError("logistic_weight: there are such weights for two classes only.")
        f = check_raw_prediction(log_odds, self.n_classes)
        result = result_array("out", out, f)
        weights = (self.class_weights[0], self.class_weights[1])
        _binary.logistic_weight(f, result, self._gammas, weights)
        return result

    def link(self, probability: ArrayLike) -> NDArray[np.float64]:
        """Raw prediction whose calibrated probability is `probability`.

        Parameters
        ----------
        probability : array-like of shape (n_samples,) or (n_samples, n_classes)
            Of the positive class, or of each class (rows summing to 1), strictly in (0, 1).

        Returns
        -------
        ndarray of float64
            Margins; with several classes, centred to mean zero in each row.

        Raises
        ------
        ValueError
            If a probability lies outside (0, 1), or with several classes their number is another
            or a row does not sum to 1.
        """
        eta = check_probabilities("link", probability, self.n_classes)
        if not self.is_multiclass:
            f = logit(eta)
            return np.asarray(f if self.link_name == "logit" else self._link.margin(f))
        log_eta = np.log(eta)
        if self.link_name == "logit":
            return np.asarray(log_eta - log_eta.mean(axis=-1, keepdims=True))
        rows = np.atleast_2d(log_eta)
        margins = _multiclass.focal_margins(rows, self._gammas[0], np.log(self.class_weights))
        return np.asarray(margins.reshape(eta.shape))

    def inverse_link(self, raw_prediction: ArrayLike) -> NDArray[Any]:
        """Calibrated probability of the positive class, or of each class, at a raw prediction.

        ``G0 / (G0 + G1)`` for the focal margin, the sigmoid or softmax for log-odds.

        Parameters
        ----------
        raw_prediction : array-like of shape (n_samples,) or (n_samples, n_classes)

        Returns
        -------
        ndarray
            Of the input's shape; float32 for float32 input, else float64.
        """
        raw = np.asarray(raw_prediction)
        dtype = np.float32 if raw.dtype == np.float32 else np.float64
        wide = raw.astype(np.float64)
        if not self.is_multiclass:
            f = wide if self.link_name == "logit" else self._link.log_odds(wide)
            return np.asarray(expit(f), dtype=dtype)
        if self.link_name == "logit":
            return np.asarray(softmax(wide, axis=-1), dtype=dtype)
        log_weights = np.log(self.class_weights)
        rows = np.atleast_2d(wide)
        log_eta = _multiclass.log_posterior(rows, self._gammas[0], log_weights)
        return np.asarray(np.exp(log_eta).reshape(raw.shape), dtype=dtype)

    def predict_proba(self, raw_prediction: ArrayLike) -> NDArray[Any]:
        """Calibrated probability of every class, shape (n_samples, n_classes).

        Parameters
        ----------
        raw_prediction : array-like of shape (n_samples,) or (n_samples, n_classes)
        """
        raw = check_raw_prediction(raw_prediction, self.n_classes)
        if self.is_multiclass:
            return self.inverse_link(raw)
        positive = self.inverse_link(raw)
        return np.stack([1.0 - positive, positive], axis=1).astype(positive.dtype, copy=False)

    def intercept(self, prevalence: ArrayLike) -> Any:
        """Raw prediction that a constant model must output at a given prevalence.

        RetinaNet's prior initialisation (Lin et al. 2017, section 4.1), exact for every ``gamma``
        and ``alpha``.

        Parameters
        ----------
        prevalence : float, or array-like of shape (n_classes,) for more than two classes
            Share of the positive class, or of each class; strictly in (0, 1).

        Returns
        -------
        float, or ndarray of shape (n_classes,)

        Raises
        ------
        ValueError
            If a prevalence lies outside (0, 1), or with several classes their number is another
            or they do not sum to 1.
        """
        prevalence = check_probabilities("intercept", prevalence, self.n_classes)
        raw = self._resolved_at(prevalence).link(prevalence)
        return raw if self.is_multiclass else float(raw)

    def fit_intercept_only(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Raw prediction of the constant model that minimises the loss on these labels.

        A class with no weight is treated as if its share were ``10 * eps`` of float64, so that the
        intercept stays finite.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float, or ndarray of shape (n_classes,)
        """
        y = check_labels(y_true, self.n_classes)
        weight = check_weight(sample_weight, y.shape[0])
        counts = np.bincount(y.astype(np.intp), weight, self.n_classes)
        eps = 10.0 * np.finfo(np.float64).eps
        share = np.clip(counts / counts.sum(), eps, 1.0 - eps)
        loss = self.resolve_alpha(y, weight)
        return loss.intercept(share / share.sum() if self.is_multiclass else share[1])

    def _resolved_at(self, prevalence: ArrayLike) -> FocalLoss:
        """Resolve ``alpha="balanced"`` from a prevalence, which is all that it needs."""
        if self._alpha != "balanced":
            return self
        pi = np.asarray(prevalence, dtype=np.float64)
        counts = pi if self.is_multiclass else np.array([1.0 - pi, pi])
        return self._with_weights(weights_from_counts("balanced", counts))

    def _check(
        self, y_true: ArrayLike, raw_prediction: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        raw = check_raw_prediction(raw_prediction, self.n_classes)
        y = check_labels(y_true, self.n_classes)
        if y.shape[0] != raw.shape[0]:
            raise ValueError(f"y_true has {y.shape[0]} rows but raw_prediction has {raw.shape[0]}.")
        return y, raw, check_weight(sample_weight, y.shape[0])

    def _gradient_hessian(
        self,
        y: NDArray[Any],
        raw: NDArray[Any],
        weight: NDArray[Any] | None,
        curvature: _binary.Curvature,
        gradient: NDArray[Any],
        hessian: NDArray[Any],
        n_threads: int = 1,
    ) -> None:
        """Fill the results, in their own dtype, from checked arrays; once a round of a booster."""
        loss = self.resolve_alpha(y, weight)
        if self.is_multiclass:
            compute = (
                _softmax_link.gradient_hessian_canonical
                if self.link_name == "logit"
                else _multiclass.gradient_hessian_focal
            )
            log_weights = np.log(loss.class_weights)
            g, h = _multiclass.in_blocks(
                compute, raw.astype(gradient.dtype), y.astype(np.intp), self._gammas[0], log_weights
            )
            factor = 1.0 if weight is None else np.asarray(weight, dtype=np.float64)[:, None]
            # Underflow must not turn the curvature, positive by construction, into zero.
            np.maximum(h, np.finfo(hessian.dtype).tiny, out=h)
            np.multiply(g, factor, out=gradient, casting="unsafe")
            np.multiply(h, factor, out=hessian, casting="unsafe")
            return
        rows = _binary.Rows(y, raw, weight, gradient, hessian)
        weights = (loss.class_weights[0], loss.class_weights[1])
        if self.link_name == "logit":
            _binary.gradient_hessian_canonical(rows, self._gammas, weights, n_threads)
        else:
            _binary.gradient_hessian_focal(rows, self._gammas, weights, n_threads, curvature)
