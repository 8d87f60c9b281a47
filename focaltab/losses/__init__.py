"""The loss core: focal loss, its two links, its class weights. NumPy and SciPy; torch apart."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from focaltab.losses._class_weights import ClassBalanced
from focaltab.losses._focal import FocalLoss

if TYPE_CHECKING:
    from focaltab.losses._torch import TorchFocalLoss

__all__ = ["ClassBalanced", "FocalLoss", "TorchFocalLoss"]

if find_spec("torch") is None:
    # A star import would stop at it; asked for by its name, it says what is missing.
    __all__[:] = [name for name in __all__ if name != "TorchFocalLoss"]


def __getattr__(name: str) -> Any:
    if name != "TorchFocalLoss":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    require("torch", "TorchFocalLoss", extra="torch")
    from focaltab.losses._torch import TorchFocalLoss

    return TorchFocalLoss
