"""A trained detector as a folder: its weights, and the facts to build it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torchvision.models.detection import RetinaNet

from focaltab._new_file import written_whole
from focaltab.detection._coco import CocoDataset
from focaltab.detection._model import focal_retinanet
from focaltab.losses import FocalLoss

_FACTS, _WEIGHTS = "detector.json", "weights.pt"
_FORMAT = 1
_SET_LATER = ("score_thresh", "nms_thresh", "detections_per_img", "topk_candidates")


@dataclass(frozen=True)
class LoadedDetector:
    """A detector read from a folder.

    Parameters
    ----------
    model : torchvision.models.detection.RetinaNet
        In evaluation mode, on the CPU.
    class_names : tuple of str
    category_ids : tuple of int
        COCO ids of the classes, in the same order.
    """

    model: RetinaNet
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]

    def check(self, dataset: CocoDataset) -> None:
        """Raise a ValueError where a data set has other classes than the detector."""
        if tuple(dataset.class_names) != self.class_names:
            raise ValueError(
                f"The detector was trained on the classes {list(self.class_names)}, but "
                f"{dataset.source} has {dataset.class_names}."
            )


def save_detector(model: RetinaNet, dataset: CocoDataset, path: str | Path) -> None:
    """Write a detector into a folder: ``weights.pt`` and ``detector.json``.

    Parameters
    ----------
    model : RetinaNet
        From `focal_retinanet`.
    dataset : CocoDataset
        Whose classes it knows.
    path : path
        Made where it does not exist.

    Raises
    ------
    FileExistsError
        If the folder holds a detector already.
    ValueError
        For a model of another origin.
    """
    recipe = getattr(model, "recipe", None)
    if recipe is None:
        raise ValueError("save_detector: the model must come from focal_retinanet.")
    # As the model is now, not as it was made.
    head: Any = model.head.classification_head
    recipe = {**recipe, "calibrated": head.calibrated}
    recipe |= {name: getattr(model, name) for name in _SET_LATER}
    facts = {
        "format": _FORMAT,
        "class_names": list(dataset.class_names),
        "category_ids": list(dataset.category_ids),
        "model": recipe,
    }
    try:
        text = json.dumps(facts, indent=2)
    except TypeError as error:
        raise ValueError(f"save_detector: an argument of the model is no JSON: {error}") from None
    folder = Path(path)
    for name in (_FACTS, _WEIGHTS):
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} exists already: choose another folder.")
    folder.mkdir(exist_ok=True)
    with written_whole(folder / _WEIGHTS) as part:
        torch.save({name: value.cpu() for name, value in model.state_dict().items()}, part)
    # Last, since a folder with it counts as a detector.
    with written_whole(folder / _FACTS) as part:
        part.write_text(text + "\n", encoding="utf-8")


def load_detector(path: str | Path) -> LoadedDetector:
    """Read a folder that `save_detector` wrote. Nothing in it can run code.

    Parameters
    ----------
    path : path

    Returns
    -------
    LoadedDetector

    Raises
    ------
    ValueError
        If the folder is none of a detector, or its files do not fit each other.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from focaltab.datasets import make_defects
    >>> from focaltab.detection import CocoDataset, focal_retinanet, load_detector, save_detector
    >>> model = focal_retinanet(3, min_size=64, max_size=64)
    >>> with TemporaryDirectory() as folder:
    ...     make_defects(1, size=64, random_state=0).write_coco(f"{folder}/defects")
    ...     save_detector(model, CocoDataset(f"{folder}/defects"), f"{folder}/detector")
    ...     load_detector(f"{folder}/detector").class_names
    ('scratch', 'pit', 'stain')
    """
    source = Path(path) / _FACTS
    try:
        facts = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no folder of a detector: {error}") from None
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise ValueError(f"{source}: expected format {_FORMAT}.")
    try:
        model = _build(facts["model"], Path(path) / _WEIGHTS)
        names, ids = tuple(facts["class_names"]), tuple(facts["category_ids"])
        n_classes = facts["model"]["num_classes"]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{source} does not describe a detector: {error}") from None
    if not len(names) == len(ids) == n_classes:
        raise ValueError(
            f"{source}: {len(names)} class names and {len(ids)} ids, but the model knows "
            f"{n_classes} classes."
        )
    return LoadedDetector(model.eval(), names, ids)


def _build(recipe: dict[str, Any], weights: Path) -> RetinaNet:
    recipe = dict(recipe)
    gamma, alpha = recipe.pop("gamma"), recipe.pop("alpha")
    gamma = gamma[0] if gamma[0] == gamma[1] else tuple(gamma)
    loss = FocalLoss(gamma, alpha, link=recipe.pop("link"))
    return focal_retinanet(recipe.pop("num_classes"), loss, weights=weights, **recipe)
