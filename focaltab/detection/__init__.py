"""RetinaNet with the shared loss core, the data it reads and what it finds (torchvision)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.detection._augment import training_transforms
    from focaltab.detection._coco import CocoDataset
    from focaltab.detection._detect import Detections, detect, read_coco_results, write_coco_results
    from focaltab.detection._draw import draw_detections
    from focaltab.detection._evaluation import evaluate_detections
    from focaltab.detection._export import export_onnx
    from focaltab.detection._folder import LoadedDetector, load_detector, save_detector
    from focaltab.detection._model import FocalClassificationHead, focal_retinanet
    from focaltab.detection._reliability import (
        AnchorOutcomes,
        BoxOutcomes,
        anchor_outcomes,
        box_outcomes,
    )
    from focaltab.detection._trainer import DetectorTrainer
    from focaltab.detection._yolo import yolo_to_coco

__all__ = [
    "AnchorOutcomes",
    "BoxOutcomes",
    "CocoDataset",
    "Detections",
    "DetectorTrainer",
    "FocalClassificationHead",
    "LoadedDetector",
    "anchor_outcomes",
    "box_outcomes",
    "detect",
    "draw_detections",
    "evaluate_detections",
    "export_onnx",
    "focal_retinanet",
    "load_detector",
    "read_coco_results",
    "save_detector",
    "training_transforms",
    "write_coco_results",
    "yolo_to_coco",
]

_HOME = {
    "AnchorOutcomes": "focaltab.detection._reliability",
    "BoxOutcomes": "focaltab.detection._reliability",
    "CocoDataset": "focaltab.detection._coco",
    "Detections": "focaltab.detection._detect",
    "DetectorTrainer": "focaltab.detection._trainer",
    "FocalClassificationHead": "focaltab.detection._model",
    "LoadedDetector": "focaltab.detection._folder",
    "anchor_outcomes": "focaltab.detection._reliability",
    "box_outcomes": "focaltab.detection._reliability",
    "detect": "focaltab.detection._detect",
    "draw_detections": "focaltab.detection._draw",
    "evaluate_detections": "focaltab.detection._evaluation",
    "export_onnx": "focaltab.detection._export",
    "focal_retinanet": "focaltab.detection._model",
    "load_detector": "focaltab.detection._folder",
    "read_coco_results": "focaltab.detection._detect",
    "save_detector": "focaltab.detection._folder",
    "training_transforms": "focaltab.detection._augment",
    "write_coco_results": "focaltab.detection._detect",
    "yolo_to_coco": "focaltab.detection._yolo",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    require("torchvision", name, extra="detection")
    return getattr(import_module(_HOME[name]), name)
