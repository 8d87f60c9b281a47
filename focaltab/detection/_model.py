"""RetinaNet whose classification head takes any `FocalLoss` (Lin et al., ICCV 2017).

Backbone, pyramid, anchors, box regression and suppression are torchvision's own. What differs is
the head's loss: the shared torch twin of the core, summed over all anchors and divided by the
number of positive ones in the batch, and its bias, the loss's own intercept at a prior.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.retinanet import RetinaNetClassificationHead, RetinaNetHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from focaltab.losses import FocalLoss, TorchFocalLoss

_N_LEVELS = 5
_RATIOS = (0.5, 1.0, 2.0)


class FocalClassificationHead(RetinaNetClassificationHead):
    """torchvision's classification head with a `FocalLoss` of the user's.

    Parameters
    ----------
    in_channels, num_anchors, num_classes : int
        As in torchvision.
    loss : FocalLoss
        For two classes (object of a class, or not), with numbers for ``alpha``.
    prior_probability : float, default=0.01
        Share of anchors that the head believes to be objects before training; its bias is
        ``loss.intercept(prior_probability)``.
    norm_layer : callable, default=None
    calibrated : bool, default=True
        Whether the head returns calibrated log-odds when it is not training
        (`TorchFocalLoss.log_odds`), so that the detector's own sigmoid gives the probability of
        an anchor to be an object. False returns the margin, whose sigmoid is the paper's score.
        The link is increasing: neither boxes nor their order change, only the scores, and so
        which of them pass a threshold. An attribute that may be set at any time; training always
        sees the margin.

    Raises
    ------
    ValueError
        If the loss is for several classes, its ``alpha`` depends on data, or the prior lies
        outside (0, 1).
    """

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        loss: FocalLoss,
        prior_probability: float = 0.01,
        norm_layer: Callable[..., nn.Module] | None = None,
        calibrated: bool = True,
    ) -> None:
        if loss.is_multiclass:
            raise ValueError(
                f"A detector asks of every anchor and class whether it is an object: it needs a "
                f"loss of two classes, got {loss!r}."
            )
        intercept = loss.intercept(prior_probability)
        super().__init__(in_channels, num_anchors, num_classes, norm_layer=norm_layer)
        self.criterion = TorchFocalLoss(loss, reduction="sum")
        self.calibrated = calibrated
        nn.init.constant_(self.cls_logits.bias, intercept)

    def forward(self, x: list[Tensor]) -> Tensor:
        """Margins (or calibrated log-odds, see ``calibrated``) of each anchor and class.

        Parameters
        ----------
        x : list of Tensor of shape (n_images, in_channels, height, width)
            One for each level of the pyramid.

        Returns
        -------
        Tensor of shape (n_images, n_anchors, num_classes)
        """
        margins = self.margins(x)
        if self.training or not self.calibrated:
            return margins
        return self.criterion.log_odds(margins)

    def margins(self, x: list[Tensor]) -> Tensor:
        """What the loss takes, in any mode: arguments and shape as of `forward`."""
        margins: Tensor = super().forward(x)
        return margins

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        matched_idxs: list[Tensor],
    ) -> Tensor:
        """Loss of all anchors of a batch, over the number of its positive anchors.

        The paper normalises by the positives of the batch (section 4.1); torchvision takes each
        image by itself, where one with few objects weighs as much as one with many.
        """
        logits = head_outputs["cls_logits"]
        total = logits.new_zeros(())
        n_positive = 0
        for target, logits_of_image, matched in zip(targets, logits, matched_idxs, strict=True):
            positive = matched >= 0
            n_positive += int(positive.sum())
            is_class = torch.zeros_like(logits_of_image, dtype=torch.bool)
            is_class[positive, target["labels"][matched[positive]]] = True
            # Anchors that overlap an object neither well nor badly are left out.
            counts = (matched != self.BETWEEN_THRESHOLDS).to(torch.uint8)
            total = total + self.criterion(logits_of_image, is_class, counts[:, None])
        return total / max(1, n_positive)


def focal_retinanet(
    num_classes: int,
    loss: FocalLoss | None = None,
    backbone: str = "resnet18",
    *,
    weights: Any = None,
    weights_backbone: Any = None,
    trainable_backbone_layers: int = 5,
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512),
    prior_probability: float = 0.01,
    calibrated: bool = True,
    **kwargs: Any,
) -> RetinaNet:
    """Make a RetinaNet trained on `loss`.

    Parameters
    ----------
    num_classes : int
        Label numbers run from 0 to ``num_classes - 1``; there is none for the background.
    loss : FocalLoss, default=None
        None is the paper's, ``FocalLoss(2.0, 0.25)``.
    backbone : str, default="resnet18"
        A ResNet of torchvision's, by name.
    weights : dict or path, default=None
        State dict of a whole detector, for the same backbone and number of classes.
    weights_backbone : WeightsEnum, str or None, default=None
        Pretrained weights of the backbone, as torchvision takes them.
    trainable_backbone_layers : int, default=5
        From the output; the others are frozen.
    anchor_sizes : sequence of five int, default=(32, 64, 128, 256, 512)
        Side in pixels of the smallest anchor of each pyramid level; smaller for small images.
    prior_probability : float, default=0.01
        Of an anchor to be an object of a class, before training.
    calibrated : bool, default=True
        Whether scores are calibrated probabilities of an anchor to be an object, rather than the
        sigmoid of the focal margin; see `FocalClassificationHead`. ``score_thresh``, 0.05 unless
        given, then is such a probability, and stricter: at the paper's loss the sigmoid says 0.05
        where the probability is 0.001. Average precision wants doubtful boxes too, so set
        ``model.score_thresh`` to about that before `evaluate_detections`.
    **kwargs
        Of ``torchvision.models.detection.RetinaNet``: ``min_size``, ``score_thresh``, ...

    Returns
    -------
    torchvision.models.detection.RetinaNet

    Raises
    ------
    ValueError
        For a number of classes, anchor sizes or a loss that cannot serve.

    Examples
    --------
    >>> import torch
    >>> from focaltab.detection import focal_retinanet
    >>> from focaltab.losses import FocalLoss
    >>> model = focal_retinanet(3, FocalLoss(2.0, 0.25), min_size=64, max_size=64).eval()
    >>> sorted(model([torch.zeros(3, 64, 64)])[0])
    ['boxes', 'labels', 'scores']
    """
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes!r}.")
    if len(anchor_sizes) != _N_LEVELS or min(anchor_sizes) < 1:
        raise ValueError(
            f"anchor_sizes must be {_N_LEVELS} positive sizes, one for each level of the pyramid, "
            f"got {tuple(anchor_sizes)!r}."
        )
    body = resnet_fpn_backbone(
        backbone_name=backbone,
        weights=weights_backbone,
        trainable_layers=trainable_backbone_layers,
        returned_layers=[2, 3, 4],
        extra_blocks=LastLevelP6P7(256, 256),
    )
    # Three scales an octave, as in the paper.
    sizes = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in anchor_sizes)
    anchors = AnchorGenerator(sizes, (_RATIOS,) * _N_LEVELS)
    n_anchors = anchors.num_anchors_per_location()[0]
    head = RetinaNetHead(body.out_channels, n_anchors, num_classes)
    head.classification_head = FocalClassificationHead(
        body.out_channels,
        n_anchors,
        num_classes,
        FocalLoss(2.0, 0.25) if loss is None else loss,
        prior_probability,
        calibrated=calibrated,
    )
    model = RetinaNet(body, num_classes, anchor_generator=anchors, head=head, **kwargs)
    if weights is not None:
        model.load_state_dict(weights if isinstance(weights, dict) else torch.load(weights))
    return model
