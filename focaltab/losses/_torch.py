"""`FocalLoss` as a torch module: the same loss, analytic gradients, both links.

A forward pass computes the loss and its gradient together and keeps nothing but the gradient, so
that the backward pass is a multiplication; where no gradient is wanted, it computes the loss alone.
On the CPU the rows go through in blocks that stay in cache; on other devices at once. Formulas and
notation are those of `focaltab.losses._margin` and `focaltab.losses._multiclass`, links those of
`focaltab.losses._link`.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from focaltab.losses import _multiclass, _softmax_link
from focaltab.losses._focal import FocalLoss
from focaltab.losses._link import (
    StepTable,
    Table,
    canonical_weight_table,
    focal_margin_table,
    log_expected_hessian_table,
)

Reduction = Literal["none", "sum", "mean"]
_BLOCK_ELEMENTS = 131_072
# exp(-40) < 2**-57: beyond this margin log-odds are their asymptote.
_LIMIT = 40.0
# Powers that are cheaper as products than as exp(gamma log q).
_PRODUCTS = (0.0, 1.0, 2.0, 3.0)


class TorchFocalLoss(torch.nn.Module):
    r"""Focal loss of torch logits, with the gradient and the links of `FocalLoss`.

    Parameters
    ----------
    loss : FocalLoss
        Its gamma, alpha and link; ``alpha`` must not depend on data (see
        `FocalLoss.resolve_alpha`).
    reduction : {"mean", "sum", "none"}, default="mean"
        ``"mean"`` divides by the number of elements (binary) or rows (several classes).

    Raises
    ------
    ValueError
        For an unknown reduction, or an ``alpha`` that depends on data.

    Examples
    --------
    >>> import torch
    >>> from focaltab.losses import FocalLoss, TorchFocalLoss
    >>> criterion = TorchFocalLoss(FocalLoss(2.0, 0.25), reduction="sum")
    >>> logits = torch.tensor([-3.0, -3.0], requires_grad=True)
    >>> value = criterion(logits, torch.tensor([0, 1]))
    >>> value.backward()
    >>> round(float(value), 4), logits.grad.shape
    (0.6917, torch.Size([2]))
    """

    def __init__(self, loss: FocalLoss, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}.")
        loss.class_weights  # noqa: B018 - raises if alpha depends on data
        self.loss = loss
        self.reduction: Reduction = reduction

    def forward(
        self, raw_prediction: Tensor, y_true: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Loss of the raw predictions.

        Parameters
        ----------
        raw_prediction : Tensor
            Two classes: of any shape, one margin (or log-odds, under ``link="logit"``) an
            element. Several: of shape (n_samples, n_classes). float64 is computed as such, all
            other types in float32.
        y_true : Tensor
            Two classes: 0 or 1, of a shape that broadcasts to that of `raw_prediction`. Several:
            class numbers, of shape (n_samples,).
        sample_weight : Tensor, default=None
            Broadcasts to `raw_prediction` (two classes), or has shape (n_samples,).

        Returns
        -------
        Tensor
            A scalar, or with ``reduction="none"`` one loss an element (two classes) or row;
            float64 for float64, else float32.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        if sample_weight is not None and sample_weight.requires_grad:
            raise ValueError("sample_weight takes no gradient: pass sample_weight.detach().")
        return _FocalFunction.apply(
            raw_prediction, y_true, sample_weight, self.loss, self.reduction
        )

    def log_odds(self, raw_prediction: Tensor) -> Tensor:
        r"""Calibrated log-odds of the positive class at a raw prediction, for two classes.

        The sigmoid of them is `FocalLoss.inverse_link`. Under ``link="focal"``, with ``G(t, g) =
        q**g (q - g p log(p))``, ``p = sigmoid(t)`` and ``q = sigmoid(-t)``::

            f(z) = log G(-z, gamma_neg) - log G(z, gamma_pos) + log((1 - alpha) / alpha)

        (Charoenphakdee et al., CVPR 2021, for gamma); under ``link="logit"`` raw predictions are
        log-odds already. Made of differentiable operations that ONNX knows, and finite for any
        finite margin.

        Parameters
        ----------
        raw_prediction : Tensor
            Of any shape; float64 is computed as such, all other types in float32.

        Returns
        -------
        Tensor
            Of the same shape; float64 for float64, else float32.

        Raises
        ------
        ValueError
            If the loss is for several classes.

        Examples
        --------
        >>> import torch
        >>> from focaltab.losses import FocalLoss, TorchFocalLoss
        >>> criterion = TorchFocalLoss(FocalLoss(2.0, 0.25))
        >>> criterion.log_odds(torch.tensor([-2.0, 0.0, 2.0])).sigmoid()
        tensor([0.0134, 0.7500, 0.9985])
        """
        if self.loss.is_multiclass:
            raise ValueError(f"log_odds: one margin a row is for two classes, got {self.loss!r}.")
        raw = raw_prediction
        if raw.dtype != torch.float64:
            raw = raw.float()
        if self.loss.link_name == "logit":
            return raw
        (g0, g1), (a0, a1) = self.loss._gammas, self.loss.class_weights
        return _log_slope(-raw, g0) - _log_slope(raw, g1) + math.log(a0 / a1)

    def extra_repr(self) -> str:
        """What ``repr`` shows between the brackets."""
        return f"{self.loss!r}, reduction={self.reduction!r}"


class _FocalFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        raw: Tensor,
        y: Tensor,
        weight: Tensor | None,
        loss: FocalLoss,
        reduction: Reduction,
    ) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        if loss.is_multiclass:
            value, gradient = _multiclass_parts(raw, y, weight, loss, gradient=wanted)
            n_terms = raw.shape[0]
        else:
            value, gradient = _binary_parts(raw, y, weight, loss, reduction, gradient=wanted)
            n_terms = raw.numel()
        if reduction == "none":
            ctx.by_row = loss.is_multiclass
        else:
            ctx.by_row = False
            value = value.sum() if loss.is_multiclass else value
            if reduction == "mean":
                value /= max(n_terms, 1)
                if gradient is not None:
                    gradient /= max(n_terms, 1)
        ctx.save_for_backward(gradient)
        ctx.dtype = raw.dtype
        return value.to(torch.float64 if raw.dtype == torch.float64 else torch.float32)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        if ctx.by_row:
            grad_output = grad_output[:, None]
        # A whole-tensor product with one costs as much memory as the gradient itself.
        is_one = grad_output.numel() == 1 and grad_output.device.type == "cpu" and grad_output == 1
        # Kept in float32 until here: in half precision the division by n would lose small values.
        return (
            (gradient if is_one else gradient * grad_output).to(ctx.dtype),
            None,
            None,
            None,
            None,
        )


def mean_gradient(raw: Tensor, y: Tensor, weight: Tensor | None, loss: FocalLoss) -> Tensor:
    """Gradient of the mean loss without the loss, for labels that were checked before.

    Shapes are those of `TorchFocalLoss.forward`. All rows go through at once: beside the hidden
    layers of the network that made `raw` the memory is small.
    """
    raw = raw.detach()
    if loss.is_multiclass:
        _, gradient = _multiclass_parts(raw, y, weight, loss, value=False)
        return gradient.div_(max(raw.shape[0], 1))
    # Copied after the expansion: one label of several members is written to for each.
    labels = y.expand(raw.shape).to(raw.dtype, copy=True).reshape(-1)
    _, gradient = _binary_block(raw.reshape(-1), labels, loss, value=False)
    gradient = gradient.view(raw.shape)
    if weight is not None:
        gradient.mul_(weight)
    return gradient.div_(max(raw.numel(), 1))


def gradient_expected_hessian(
    raw: Tensor, y: Tensor, weight: Tensor | None, loss: FocalLoss
) -> tuple[Tensor, Tensor]:
    """Gradient and expected hessian, as `FocalLoss.gradient_expected_hessian`, for two classes.

    On the device of `raw`, and in its dtype, float32 or float64; `y` and `weight`, of the same
    shape (n_samples,), were checked before and may be of any real dtype.
    """
    raw = raw.detach()
    _, gradient = _binary_block(raw, y.to(raw.dtype, copy=True), loss, value=False)
    limits = torch.finfo(raw.dtype)
    if loss.link_name == "logit":
        # The gradient is -s w sigmoid(-s f), which lacks one sigmoid of the hessian.
        hessian = (y.to(raw.dtype) * 2.0).sub_(1.0).mul_(raw).sigmoid_().mul_(gradient.abs())
    else:
        weights = (loss.class_weights[0], loss.class_weights[1])
        dtype = np.dtype(np.float64 if raw.dtype == torch.float64 else np.float32)
        hessian = _read(log_expected_hessian_table(loss._gammas, weights, dtype), raw).exp_()
    # Underflow must not turn the curvature, positive by construction, into zero.
    hessian.clamp_(limits.tiny, limits.max)
    if weight is not None:
        gradient.mul_(weight)
        hessian.mul_(weight)
    return gradient, hessian


def _binary_parts(
    raw: Tensor,
    y: Tensor,
    weight: Tensor | None,
    loss: FocalLoss,
    reduction: Reduction,
    *,
    gradient: bool,
) -> tuple[Tensor, Any]:
    """Loss (summed unless ``reduction="none"``) and gradient or None, of any shape."""
    work = torch.float64 if raw.dtype == torch.float64 else torch.float32
    try:
        y = y.broadcast_to(raw.shape)
        weight = None if weight is None else weight.broadcast_to(raw.shape)
    except RuntimeError:
        raise ValueError(
            f"y_true and sample_weight must broadcast to the shape of raw_prediction "
            f"{tuple(raw.shape)}, got {tuple(y.shape)}"
            + ("." if weight is None else f" and {tuple(weight.shape)}.")
        ) from None
    empty = partial(torch.empty, raw.shape, dtype=work, device=raw.device)
    slopes = empty() if gradient else None
    values = empty() if reduction == "none" else None
    total = torch.zeros((), dtype=torch.float64 if raw.device.type == "cpu" else work).to(
        raw.device
    )
    if not raw.numel():
        return (total if values is None else values), slopes
    # Rows of the last dimension, so that labels and weights which broadcast stay views.
    width = raw.shape[-1] if raw.ndim > 1 else 1
    rows, labels = raw.reshape(-1, width), y.reshape(-1, width)
    # One weight a row stays one, rather than a copy for each of its elements.
    one_a_row = weight is not None and weight.ndim > 1 and weight.stride(-1) == 0
    weights = None if weight is None else weight.reshape(-1, width)
    if weights is not None and one_a_row:
        weights = weights[:, :1]
    block = max(1, _BLOCK_ELEMENTS // max(width, 1)) if raw.device.type == "cpu" else rows.shape[0]
    for start in range(0, rows.shape[0], max(block, 1)):
        part = slice(start, start + block)
        y_part: Tensor | float | None = None
        if raw.device.type == "cpu":  # elsewhere a look at the values would wait for the device
            y_part = _only_label(labels[part])
        if y_part is None:
            y_part = labels[part].to(work, copy=True).reshape(-1)
        value, slope = _binary_block(
            rows[part].to(work).reshape(-1), y_part, loss, gradient=gradient
        )
        if weights is not None:
            row_weight = weights[part].to(work)
            value.view(-1, width).mul_(row_weight)
            if slope is not None:
                slope.view(-1, width).mul_(row_weight)
        if slopes is not None:
            slopes.view(-1, width)[part] = slope.view(-1, width)
        if values is not None:
            values.view(-1, width)[part] = value.view(-1, width)
        else:
            total += value.sum()
    return (total if values is None else values), slopes


def _binary_block(
    raw: Tensor, y: Tensor | float, loss: FocalLoss, *, value: bool = True, gradient: bool = True
) -> tuple[Any, Any]:
    """Loss and gradient of one-dimensional tensors of one dtype; `y` may be written to.

    A number for `y` is the label of all elements, which saves the passes that tell them apart.
    What is not asked for is None, or computed where it costs little beside the other.
    """
    dtype = np.dtype(np.float64 if raw.dtype == torch.float64 else np.float32)
    (g0, g1), (a0, a1) = loss._gammas, loss.class_weights
    gamma = g1 if g0 == g1 else _per_row(y, g0, g1)
    alpha = a1 if a0 == a1 else _per_row(y, a0, a1)
    sign = y.mul_(2.0).sub_(1.0) if isinstance(y, Tensor) else 2.0 * y - 1.0
    z, slope = raw, None
    if loss.link_name == "logit":
        if gradient:
            weight = _read(canonical_weight_table(loss._gammas, (a0, a1), dtype), raw)
            # w (sigmoid(f) - y), and the difference is -s sigmoid(-s f).
            slope = (sign * raw).neg_().sigmoid_().mul_(weight).mul_(sign).neg_()
        if not value:  # which is all that the margin is read for
            return None, slope
        z = _read(focal_margin_table(loss._gammas, (a0, a1), dtype), raw)
    t = sign * z
    decay = t.abs().neg_().exp_()
    right = t >= 0
    denominator = decay + 1.0
    q = torch.where(right, decay, 1.0).div_(denominator)
    log_p = t.clamp(max=0.0).sub_(_log1p(decay))
    if isinstance(gamma, float) and gamma in _PRODUCTS:
        power = q**gamma
    else:
        log_q = t.clamp(min=0.0).neg_().sub_(_log1p(decay))
        power = log_q.mul_(gamma).exp_()
    if not (isinstance(alpha, float) and alpha == 1.0):
        power.mul_(alpha)
    values = (power * log_p).neg_()
    if gradient and slope is None:
        # a s q^g (g p l - q)
        p = torch.where(right, 1.0, decay).div_(denominator)
        slope = p.mul_(log_p).mul_(gamma).sub_(q).mul_(power).mul_(sign)
    return values, slope


def _log_slope(t: Tensor, gamma: float) -> Tensor:
    """``log G(t)``, as `focaltab.losses._margin.log_slope`."""
    # p r = -log(p) p / q, and p / q = exp(t); beyond 40 on either side it is its limit, to the
    # last bit of a float64. Not by sigmoids: some runtimes of ONNX round a small one to 0.
    near = t.clamp(-_LIMIT, _LIMIT)
    ratio = _softplus(-near) * near.exp()
    return torch.log1p(gamma * ratio) - (gamma + 1.0) * _softplus(t)


def _softplus(t: Tensor) -> Tensor:
    # torch's own threshold of 20 is a line too soon for float64.
    return torch.nn.functional.softplus(t, threshold=_LIMIT)


def _only_label(y: Tensor) -> float | None:
    """The label of all elements, as in most blocks where positives are rare; None for both.

    Raises
    ------
    ValueError
        For labels other than 0 and 1.
    """
    if y.dtype == torch.bool:
        return (1.0 if bool(y.all()) else None) if bool(y.any()) else 0.0
    low, high = torch.aminmax(y)
    _check_range(low, high, n_classes=2)
    if y.is_floating_point() and bool(((y != 0) & (y != 1)).any()):
        raise ValueError("y_true must be 0 or 1, but holds a number between.")
    return float(low) if low == high else None


def _log1p(x: Tensor) -> Tensor:
    """``log(1 + x)``; on the CPU by NumPy, since torch's takes one float32 at a time (8 ns)."""
    return torch.from_numpy(np.log1p(x.numpy())) if x.device.type == "cpu" else x.log1p()


def _check_range(low: Tensor, high: Tensor, n_classes: int) -> None:
    if not (low >= 0 and high <= n_classes - 1):
        raise ValueError(
            f"y_true must hold class numbers 0 to {n_classes - 1}, but runs from {low.item():g} "
            f"to {high.item():g}; leave rows out by a sample_weight of 0."
        )


def _per_row(y: Tensor | float, negative: float, positive: float) -> Tensor | float:
    """Value of each row's class."""
    if not isinstance(y, Tensor):
        return positive if y else negative
    return (y * (positive - negative)).add_(negative)


def _read(table: Table | StepTable, x: Tensor) -> Tensor:
    """A link's table at `x`, as its own `read` does on NumPy arrays."""
    if isinstance(table, StepTable):
        (values,) = _on_device(table, x.device)
        position = (x * table.step_inverse.item()).add_(table.offset.item())
        index = position.clamp_(0, table.end.item()).nan_to_num_().to(torch.int32)
        return values.index_select(0, index)
    coefficients = _on_device(table, x.device)
    position = (x - table.low.item()).mul_(table.step_inverse.item())
    position.clamp_(0, table.span.item())
    index = position.nan_to_num(0.0).to(torch.int32)
    fraction = position.sub_(index)
    out = coefficients[0].index_select(0, index)
    for coefficient in coefficients[1:]:
        out.mul_(fraction).add_(coefficient.index_select(0, index))
    if table.end_slopes is not None:
        left, right = (slope.item() for slope in table.end_slopes)
        out.add_((x - table.low.item()).clamp_(max=0.0), alpha=left)
        out.add_((x - table.high.item()).clamp_(min=0.0), alpha=right)
    return out


@lru_cache(maxsize=8)
def _on_device(table: Table | StepTable, device: torch.device) -> tuple[Tensor, ...]:
    arrays = [table.values] if isinstance(table, StepTable) else list(table.coefficients)
    return tuple(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays)


def _multiclass_parts(
    raw: Tensor,
    y: Tensor,
    weight: Tensor | None,
    loss: FocalLoss,
    *,
    value: bool = True,
    gradient: bool = True,
) -> tuple[Any, Any]:
    """Loss of each row and gradient of shape (n_samples, n_classes); as `_binary_block`."""
    if raw.ndim != 2 or raw.shape[1] != loss.n_classes or y.shape != raw.shape[:1]:
        raise ValueError(
            f"raw_prediction must have shape (n_samples, {loss.n_classes}) and y_true "
            f"(n_samples,), got {tuple(raw.shape)} and {tuple(y.shape)}."
        )
    y = y.long()
    work = torch.float64 if raw.dtype == torch.float64 else torch.float32
    if raw.shape[0] == 0:
        return torch.zeros(0, dtype=work, device=raw.device), torch.zeros_like(raw, dtype=work)
    if y.device.type == "cpu":
        _check_range(*torch.aminmax(y), n_classes=loss.n_classes)
    if loss.link_name == "logit":
        values, slopes = _multiclass_canonical(raw.to(work), y, loss, value, gradient)
    else:
        values, slopes = _multiclass_focal(raw.to(work), y, loss)
    if weight is not None:
        values = None if values is None else values * weight
        slopes = None if slopes is None else slopes * weight[:, None]
    return values, slopes


def _multiclass_focal(raw: Tensor, y: Tensor, loss: FocalLoss) -> tuple[Tensor, Tensor]:
    gamma = loss._gammas[0]
    own = y[:, None]
    log_p = torch.log_softmax(raw, dim=1)
    # log(1 - p_y) is the log of the others' sum: no 1 - p is formed.
    log_q = torch.logsumexp(log_p.scatter(1, own, -math.inf), dim=1)
    log_own = log_p.gather(1, own)[:, 0]
    p, q = log_own.exp(), log_q.exp()
    ratio = torch.where(q > 0.0, -log_own / q, 1.0)
    weights = torch.tensor(loss.class_weights, dtype=raw.dtype, device=raw.device)[y]
    power = weights * (gamma * log_q).exp()
    value = -power * log_own
    slope = power * (1.0 + gamma * p * ratio)
    gradient = log_p.exp().mul_(slope[:, None])
    return value, gradient.scatter_(1, own, -(slope * q)[:, None])


def _multiclass_canonical(
    raw: Tensor, y: Tensor, loss: FocalLoss, value: bool, gradient: bool
) -> tuple[Tensor | None, Tensor | None]:
    # Each row is the root of an equation, which the NumPy core solves.
    rows, labels = raw.detach().cpu().numpy(), y.cpu().numpy()
    gamma, log_weights = loss._gammas[0], np.log(loss.class_weights)
    values = slopes = None
    if value:
        row_loss = _softmax_link.row_loss_canonical(rows, labels, gamma, log_weights)
        values = torch.from_numpy(row_loss).to(raw)
    if gradient:
        compute = _softmax_link.gradient_hessian_canonical
        found, _ = _multiclass.in_blocks(compute, rows, labels, gamma, log_weights)
        slopes = torch.from_numpy(found).to(raw)
    return values, slopes
