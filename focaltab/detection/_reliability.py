"""What became of a detector's stated probabilities, anchor by anchor and box by box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torchvision.ops import box_iou

from focaltab.detection._coco import CocoDataset
from focaltab.detection._detect import Detections, in_order
from focaltab.detection._inference import check_classes, image_batches, inference
from focaltab.detection._model import FocalClassificationHead
from focaltab.losses import FocalLoss


@dataclass(frozen=True, eq=False)
class AnchorOutcomes:
    """Raw predictions of anchors for classes, and whether there was such an object.

    One row is one anchor and class. Rows of objects are all there; those of background are a
    uniform sample, weighted up to their number.

    Parameters
    ----------
    is_object : ndarray of shape (n_rows,), bool
        Whether the anchor matched an object of the class.
    margin : ndarray of shape (n_rows,), float32
        The head's raw prediction (log-odds already where the loss has ``link="logit"``).
    label : ndarray of shape (n_rows,), int64
        Class number.
    sample_weight : ndarray of shape (n_rows,), float64
        1 for objects; for background how many rows of it a kept one stands for.
    loss : FocalLoss
        That the detector was trained on.
    """

    is_object: NDArray[np.bool_]
    margin: NDArray[np.float32]
    label: NDArray[np.int64]
    sample_weight: NDArray[np.float64]
    loss: FocalLoss

    def probability(self, calibrated: bool = True) -> NDArray[np.float32]:
        """Probability of an object of the class at the anchor, shape (n_rows,).

        Parameters
        ----------
        calibrated : bool, default=True
            Whether by the loss's inverse link; False is the sigmoid of the margin, which is what
            detectors usually call a score.
        """
        if calibrated:
            return np.asarray(self.loss.inverse_link(self.margin), np.float32)
        return np.asarray(expit(self.margin), np.float32)


class BoxOutcomes(NamedTuple):
    """Whether each final box hit an object.

    Attributes
    ----------
    is_hit : ndarray of shape (n_boxes,), bool
    score : ndarray of shape (n_boxes,), float32
    label : ndarray of shape (n_boxes,), int64
        Class number.
    """

    is_hit: NDArray[np.bool_]
    score: NDArray[np.float32]
    label: NDArray[np.int64]


def anchor_outcomes(
    model: Any,
    dataset: CocoDataset,
    *,
    batch_size: int = 8,
    device: Any = None,
    max_background: int = 1_000_000,
    random_state: int | None = None,
) -> AnchorOutcomes:
    """Compare what a detector says of each anchor with what was there.

    Anchors are matched to objects by the model's own matcher, as in training; those that overlap
    an object neither well nor badly are left out, as they are there. This is the question that
    the loss was trained to answer, so it is here that its inverse link gives calibrated
    probabilities. Final boxes are another question: see `box_outcomes`.

    Parameters
    ----------
    model : torchvision.models.detection.RetinaNet
        That of `focal_retinanet`; left in the modes and on the device where it was.
    dataset : CocoDataset
        Its ``transforms`` are not applied.
    batch_size : int, default=8
        Images of different sizes are padded to the largest of their batch, as in training.
    device : torch.device or str, default=None
        None is where the model is.
    max_background : int, default=1_000_000
        Rows of background that are kept, drawn uniformly from all; objects' rows are all kept.
        An image of 800 x 800 pixels has 120,000 anchors for each class, so memory would
        otherwise grow with images and classes.
    random_state : int or None, default=None
        The same number draws the same rows, whatever the batch size where images are of one size.

    Returns
    -------
    AnchorOutcomes

    Raises
    ------
    ValueError
        If the model's head has no focal loss of this package, the number of classes is another
        than the data set's, or a number is out of range.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from focaltab.calibration import calibration_table
    >>> from focaltab.datasets import make_defects
    >>> from focaltab.detection import CocoDataset, anchor_outcomes, focal_retinanet
    >>> model = focal_retinanet(
    ...     3, min_size=64, max_size=64, norm="frozen", prior_probability=0.001
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     make_defects(2, size=64, random_state=0).write_coco(f"{folder}/defects")
    ...     seen = anchor_outcomes(model, CocoDataset(f"{folder}/defects"), random_state=0)
    >>> table = calibration_table(
    ...     seen.is_object, seen.probability(), sample_weight=seen.sample_weight, n_bins=1
    ... )
    >>> table["mean_probability"].round(3).tolist()
    [0.001]
    """
    head = getattr(getattr(model, "head", None), "classification_head", None)
    if not isinstance(head, FocalClassificationHead):
        raise ValueError(
            f"anchor_outcomes needs a detector with a FocalClassificationHead, as focal_retinanet "
            f"makes it; this one's head is {type(head).__name__}."
        )
    if max_background < 1:
        raise ValueError(f"max_background must be at least 1, got {max_background!r}.")
    check_classes(model, dataset)
    background = _Sample(max_background, np.random.default_rng(random_state))
    margins: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.int64]] = []
    with inference(model, device) as used:
        for raw, is_object, counts in _anchors(model, head, dataset, batch_size, used):
            anchor, label = np.nonzero(is_object)
            margins.append(raw[anchor, label])
            labels.append(label)
            background.add(raw, counts[:, None] & ~is_object)
    n_objects = sum(map(len, margins))
    is_kept_background = np.arange(n_objects + len(background.margin)) >= n_objects
    return AnchorOutcomes(
        ~is_kept_background,
        np.concatenate([*margins, background.margin]).astype(np.float32, copy=False),
        np.concatenate([*labels, background.label]).astype(np.int64, copy=False),
        np.where(is_kept_background, background.weight, 1.0),
        head.criterion.loss,
    )


def _anchors(
    model: Any,
    head: FocalClassificationHead,
    dataset: CocoDataset,
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Of each image: margins and matches (n_anchors, n_classes), and which anchors count."""
    for images, targets in image_batches(dataset, batch_size, device):
        scaled, moved = model.transform(images, targets)
        features = list(model.backbone(scaled.tensors).values())
        anchors = model.anchor_generator(scaled, features)
        for raw, boxes, target in zip(head.margins(features), anchors, moved, strict=True):
            is_object = torch.zeros_like(raw, dtype=torch.bool)
            counts = torch.ones_like(is_object[:, 0])
            if target["boxes"].shape[0]:
                matched = model.proposal_matcher(box_iou(target["boxes"], boxes))
                positive = matched >= 0
                is_object[positive, target["labels"][matched[positive]]] = True
                counts = matched != head.BETWEEN_THRESHOLDS
            yield raw.float().cpu().numpy(), is_object.cpu().numpy(), counts.cpu().numpy()


class _Sample:
    """Uniform sample, without replacement, of rows that come in parts: the lowest random keys."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.rng = rng
        self.n_seen = 0
        self.key = np.empty(0)
        self.margin = np.empty(0, np.float32)
        self.label = np.empty(0, np.int64)

    @property
    def weight(self) -> float:
        """How many of the rows seen a kept one stands for."""
        return self.n_seen / max(1, len(self.key))

    def add(self, margin: NDArray[np.float32], counts: NDArray[np.bool_]) -> None:
        """Show the rows of one image that count; both of shape (n_anchors, n_classes)."""
        key = self.rng.random(margin.shape)
        self.n_seen += int(counts.sum())
        if len(self.key) == self.size:
            counts = counts & (key < self.key.max())
        anchor, label = np.nonzero(counts)
        self.key = np.concatenate([self.key, key[anchor, label]])
        self.margin = np.concatenate([self.margin, margin[anchor, label]])
        self.label = np.concatenate([self.label, label])
        if len(self.key) > self.size:
            kept = np.argpartition(self.key, self.size)[: self.size]
            self.key, self.margin, self.label = self.key[kept], self.margin[kept], self.label[kept]


def box_outcomes(
    detections: Iterable[Detections], dataset: CocoDataset, iou_threshold: float = 0.5
) -> BoxOutcomes:
    """Which of the final boxes hit an object of their class.

    In each image and class, best score first, a box takes the object that it overlaps most among
    those still free, and hits if the intersection over union reaches the threshold (as COCO
    matches them). A second box on an object is a false alarm.

    Scores of final boxes need not be calibrated in this sense even where those of anchors are.
    Suppression keeps the anchor with the best of many scores on one object, and a maximum of
    uncertain numbers is too high on average, all the more on background; the box is regressed
    from its anchor before it is matched, and so may hit where the anchor would not, or miss; and
    of all anchors that match one object only one box can hit it.

    Parameters
    ----------
    detections : iterable of Detections
        One for each image of the data set, in any order.
    dataset : CocoDataset
    iou_threshold : float in (0, 1], default=0.5

    Returns
    -------
    BoxOutcomes
        ``is_hit``, ``score`` and ``label`` of all boxes, in the data set's order of images and
        the detections' order within each.

    Raises
    ------
    ValueError
        If the threshold is out of range, or the detections are not those of the data set.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from focaltab.datasets import make_defects
    >>> from focaltab.detection import CocoDataset, Detections, box_outcomes
    >>> made = make_defects(4, size=64, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     made.write_coco(f"{folder}/defects")
    ...     data = CocoDataset(f"{folder}/defects")
    >>> scores = [np.full(len(boxes), 0.7, np.float32) for boxes in made.boxes]
    >>> is_hit, score, label = box_outcomes(
    ...     map(Detections, range(4), made.boxes, made.labels, scores), data
    ... )
    >>> bool(is_hit.all())
    True
    """
    if not 0.0 < iou_threshold <= 1.0:
        raise ValueError(f"iou_threshold must lie in (0, 1], got {iou_threshold!r}.")
    ordered = in_order(detections, dataset)
    hits = [
        _hits(one, record.boxes, record.labels, iou_threshold)
        for one, record in zip(ordered, dataset.records, strict=True)
    ]
    return BoxOutcomes(
        np.concatenate([np.empty(0, np.bool_), *hits]),
        np.concatenate([np.empty(0, np.float32), *(one.scores for one in ordered)]),
        np.concatenate([np.empty(0, np.int64), *(one.labels for one in ordered)]),
    )


def _hits(
    found: Detections,
    boxes: tuple[tuple[float, ...], ...],
    labels: tuple[int, ...],
    iou_threshold: float,
) -> NDArray[np.bool_]:
    hit = np.zeros(len(found), np.bool_)
    truth = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    overlap = _overlap(torch.from_numpy(found.boxes), truth)
    # An object is free for boxes of its own class only.
    overlap[found.labels[:, None] != np.array(labels, np.int64)[None, :]] = -1.0
    if not labels:
        return hit
    for k in np.lexsort((*found.boxes.T, -found.scores)):
        best = int(overlap[k].argmax())
        if overlap[k, best] >= iou_threshold:
            hit[k] = True
            overlap[:, best] = -1.0
    return hit


def _overlap(found: Tensor, truth: Tensor) -> NDArray[np.float64]:
    # Two boxes of no area would overlap by 0 / 0.
    return np.nan_to_num(box_iou(found.double(), truth).numpy())
