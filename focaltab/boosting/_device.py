"""The objective on arrays that are not NumPy's: torch tensors, and what DLPack can lend to torch.

Nothing is copied between devices but labels and weights that lie elsewhere, once a data set. torch
is imported where such an array arrives and not before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from focaltab._optional import require
from focaltab.losses import FocalLoss

if TYPE_CHECKING:
    import torch

_CPU = 1  # DLPack's number


def is_device_array(array: Any) -> bool:
    """Whether results should be arrays of the same kind rather than NumPy's."""
    return not isinstance(array, np.ndarray) and _namespace(array) is not None


def is_elsewhere(array: Any) -> bool:
    """Whether `array` lies in memory that NumPy cannot read."""
    return is_device_array(array) and array.__dlpack_device__()[0] != _CPU


def to_host(array: Any) -> Any:
    """A NumPy array of what lies elsewhere; anything else as it is."""
    return to_tensor(array, "cpu").numpy() if is_elsewhere(array) else array


def to_tensor(array: Any, device: torch.device | str | None = None) -> torch.Tensor:
    """`array` as a tensor on the same memory, or a copy where `device` is another than its own."""
    require("torch", "an objective on arrays other than NumPy's", extra="torch")
    import torch
    from torch.utils.dlpack import from_dlpack

    if isinstance(array, torch.Tensor):
        tensor = array.detach()
    elif is_device_array(array):
        tensor = from_dlpack(array)
    else:
        # Copied: torch warns of memory that it must not write to.
        return torch.tensor(np.asarray(array), device=device)
    return tensor if device is None else tensor.to(device)


def maker_of(array: Any) -> Callable[[torch.Tensor], Any]:
    """What turns a tensor into an array of the kind of `array` on the same memory."""
    import torch

    if isinstance(array, torch.Tensor):
        return lambda tensor: tensor
    make: Callable[[torch.Tensor], Any] = _namespace(array).from_dlpack
    return make


def _namespace(array: Any) -> Any:
    """The module whose ``from_dlpack`` makes arrays of this kind, or None."""
    if not hasattr(array, "__dlpack__"):
        return None
    if hasattr(array, "__array_namespace__"):
        namespace = array.__array_namespace__()
    else:
        namespace = sys.modules[type(array).__module__.partition(".")[0]]
    return namespace if hasattr(namespace, "from_dlpack") else None


@dataclass(frozen=True)
class DeviceRows:
    """Labels and weights of a data set on the device of its margins, checked.

    `loss` has numbers for class weights. `kind` is the type of the results, `make` turns tensors
    into it, and `elsewhere` says whether NumPy could not read them.
    """

    labels: torch.Tensor
    weight: torch.Tensor | None
    loss: FocalLoss
    kind: type[Any]
    make: Callable[[torch.Tensor], Any]
    elsewhere: bool

    @classmethod
    def check(cls, loss: FocalLoss, like: Any, labels: Any, weight: Any) -> DeviceRows:
        """Fetch and check, for results on the device of `like` and of its kind.

        Raises
        ------
        ValueError
            For more than two classes, or labels or weights that do not fit.
        """
        if loss.is_multiclass:
            raise ValueError(
                f"n_classes={loss.n_classes}: on torch tensors and device arrays the objective is "
                "for two classes only; hand it NumPy margins."
            )
        device = to_tensor(like).device
        y = to_tensor(labels, device).reshape(-1)
        strange = y[(y != 0) & (y != 1)]
        if strange.numel():
            raise unknown_label(loss, strange[0].item())
        w = None if weight is None else to_tensor(weight, device).reshape(-1)
        if w is not None and w.numel() == 0:
            w = None
        if w is not None and w.shape != y.shape:
            raise ValueError(f"there are {w.numel()} weights but {y.numel()} labels.")
        if not isinstance(loss._alpha, tuple):
            loss = loss.resolve_alpha(y.cpu().numpy(), None if w is None else w.cpu().numpy())
        return cls(y, w, loss, type(like), maker_of(like), is_elsewhere(like))

    def gradient_hessian(self, margins: Any, *, single_precision: bool) -> tuple[Any, Any]:
        """Gradient and expected hessian at `margins`, one a row, as arrays of `kind`.

        Raises
        ------
        ValueError
            If the number of margins is not that of the labels.
        """
        import torch

        from focaltab.losses._torch import gradient_expected_hessian

        raw = to_tensor(margins, self.labels.device).reshape(-1)
        if raw.shape != self.labels.shape:
            raise ValueError(f"there are {raw.numel()} margins but {self.labels.numel()} labels.")
        half = raw.is_floating_point() and raw.dtype != torch.float64
        raw = raw.to(torch.float32 if single_precision or half else torch.float64)
        gradient, hessian = gradient_expected_hessian(raw, self.labels, self.weight, self.loss)
        return self.make(gradient), self.make(hessian)


def unknown_label(loss: FocalLoss, label: Any) -> ValueError:
    """The error for a label that is no class number."""
    return ValueError(
        f"labels must be class numbers 0 to {loss.n_classes - 1}, but {label} is among them; "
        "set n_classes of the loss, or encode the labels."
    )
