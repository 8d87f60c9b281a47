"""RetinaNet whose classification head takes any `FocalLoss` (Lin et al., ICCV 2017).

Backbone, pyramid, anchors, box regression and suppression are torchvision's own. What differs is
the head's loss: the shared torch twin of the core, summed over all anchors and divided by the
number of positive ones in the batch, and its bias, the loss's own intercept at a prior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.retinanet import RetinaNetClassificationHead, RetinaNetHead
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from focaltab._errors import first_line
from focaltab.losses import FocalLoss, TorchFocalLoss

Norm = Literal["frozen", "batch", "group"]

_N_LEVELS = 5
_N_GROUPS = 32
# Two channels a group: one alone would be the same everywhere on a level of one pixel.
_LEAST_CHANNELS = 2 * _N_GROUPS
_BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
# From the output to the input, as they are frozen.
_BODY_LAYERS = ("layer4", "layer3", "layer2", "layer1", "conv1")
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
        which of them pass a threshold. (But scores round to 1 sooner: from margins of about 6 at
        gamma 2, boxes tie in float32.) An attribute that may be set at any time; training always
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
        image by itself, where one with few objects weighs as much as one with many. Under
        ``torch.distributed`` the batch is that of all processes.
        """
        logits = head_outputs["cls_logits"]
        total = torch.zeros((), device=logits.device)
        n_positive = torch.zeros((), dtype=torch.int64, device=logits.device)
        for target, logits_of_image, matched in zip(targets, logits, matched_idxs, strict=True):
            positive = matched >= 0
            n_positive += positive.sum()
            is_class = torch.zeros_like(logits_of_image, dtype=torch.bool)
            is_class[positive, target["labels"][matched[positive]]] = True
            # Anchors that overlap an object neither well nor badly are left out.
            counts = (matched != self.BETWEEN_THRESHOLDS).to(torch.uint8)
            total = total + self.criterion(logits_of_image, is_class, counts[:, None])
        return total / _positives_per_process(n_positive)


def _positives_per_process(n_positive: Tensor) -> Tensor:
    """All processes' positives, at least one, over their number: their gradients are averaged."""
    n_processes = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(n_positive)
        n_processes = torch.distributed.get_world_size()
    return n_positive.clamp(min=1) / n_processes


def focal_retinanet(
    num_classes: int,
    loss: FocalLoss | None = None,
    backbone: str = "resnet18",
    *,
    weights: Any = None,
    new_classes: bool = False,
    weights_backbone: Any = None,
    trainable_backbone_layers: int = 5,
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512),
    channels: int = 256,
    prior_probability: float = 0.01,
    norm: Norm | None = None,
    calibrated: bool = True,
    random_state: int | None = None,
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
        State dict of a whole detector with the same backbone, from this function or torchvision's
        ``retinanet_resnet50_fpn``.
    new_classes : bool, default=False
        Whether the layer that tells classes starts anew, for `weights` that know other classes.
    weights_backbone : WeightsEnum, str or None, default=None
        Pretrained weights of the backbone, as torchvision takes them.
    trainable_backbone_layers : int, default=5
        From the output; the others are frozen.
    anchor_sizes : sequence of five int, default=(32, 64, 128, 256, 512)
        Side in pixels of the smallest anchor of each pyramid level; smaller for small images.
    channels : int, default=256
        Width of the pyramid and of the heads' layers, 64 or a larger multiple of 32. The heads
        take most of the time: 64 is several times faster, for small images or a CPU.
    prior_probability : float, default=0.01
        Of an anchor to be an object of a class, before training.
    norm : {"frozen", "batch", "group"}, default=None
        Normalisation in the backbone: fixed statistics (torchvision's, for pretrained weights),
        those of the batch, or of groups of channels (for batches of few images). None is
        "frozen" where weights are given, else "batch": without either nothing would be scaled.
        Unless "frozen", the heads normalise groups of channels, as torchvision's second version.
    calibrated : bool, default=True
        Whether scores are calibrated probabilities of an anchor to be an object, rather than the
        sigmoid of the focal margin; see `FocalClassificationHead`. ``score_thresh``, 0.05 unless
        given, then is such a probability, and stricter: at the paper's loss the sigmoid says 0.05
        where the probability is 0.001. Average precision wants doubtful boxes too, so set
        ``model.score_thresh`` to about that before `evaluate_detections`.
    random_state : int, default=None
        Seed of the weights that start at random; None goes on from torch's global state.
    **kwargs
        Of ``torchvision.models.detection.RetinaNet``: ``min_size``, ``score_thresh``, ...

    Returns
    -------
    torchvision.models.detection.RetinaNet

    Raises
    ------
    ValueError
        For a number of classes, anchor sizes or a loss that cannot serve, or weights of another
        detector.

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
    if channels < _LEAST_CHANNELS or channels % _N_GROUPS:
        raise ValueError(
            f"channels must be a multiple of {_N_GROUPS} from {_LEAST_CHANNELS}, got {channels!r}."
        )
    if backbone not in _BACKBONES:
        raise ValueError(f"backbone must be one of {', '.join(_BACKBONES)}, got {backbone!r}.")
    if not 0 <= trainable_backbone_layers <= len(_BODY_LAYERS):
        raise ValueError(
            f"trainable_backbone_layers must be 0 to {len(_BODY_LAYERS)}, got "
            f"{trainable_backbone_layers!r}."
        )
    if norm is None:
        norm = "batch" if weights is None and weights_backbone is None else "frozen"
    loss = FocalLoss(2.0, 0.25) if loss is None else loss
    with _seeded(random_state):
        body = _backbone(backbone, weights_backbone, norm, trainable_backbone_layers, channels)
        # Three scales an octave, as in the paper.
        sizes = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in anchor_sizes)
        anchors = AnchorGenerator(sizes, (_RATIOS,) * _N_LEVELS)
        n_anchors = anchors.num_anchors_per_location()[0]
        # Weights that start from small random numbers would take long to move without.
        head_norm = None if norm == "frozen" else _norm_layer("group")
        head = RetinaNetHead(body.out_channels, n_anchors, num_classes, head_norm)
        head.classification_head = FocalClassificationHead(
            body.out_channels,
            n_anchors,
            num_classes,
            loss,
            prior_probability,
            head_norm,
            calibrated=calibrated,
        )
        model = RetinaNet(body, num_classes, anchor_generator=anchors, head=head, **kwargs)
    if weights is not None:
        _load(model, weights, num_classes, new_classes)
    # What another process needs to make the same module and load its weights into it.
    model.recipe = {
        "num_classes": num_classes,
        "gamma": list(loss._gammas),
        "alpha": [float(weight) for weight in loss.class_weights],
        "link": loss.link_name,
        "backbone": backbone,
        "trainable_backbone_layers": trainable_backbone_layers,
        "anchor_sizes": [int(size) for size in anchor_sizes],
        "channels": channels,
        "prior_probability": prior_probability,
        "norm": norm,
        "calibrated": calibrated,
        **kwargs,
    }
    return model


def _backbone(
    name: str, weights: Any, norm: Norm, trainable_layers: int, channels: int
) -> BackboneWithFPN:
    """Torchvision's ``resnet_fpn_backbone``, which knows no width but 256."""
    body = getattr(resnet, name)(weights=weights, norm_layer=_norm_layer(norm))
    trained = list(_BODY_LAYERS[:trainable_layers])
    if trainable_layers == len(_BODY_LAYERS):
        trained.append("bn1")
    for parameter_name, parameter in body.named_parameters():
        if not parameter_name.startswith(tuple(trained)):
            parameter.requires_grad_(False)
    return BackboneWithFPN(
        body,
        return_layers={"layer2": "0", "layer3": "1", "layer4": "2"},
        in_channels_list=[body.inplanes // 4, body.inplanes // 2, body.inplanes],
        out_channels=channels,
        extra_blocks=LastLevelP6P7(channels, channels),
    )


@contextmanager
def _seeded(random_state: int | None) -> Iterator[None]:
    """Draw from a seed of its own, and leave torch's global state as it was."""
    if random_state is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(random_state)
        yield


def _norm_layer(norm: Norm) -> Callable[..., nn.Module]:
    if norm == "frozen":
        return FrozenBatchNorm2d
    if norm == "batch":
        return nn.BatchNorm2d
    if norm == "group":
        return lambda channels: nn.GroupNorm(_N_GROUPS, channels)
    raise ValueError(f"norm must be 'frozen', 'batch' or 'group', got {norm!r}.")


def _load(model: RetinaNet, weights: Any, num_classes: int, new_classes: bool) -> None:
    """Load a state dict, or say in one sentence why it does not fit."""
    source = "weights"
    if not isinstance(weights, dict):
        source = str(weights)
        if not Path(weights).is_file():
            raise ValueError(f"weights: there is no file {source}.")
        try:
            weights = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:
            reason = first_line(error)
            raise ValueError(f"{source} cannot be read as weights: {reason}") from None
    if not isinstance(weights, dict):
        raise ValueError(f"{source} holds no state dict, but a {type(weights).__name__}.")
    own = model.state_dict()
    output = [name for name in own if ".cls_logits." in name]
    there = {name: value for name, value in weights.items() if not new_classes or name in own}
    for name in output:
        if new_classes:
            there[name] = own[name]
        elif (
            name in there
            and there[name].shape[1:] == own[name].shape[1:]
            and there[name].shape[0] != own[name].shape[0]
        ):
            n_classes = there[name].shape[0] * num_classes // own[name].shape[0]
            raise ValueError(
                f"{source}: a detector of {n_classes} classes, but num_classes={num_classes}. Pass "
                "new_classes=True to keep everything but the layer that tells classes."
            )
    strange = [
        name
        for name in sorted(own.keys() | there.keys())
        # Counts of batches, which frozen statistics do not keep.
        if not name.endswith("num_batches_tracked")
        and (name not in own or name not in there or own[name].shape != there[name].shape)
    ]
    if strange:
        raise ValueError(
            f"{source} is of another detector: {len(strange)} tensors do not fit, the first is "
            f"{strange[0]}. Backbone, channels and norm must be the same."
        )
    model.load_state_dict(there, strict=False)
