"""The story of the focal loss paper's Table 1, on simulated images of rare small defects.

One detector is trained under several losses, with the same images, steps and seeds:

    python examples/detect_defects.py --out results.jsonl

Every finished run is appended to the file and not trained again, so the command may be stopped
and repeated. It ends with the table of all runs in the file. With --data FOLDER (COCO) it trains
on images of yours instead.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from focaltab.datasets import make_defects
from focaltab.detection import (
    AnchorOutcomes,
    CocoDataset,
    DetectorTrainer,
    FocalClassificationHead,
    anchor_outcomes,
    box_outcomes,
    detect,
    evaluate_detections,
    focal_retinanet,
)
from focaltab.losses import FocalLoss

# Alpha falls as gamma grows, as in Table 1 (Lin et al., ICCV 2017).
LOSSES: dict[str, tuple[FocalLoss, float]] = {
    "cross-entropy": (FocalLoss(0.0), 0.01),
    "cross-entropy, no prior bias": (FocalLoss(0.0), 0.5),
    "cross-entropy, alpha 0.75": (FocalLoss(0.0, 0.75), 0.01),
    "focal, gamma 0.5, alpha 0.75": (FocalLoss(0.5, 0.75), 0.01),
    "focal, gamma 1, alpha 0.25": (FocalLoss(1.0, 0.25), 0.01),
    "focal, gamma 2, alpha 0.25": (FocalLoss(2.0, 0.25), 0.01),
    "hard example mining, 1:3": (FocalLoss(0.0), 0.01),
}
MINING = "hard example mining, 1:3"
HARD_PER_OBJECT = 3
SHARES = ("background_share_before", "background_share")
# Edges of the confidence histogram.
EDGES = (0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 1.0)


class HardExampleHead(FocalClassificationHead):
    """Cross-entropy of the positive anchors and the three times as many hardest others.

    Online hard example mining (Shrivastava, Gupta and Girshick, CVPR 2016) as the focal loss
    paper's 1:3 variant, but without suppression of overlapping anchors.
    """

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        matched_idxs: list[Tensor],
    ) -> Tensor:
        """Mean over the positive anchors, as in the head that this one extends."""
        every, positive = [], []
        for target, logits, matched in zip(
            targets, head_outputs["cls_logits"], matched_idxs, strict=True
        ):
            found = matched >= 0
            y = torch.zeros_like(logits)
            y[found, target["labels"][matched[found]]] = 1.0
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits.float(), y.float(), reduction="none"
            )
            kept = matched != self.BETWEEN_THRESHOLDS
            every.append(loss.sum(1)[kept])
            positive.append(found[kept])
        losses, is_object = torch.cat(every), torch.cat(positive)
        n_objects = max(1, int(is_object.sum()))
        negative = losses[~is_object]
        hardest = negative.topk(min(HARD_PER_OBJECT * n_objects, len(negative))).values
        return (losses[is_object].sum() + hardest.sum()) / n_objects


def make_model(name: str, n_classes: int, seed: int, size: dict[str, Any]) -> Any:
    loss, prior = LOSSES[name]
    model = focal_retinanet(n_classes, loss, prior_probability=prior, random_state=seed, **size)
    if name == MINING:
        # The same layers under another loss.
        model.head.classification_head.__class__ = HardExampleHead
    return model


def background_share(outcomes: AnchorOutcomes) -> float:
    """Share of the classification loss that anchors without an object take."""
    loss = outcomes.loss.loss(outcomes.is_object, outcomes.margin.astype(np.float64))
    loss = loss * outcomes.sample_weight
    return float(loss[~outcomes.is_object].sum() / loss.sum())


def histogram(outcomes: AnchorOutcomes) -> dict[str, list[float]]:
    """Shares of anchors by calibrated confidence, objects and background apart."""
    shares = {}
    for kind, chosen in (("object", outcomes.is_object), ("background", ~outcomes.is_object)):
        counts, _ = np.histogram(
            outcomes.probability()[chosen], EDGES, weights=outcomes.sample_weight[chosen]
        )
        shares[kind] = (counts / counts.sum()).tolist()
    return shares


def reliability(model: Any, dataset: CocoDataset, outcomes: AnchorOutcomes) -> dict[str, float]:
    """What anchors and final boxes state, and what comes true."""
    weight = outcomes.sample_weight
    told = {"anchors_observed": float(np.average(outcomes.is_object, weights=weight))}
    for calibrated, name in ((True, "inverse_link"), (False, "sigmoid")):
        head = model.head.classification_head
        probability = outcomes.probability(calibrated=calibrated)
        told[f"anchors_{name}"] = float(np.average(probability, weights=weight))
        was, head.calibrated = head.calibrated, calibrated
        is_hit, score, _ = box_outcomes(detect(model, dataset), dataset)
        head.calibrated = was
        sure = score >= 0.3
        told[f"boxes_{name}_n"] = int(sure.sum())
        if sure.any():
            told[f"boxes_{name}"] = float(score[sure].mean())
            told[f"boxes_{name}_observed"] = float(is_hit[sure].mean())
    return told


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What all rows of one table must share."""
    names = ("images", "epochs", "image_size", "smallest_anchor", "mixed_precision")
    return {name: getattr(args, name) for name in names} | {"data": str(args.data)}


def run(
    name: str, seed: int, train: CocoDataset, new: CocoDataset, args: argparse.Namespace
) -> dict[str, Any]:
    size = {
        "min_size": args.image_size,
        "max_size": args.image_size * 2,
        "anchor_sizes": [args.smallest_anchor * 2**k for k in range(5)],
        "channels": 64,
    }
    model = make_model(name, len(train.class_names), seed, size)
    before = background_share(anchor_outcomes(model, new, random_state=0))
    trainer = DetectorTrainer(
        model,
        learning_rate=1e-3,
        batch_size=4,
        max_epochs=args.epochs,
        mixed_precision=args.mixed_precision,
        random_state=seed,
        progress=True,
    )
    start = time.perf_counter()
    trainer.fit(train)
    seconds = time.perf_counter() - start
    model.score_thresh = 0.001
    figures = evaluate_detections(detect(model, new), new)
    outcomes = anchor_outcomes(model, new, random_state=0)
    return {
        "loss": name,
        "seed": seed,
        "settings": settings_of(args),
        "average_precision": figures["average_precision"],
        "ap50": figures["ap50"],
        "per_class": {k: v["average_precision"] for k, v in figures["per_class"].items()},
        "background_share_before": before,
        "background_share": background_share(outcomes),
        "last_loss": trainer.history_[-1]["classification"],
        "seconds": seconds,
        "histogram": histogram(outcomes),
        "reliability": reliability(model, new, outcomes),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown of means and spreads over seeds."""
    lines = [
        "| loss | seeds | AP, mean (least to most) | AP50 | background's share of the loss, "
        "before and after |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in LOSSES:
        own = [row for row in rows if row["loss"] == name]
        if not own:
            continue
        ap = [100 * row["average_precision"] for row in own]
        ap50 = [100 * row["ap50"] for row in own]
        share = [np.mean([row[key] for row in own]) for key in SHARES]
        # Mining leaves most of the background out of its loss.
        told = "-" if name == MINING else f"{share[0]:.3f}, {share[1]:.3f}"
        lines.append(
            f"| {name} | {len(own)} | {np.mean(ap):.1f} ({min(ap):.1f} to {max(ap):.1f}) | "
            f"{np.mean(ap50):.1f} | {told} |"
        )
    return "\n".join(lines)


def data_sets(args: argparse.Namespace, folder: Path) -> tuple[CocoDataset, CocoDataset]:
    if args.data is not None:
        every = CocoDataset(args.data)
        order = np.random.default_rng(0).permutation(len(every)).tolist()
        n_new = len(every) // 5
        return every.subset(order[n_new:]), every.subset(order[:n_new])
    for name, n_images, seed in (("train", args.images, 0), ("new", args.images // 2, 1)):
        make_defects(n_images, size=64, random_state=seed).write_coco(folder / name)
    return CocoDataset(folder / "train"), CocoDataset(folder / "new")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one for each run")
    parser.add_argument("--data", type=Path, help="COCO folder; simulated defects without it")
    parser.add_argument("--images", type=int, default=160, help="simulated images to train on")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=128, help="shorter side in pixels")
    parser.add_argument("--smallest-anchor", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES))
    parser.add_argument("--mixed-precision", action="store_true", help="bfloat16 products")
    args = parser.parse_args()
    done = []
    if args.out.exists():
        done = [json.loads(line) for line in args.out.read_text().splitlines()]
        if any(row["settings"] != settings_of(args) for row in done):
            parser.error(f"{args.out} holds runs of other settings: choose another file.")
    with tempfile.TemporaryDirectory() as name:
        train, new = data_sets(args, Path(name))
        for seed in args.seeds:
            for loss in args.losses:
                if any(row["loss"] == loss and row["seed"] == seed for row in done):
                    continue
                row = run(loss, seed, train, new, args)
                with args.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                done.append(row)
                print(f"{loss}, seed {seed}: AP50 {row['ap50']:.3f}", flush=True)
    print(table(done))


if __name__ == "__main__":
    main()
