"""RetinaNet with the shared loss core (torchvision)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.detection._model import FocalClassificationHead, focal_retinanet

__all__ = ["FocalClassificationHead", "focal_retinanet"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    require("torchvision", name, extra="detection")
    from focaltab.detection import _model

    return getattr(_model, name)
