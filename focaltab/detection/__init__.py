"""RetinaNet with the shared loss core, and the data it reads (torchvision)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.detection._coco import CocoDataset
    from focaltab.detection._model import FocalClassificationHead, focal_retinanet

__all__ = ["CocoDataset", "FocalClassificationHead", "focal_retinanet"]

_HOME = {
    "CocoDataset": "focaltab.detection._coco",
    "FocalClassificationHead": "focaltab.detection._model",
    "focal_retinanet": "focaltab.detection._model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    require("torchvision", name, extra="detection")
    return getattr(import_module(_HOME[name]), name)
