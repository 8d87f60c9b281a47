"""A detector as one ONNX file: from an image to boxes, scores and labels."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image, nms

from focaltab._compat.others import uncompiled
from focaltab._new_file import check_new, written_whole
from focaltab._optional import require


def export_onnx(model: Any, path: str | Path, *, image_size: int | tuple[int, int]) -> None:
    """Write a detector as one ONNX file, for images of one size.

    The file holds everything that the model does in evaluation mode: scaling of the image,
    network, calibrated scores (as ``calibrated`` of its head stands), threshold and suppression.
    Input ``image`` is float32 of shape (3, height, width), RGB in [0, 1]; outputs are ``boxes``
    (n_boxes, 4), float32 ``x0, y0, x1, y1`` in pixels of that image, ``scores`` (n_boxes,),
    float32, and ``labels`` (n_boxes,), int64, best score first. n_boxes may be 0.

    Parameters
    ----------
    model : torchvision.models.detection.RetinaNet
        That of `focal_retinanet`; it is not changed.
    path : path
        Of a new file.
    image_size : int or (int, int)
        Height and width in pixels of the images that the file will be given.

    Raises
    ------
    FileExistsError
        If the file exists (FileNotFoundError where its folder does not).
    ValueError
        For an image size below 1.
    ImportError
        Without onnx and onnxscript.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from focaltab.detection import export_onnx, focal_retinanet
    >>> model = focal_retinanet(3, min_size=64, max_size=64)
    >>> with TemporaryDirectory() as folder:
    ...     export_onnx(model, f"{folder}/defects.onnx", image_size=64)
    ...     session = InferenceSession(f"{folder}/defects.onnx")
    >>> image = np.zeros((3, 64, 64), np.float32)
    >>> boxes, scores, labels = session.run(None, {"image": image})
    >>> boxes.shape[1]
    4
    """
    require("onnx", "export_onnx", extra="onnx")
    require("onnxscript", "export_onnx", extra="onnx")
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if height < 1 or width < 1:
        raise ValueError(f"image_size must be positive, got {image_size!r}.")
    path = Path(path)
    check_new(path)
    # A copy, since tracing leaves its marks on a model. Of a compiled one, what it was made from.
    detector = copy.deepcopy(uncompiled(model)).cpu().eval()
    image = torch.zeros(3, height, width)
    with written_whole(path) as part, warnings.catch_warnings(), _quiet("onnxscript"):
        # torchvision's own calls of what torch renames.
        warnings.simplefilter("ignore", FutureWarning)
        torch.onnx.export(
            _FixedSize(detector).eval(),
            (image,),
            part,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["image"],
            output_names=["boxes", "scores", "labels"],
        )


class _FixedSize(nn.Module):
    """RetinaNet on one image of a fixed size, with shapes that depend on no data but at the end.

    torchvision selects by threshold before it suppresses. Here all candidates of a level, as many
    as there may be, go into suppression and the threshold comes after: a box below it has no
    better score than any above it, and so cannot suppress one.
    """

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and labels."""
        detector = self.detector
        images, _ = detector.transform([image])
        features = list(detector.backbone(images.tensors).values())
        outputs = detector.head(features)
        boxes, scores, labels = self._candidates(
            outputs["cls_logits"][0],
            outputs["bbox_regression"][0],
            detector.anchor_generator(images, features)[0],
            [feature.shape[-2] * feature.shape[-1] for feature in features],
        )
        height, width = images.image_sizes[0]
        boxes = clip_boxes_to_image(boxes, (height, width))
        # Classes are moved apart, so that no box suppresses one of another class.
        apart = boxes + (labels * (max(height, width) + 1.0))[:, None]
        kept = nms(apart, scores, detector.nms_thresh)
        kept = kept[scores[kept] > detector.score_thresh][: detector.detections_per_img]
        x, y = image.shape[-1] / width, image.shape[-2] / height
        return boxes[kept] * torch.tensor([x, y, x, y]), scores[kept], labels[kept]

    def _candidates(
        self, logits: Tensor, regression: Tensor, anchors: Tensor, places: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Best boxes of each pyramid level: (n, 4), scores and labels (n,)."""
        n_classes = logits.shape[-1]
        sizes = [n * (anchors.shape[0] // sum(places)) for n in places]
        levels = zip(
            *(torch.split(part, sizes) for part in (logits, regression, anchors)), strict=True
        )
        boxes, scores, labels = [], [], []
        for level_logits, level_regression, level_anchors in levels:
            every = level_logits.sigmoid().flatten()
            best, index = every.topk(min(self.detector.topk_candidates, every.shape[0]))
            anchor = torch.div(index, n_classes, rounding_mode="floor")
            boxes.append(
                self.detector.box_coder.decode_single(
                    level_regression[anchor], level_anchors[anchor]
                )
            )
            scores.append(best)
            labels.append(index % n_classes)
        return torch.cat(boxes), torch.cat(scores), torch.cat(labels)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Leave out what a package logs below the level of errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
