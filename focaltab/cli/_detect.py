"""Commands for images: detect train, eval, predict, from-yolo. Thin over `focaltab.detection`."""

from __future__ import annotations

import json
import os
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from focaltab.cli._console import door_errors, out

if TYPE_CHECKING:
    from focaltab.detection import CocoDataset

detect_app = typer.Typer(
    help="Find rare objects in images: RetinaNet on the same loss.", no_args_is_help=True
)


class Optimizer(StrEnum):
    """How weights follow the gradient."""

    adamw = "adamw"
    sgd = "sgd"


class Augmentation(StrEnum):
    """How much images are changed in training."""

    none = "none"
    light = "light"
    strong = "strong"


class Norm(StrEnum):
    """Normalisation in the backbone."""

    frozen = "frozen"
    batch = "batch"
    group = "group"


@detect_app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with annotations.json (COCO) and images.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    validation: Annotated[
        Path | None, typer.Option(help="Another such folder, to judge on.")
    ] = None,
    validation_share: Annotated[
        float, typer.Option(help="Share of the images held out where there is no --validation.")
    ] = 0.2,
    gamma: Annotated[float, typer.Option(help="Focusing parameter, at least 0.")] = 2.0,
    alpha: Annotated[str, typer.Option(help="Number in (0, 1), or 'none'.")] = "0.25",
    backbone: Annotated[str, typer.Option(help="A ResNet of torchvision's.")] = "resnet18",
    weights: Annotated[
        Path | None, typer.Option(help="State dict to start from, e.g. torchvision's.")
    ] = None,
    new_classes: Annotated[
        bool, typer.Option("--new-classes", help="The weights know other classes.")
    ] = False,
    norm: Annotated[
        Norm | None,
        typer.Option(help="frozen, batch or group; frozen with --weights unless given."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Shorter side in pixels. Unless given the images' own, or up to twice that where "
            "objects are very small."
        ),
    ] = None,
    channels: Annotated[
        int, typer.Option(help="Width of the heads; 64 is several times faster.")
    ] = 256,
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Images a step, in each process.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Highest rate.")] = 3e-4,
    optimizer: Annotated[Optimizer, typer.Option(help="adamw or sgd.")] = Optimizer.adamw,
    augmentation: Annotated[
        Augmentation, typer.Option(help="none, light or strong.")
    ] = Augmentation.light,
    ema_decay: Annotated[
        float | None, typer.Option(help="Of a moving average of the weights, e.g. 0.999.")
    ] = None,
    mixed_precision: Annotated[
        bool | None, typer.Option(help="bfloat16 products; on GPUs unless given.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that read images.")] = 0,
    validate_every: Annotated[int, typer.Option(help="Epochs between evaluations.")] = 5,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that --out holds.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    random_state: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Train a detector. The run is saved after each epoch; several processes by torchrun."""
    with door_errors():
        from focaltab.detection import DetectorTrainer, focal_retinanet, save_detector
        from focaltab.detection._sizes import anchor_sizes, image_sizes
        from focaltab.losses import FocalLoss

        first = os.environ.get("RANK", "0") == "0"
        checkpoint = out_dir / "checkpoint.pt"
        _check_out(out_dir, checkpoint, resume)
        train_part, validation_part = _data(data, validation, validation_share, random_state)
        sizes = image_sizes(train_part, image_size)
        model = focal_retinanet(
            len(train_part.class_names),
            FocalLoss(gamma, _alpha(alpha)),
            backbone,
            weights=weights,
            new_classes=new_classes,
            norm=None if norm is None else norm.value,
            anchor_sizes=anchor_sizes(train_part, sizes["min_size"]),
            channels=channels,
            random_state=random_state,
            **sizes,
        )
        trainer = DetectorTrainer(
            model,
            optimizer=optimizer.value,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_epochs=epochs,
            ema_decay=ema_decay,
            augmentation=augmentation.value,
            mixed_precision="auto" if mixed_precision is None else mixed_precision,
            device=device,
            num_workers=workers,
            random_state=random_state,
            progress=True,
        )
        if first:
            _say(
                f"{len(train_part):,} images to train, {len(validation_part):,} held out; classes "
                f"{', '.join(train_part.class_names)}; shorter side {sizes['min_size']} pixels."
            )
        # Made by every process, since none may wait for another before the training begins.
        out_dir.mkdir(exist_ok=True)
        trainer.fit(
            train_part,
            validation_part,
            validate_every=validate_every,
            checkpoint=checkpoint,
            resume=resume,
        )
        if first:
            figures = _evaluate(model.cpu(), validation_part, batch_size)
            for name in ("history.json", "metrics.json", "weights.pt"):
                (out_dir / name).unlink(missing_ok=True)  # of a run killed in this very place
            _write_json(out_dir / "history.json", trainer.history_)
            _write_json(out_dir / "metrics.json", figures)
            save_detector(model, train_part, out_dir)
            _show(figures, "the images held out")
            _say(f"Written to {out_dir}: weights.pt, detector.json, metrics.json, history.json")


def _check_out(out_dir: Path, checkpoint: Path, resume: bool) -> None:
    if resume:
        if (out_dir / "detector.json").exists():
            raise ValueError(f"The run in {out_dir} is finished: there is nothing to resume.")
        if not checkpoint.exists():
            raise ValueError(f"There is no {checkpoint} to resume from.")
    elif out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        hint = " (--resume goes on with its run)" if checkpoint.exists() else ""
        raise ValueError(f"{out_dir} exists already{hint}: choose another folder or remove it.")
    elif not out_dir.resolve().parent.is_dir():
        raise ValueError(f"There is no folder {out_dir.resolve().parent}.")


def _data(
    data: Path, validation: Path | None, share: float, random_state: int
) -> tuple[CocoDataset, CocoDataset]:
    """Images to train on and to judge on."""
    import numpy as np

    from focaltab.detection import CocoDataset

    dataset = CocoDataset(data)
    if validation is not None:
        return dataset, CocoDataset(validation)
    n_held_out = round(share * len(dataset))
    if not 0.0 < share < 1.0 or not 0 < n_held_out < len(dataset):
        raise ValueError(
            f"--validation-share {share} of {len(dataset)} images leaves none to train or none to "
            "judge on."
        )
    order = np.random.default_rng(random_state).permutation(len(dataset)).tolist()
    return dataset.subset(sorted(order[n_held_out:])), dataset.subset(sorted(order[:n_held_out]))


def _alpha(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--alpha must be a number in (0, 1) or 'none', got {text!r}.") from None


@detect_app.command("eval")
def evaluate(
    model_dir: Annotated[Path, typer.Argument(help="Folder that detect train wrote.")],
    data: Annotated[Path, typer.Option(help="Folder with annotations.json (COCO) and images.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="JSON file for the figures; must not exist.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
) -> None:
    """Average precision as COCO defines it, over classes and by size."""
    with door_errors():
        from focaltab._new_file import check_new
        from focaltab.detection import CocoDataset, load_detector

        if out_file is not None:
            check_new(out_file)
        detector = load_detector(model_dir)
        dataset = CocoDataset(data)
        detector.check(dataset)
        figures = _evaluate(detector.model, dataset, batch_size, device)
        _show(figures, f"{len(dataset):,} images")
        if out_file is not None:
            _write_json(out_file, figures)
            _say(f"Written to {out_file}")


def _evaluate(model: Any, dataset: CocoDataset, batch_size: int, device: str = "auto") -> Any:
    from focaltab.detection._evaluation import evaluate_detector

    return evaluate_detector(model, dataset, batch_size=batch_size, device=device, progress=True)


def _show(figures: dict[str, Any], of: str) -> None:
    table = Table(title=f"Average precision on {of}")
    for head in ("", "AP", "AP50", "objects"):
        table.add_column(head, justify="left" if not head else "right")
    n_objects = sum(one["n_objects"] for one in figures["per_class"].values())
    overall = [_number(figures[name]) for name in ("average_precision", "ap50")]
    table.add_row("all classes", *overall, f"{n_objects:,}")
    for name, one in figures["per_class"].items():
        cells = [_number(one["average_precision"]), _number(one["ap50"])]
        table.add_row(escape(name), *cells, f"{one['n_objects']:,}")
    out.print(table)
    by_size = ", ".join(f"{name} {_number(figures[f'ap_{name}'])}" for name in _SIZES)
    _say(f"AP75 {_number(figures['ap75'])}. AP by size of the object: {by_size}.")


_SIZES = ("small", "medium", "large")


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"


@detect_app.command()
def predict(
    model_dir: Annotated[Path, typer.Argument(help="Folder that detect train wrote.")],
    data: Annotated[Path, typer.Option(help="Folder of images, with annotations.json or not.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    threshold: Annotated[
        float, typer.Option(help="Boxes of scores above this are drawn and written.")
    ] = 0.3,
    batch_size: Annotated[int, typer.Option(help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
) -> None:
    """Draw boxes on images, and write them as COCO results."""
    with door_errors():
        from focaltab._new_file import written_whole
        from focaltab.detection import detect, load_detector, write_coco_results

        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"--threshold must be in [0, 1], got {threshold}.")
        detector = load_detector(model_dir)
        dataset = _images(data, detector)
        detector.model.score_thresh = threshold
        with written_whole(out_dir) as part:
            part.mkdir()
            found = detect(
                detector.model,
                dataset,
                batch_size=batch_size,
                device=device,
                progress=True,
            )
            write_coco_results(found, dataset, part / "results.json")
            names = [
                {"id": record.image_id, "file_name": _name_in(data, record.path)}
                for record in dataset.records
            ]
            _write_json(part / "images.json", names)
            _draw(dataset, found, part / "drawn", threshold)
        n_boxes = sum(map(len, found))
        _say(
            f"{n_boxes:,} boxes of scores above {threshold:g} in {len(dataset):,} images. Written "
            f"to {out_dir}: results.json, images.json, drawn/"
        )


def _images(data: Path, detector: Any) -> CocoDataset:
    from focaltab.detection import CocoDataset

    if (data / "annotations.json").exists():
        dataset = CocoDataset(data)
        detector.check(dataset)
        return dataset
    return CocoDataset.of_images(data, detector.class_names, detector.category_ids)


def _draw(dataset: CocoDataset, found: list[Any], folder: Path, threshold: float) -> None:
    from focaltab.detection import draw_detections
    from focaltab.detection._coco import read_image

    folder.mkdir()
    names = _drawn_names(dataset)
    for record, one, name in zip(dataset.records, found, names, strict=True):
        drawn = draw_detections(read_image(record), one, dataset.class_names, threshold=threshold)
        drawn.save(folder / f"{name}.png")


def _drawn_names(dataset: CocoDataset) -> list[str]:
    """The images' names without suffix, and with their ids where several share one."""
    stems = [record.path.stem for record in dataset.records]
    count = Counter(stems)
    taken, names = set(stems), []
    for record, stem in zip(dataset.records, stems, strict=True):
        name = stem
        while count[stem] > 1 and name in taken:
            name += f"_{record.image_id}".replace("/", "-")  # ids may be text
        taken.add(name)
        names.append(name)
    return names


def _name_in(folder: Path, path: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


@detect_app.command("from-yolo")
def from_yolo(
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    labels: Annotated[Path, typer.Option(help="Folder of text files, one for each image.")],
    classes: Annotated[Path, typer.Option(help="Text file with one class name a line.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
) -> None:
    """Convert images with YOLO's text labels to COCO's format."""
    with door_errors():
        from focaltab.detection import yolo_to_coco

        dataset = yolo_to_coco(images, labels, classes, out_dir)
        n_boxes = sum(len(record.boxes) for record in dataset.records)
        _say(f"Wrote {len(dataset):,} images, {n_boxes:,} boxes: {out_dir}")


def _say(text: str) -> None:
    out.print(escape(text), soft_wrap=True, highlight=False)


def _write_json(path: Path, content: Any) -> None:
    from focaltab._new_file import written_whole

    with written_whole(path) as part:
        # NaN, where there is no object to find, is no JSON.
        part.write_text(json.dumps(_without_nan(content), indent=2) + "\n", encoding="utf-8")


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_nan(value) for value in content]
    return None if content != content else content
