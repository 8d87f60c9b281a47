"""Training of a detector: epochs that repeat exactly, also after a kill."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from focaltab._new_file import check_new
from focaltab._optional import require
from focaltab._progress import Advance, progress_bar
from focaltab.detection._augment import Strength, Transforms, training_transforms
from focaltab.detection._checkpoint import read_checkpoint, write_checkpoint
from focaltab.detection._coco import CocoDataset
from focaltab.detection._distributed import Group, process_group
from focaltab.detection._evaluation import evaluate_detector
from focaltab.detection._inference import Batch, as_lists, check_classes
from focaltab.detection._steps import (
    Precision,
    Schedule,
    make_average,
    make_optimizer,
    run_epoch,
)

# Settings that a resumed run must share with the one it goes on with.
_DECISIVE = (
    "optimizer",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "max_epochs",
    "warm_up",
    "max_grad_norm",
    "ema_decay",
    "random_state",
)


class DetectorTrainer:
    """Train a detector of `focal_retinanet` on a data set of images and boxes.

    Started by ``torchrun``, every process trains on its share of the images, on a GPU of its own
    or with gloo on the CPU. Statistics of ``norm="batch"`` are then those of each process's own
    images.

    Parameters
    ----------
    model : RetinaNet
        Trained in place.
    optimizer : {"adamw", "sgd"}, default="adamw"
        "sgd" has a momentum of 0.9.
    learning_rate : float, default=3e-4
        Highest rate: it rises to it over `warm_up`, and falls on half a cosine. The paper's for
        "sgd" is 0.01 for 16 images a step.
    weight_decay : float, default=1e-4
    batch_size : int, default=8
        Images a step, in each process.
    max_epochs : int, default=20
    warm_up : float, default=0.05
        Share of the steps.
    max_grad_norm : float, default=10.0
        Longer gradients are cut to this Euclidean length.
    ema_decay : float, default=None
        Of an exponential moving average of the weights over steps, which is evaluated and which
        the model holds in the end; its memory is shorter in the first steps. None keeps the last
        step's weights.
    augmentation : {"none", "light", "strong"} or callable, default="light"
        See `training_transforms`; a callable takes image and target and must end in a float image
        in [0, 1]. Comes after the data set's own ``transforms``.
    mixed_precision : bool or "auto", default="auto"
        bfloat16 products (float16 on GPUs without them). "auto" is True on a GPU. On CPUs with
        AVX512-BF16 True pays too, for images of more than 64 pixels.
    channels_last : bool or "auto", default="auto"
        Memory layout of the weights; "auto" is True on a GPU.
    device : str or torch.device, default="auto"
        "auto" is this process's GPU where there is one.
    num_workers : int, default=0
        Processes that read images.
    random_state : int, default=0
        Seed of order and augmentation. The same seed repeats a run on the same machine.
    progress : bool, default=False
        Whether to show a bar on the terminal.

    Attributes
    ----------
    history_ : list of dict
        For each epoch ``epoch`` (from 1), ``classification``, ``bbox_regression`` (mean losses, of
        the first process), ``seconds``, and ``average_precision`` and ``ap50`` where it was
        validated.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from focaltab.datasets import make_defects
    >>> from focaltab.detection import CocoDataset, DetectorTrainer, focal_retinanet
    >>> model = focal_retinanet(3, min_size=64, max_size=64, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     make_defects(4, size=64, random_state=0).write_coco(f"{folder}/defects")
    ...     trainer = DetectorTrainer(model, max_epochs=1, batch_size=2)
    ...     trainer = trainer.fit(CocoDataset(f"{folder}/defects"))
    >>> sorted(trainer.history_[0])
    ['bbox_regression', 'classification', 'epoch', 'seconds']
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        learning_rate: float = 3e-4,
        weight_decay: float = 1e-4,
        batch_size: int = 8,
        max_epochs: int = 20,
        warm_up: float = 0.05,
        max_grad_norm: float = 10.0,
        ema_decay: float | None = None,
        augmentation: Strength | Transforms = "light",
        mixed_precision: bool | Literal["auto"] = "auto",
        channels_last: bool | Literal["auto"] = "auto",
        device: str | torch.device = "auto",
        num_workers: int = 0,
        random_state: int = 0,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.warm_up = warm_up
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.augmentation = augmentation
        self.mixed_precision = mixed_precision
        self.channels_last = channels_last
        self.device = device
        self.num_workers = num_workers
        self.random_state = random_state
        self.progress = progress
        self.history_: list[dict[str, float]] = []
        self._check()

    def _check(self) -> None:
        if self.optimizer not in ("adamw", "sgd"):
            raise ValueError(f"optimizer must be 'adamw' or 'sgd', got {self.optimizer!r}.")
        for name, least in (("batch_size", 1), ("max_epochs", 1), ("num_workers", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)!r}.")
        for name in ("learning_rate", "max_grad_norm"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}.")
        if not self.weight_decay >= 0.0:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay!r}.")
        if not 0.0 <= self.warm_up < 1.0:
            raise ValueError(f"warm_up must be in [0, 1), got {self.warm_up!r}.")
        seed = self.random_state
        if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"random_state must be a whole number from 0, got {seed!r}.")
        if self.ema_decay is not None and not 0.0 < self.ema_decay < 1.0:
            raise ValueError(f"ema_decay must be in (0, 1), got {self.ema_decay!r}.")
        self._augment: Transforms = (
            self.augmentation
            if callable(self.augmentation)
            else training_transforms(self.augmentation)
        )

    def fit(
        self,
        dataset: CocoDataset,
        validation: CocoDataset | None = None,
        *,
        validate_every: int = 1,
        checkpoint: str | Path | None = None,
        resume: bool = False,
    ) -> DetectorTrainer:
        """Train; the model is left in evaluation mode, on the device.

        Parameters
        ----------
        dataset : CocoDataset
        validation : CocoDataset, default=None
            Evaluated after the epochs of `validate_every`, and after the last.
        validate_every : int, default=1
        checkpoint : path, default=None
            File that holds the state of the run after each epoch, replaced in one step.
        resume : bool, default=False
            Whether to go on from the checkpoint where it exists. The outcome is that of an
            unbroken run.

        Returns
        -------
        DetectorTrainer
            Itself.

        Raises
        ------
        ValueError
            For data without any box (also to validate on), of other classes than the model's, or
            a checkpoint of another run; also if the loss stops being a number.
        FileExistsError
            If the checkpoint exists and is not to be resumed.
        """
        check_classes(self.model, dataset)
        if not any(record.boxes for record in dataset.records):
            raise ValueError(f"{dataset.source} holds no boxes: there is nothing to learn.")
        if validation is not None:
            _check_validation(validation, dataset)
        if validate_every < 1:
            raise ValueError(f"validate_every must be at least 1, got {validate_every!r}.")
        path = None if checkpoint is None else Path(checkpoint)
        if path is not None and not (resume and path.exists()):
            check_new(path)
        with process_group(self.device) as group:
            run = _Run(self, dataset, group)
            # Every process must have looked before the first one writes.
            group.wait()
            if path is not None and path.exists():
                run.restore(read_checkpoint(path, run.facts))
            self._run(run, validation, validate_every, path)
        self.history_ = run.history
        self.model.eval()
        return self

    def _run(
        self, run: _Run, validation: CocoDataset | None, validate_every: int, path: Path | None
    ) -> None:
        n_done = len(run.history)
        left = (self.max_epochs - n_done) * run.n_batches
        with progress_bar(left, self.progress and run.group.is_first) as advance:
            for epoch in range(n_done, self.max_epochs):
                start = time.perf_counter()
                figures: dict[str, float] = {"epoch": epoch + 1}
                figures |= run.train_epoch(epoch, advance)
                is_last = epoch + 1 == self.max_epochs
                if validation is not None and ((epoch + 1) % validate_every == 0 or is_last):
                    figures |= run.validate(validation)
                figures["seconds"] = time.perf_counter() - start
                run.history.append(figures)
                if path is not None and run.group.is_first:
                    write_checkpoint(path, run.facts, run.state())
                run.group.wait()
        run.finish()


def _check_validation(validation: CocoDataset, dataset: CocoDataset) -> None:
    """Refuse what could not be evaluated before an epoch is spent on it."""
    require("pycocotools", "validation", extra="detection")
    if validation.class_names != dataset.class_names:
        raise ValueError(
            f"{validation.source} has the classes {validation.class_names}, but "
            f"{dataset.source} has {dataset.class_names}."
        )
    if not any(record.boxes for record in validation.records):
        raise ValueError(
            f"The {len(validation)} images to validate on, of {validation.source}, hold no boxes: "
            "average precision has no value there."
        )


class _Run:
    """What one call of `fit` holds: the model in all its wrappings, and how far it is."""

    def __init__(self, trainer: DetectorTrainer, dataset: CocoDataset, group: Group) -> None:
        self.trainer = trainer
        self.group = group
        self.history: list[dict[str, float]] = []
        on_gpu = group.device.type == "cuda"
        self.model = trainer.model.to(group.device)
        if on_gpu if trainer.channels_last == "auto" else trainer.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        mixed = on_gpu if trainer.mixed_precision == "auto" else trainer.mixed_precision
        self.precision = Precision(self.model, group.device, mixed)
        self.average = (
            None if trainer.ema_decay is None else make_average(self.model, trainer.ema_decay)
        )
        self.optimizer = make_optimizer(
            trainer.optimizer,
            self.model,
            # Numbers of NumPy would stand in the checkpoint, which reads back plain ones only.
            float(trainer.learning_rate),
            float(trainer.weight_decay),
        )
        self.wrapped: nn.Module = self.model
        if group.size > 1:
            self.wrapped = DistributedDataParallel(
                self.model, device_ids=[group.device] if on_gpu else None
            )
        self.images = _Augmented(dataset, trainer._augment, trainer.random_state)
        self.sampler: DistributedSampler[Any] = DistributedSampler(
            self.images, group.size, group.rank, seed=int(trainer.random_state)
        )
        self.n_batches = -(-len(self.sampler) // trainer.batch_size)
        n_steps = trainer.max_epochs * self.n_batches
        self.schedule = Schedule(float(trainer.learning_rate), n_steps, float(trainer.warm_up))
        self.facts = self._facts(dataset, mixed)

    def _facts(self, dataset: CocoDataset, mixed: bool) -> dict[str, Any]:
        """All that decides the outcome."""
        augmentation = self.trainer.augmentation
        boxes = [(r.image_id, r.path.name, r.boxes, r.labels) for r in dataset.records]
        return {
            "class_names": list(dataset.class_names),
            **{name: getattr(self.trainer, name) for name in _DECISIVE},
            "augmentation": augmentation if isinstance(augmentation, str) else "the caller's own",
            "mixed_precision": mixed,
            "n_processes": self.group.size,
            "model": getattr(self.model, "recipe", type(self.model).__name__),
            "data": hashlib.sha256(repr(boxes).encode()).hexdigest(),
        }

    def train_epoch(self, epoch: int, advance: Advance) -> dict[str, float]:
        """Mean losses of an epoch, numbered from 0."""
        # A seed per epoch, so that a resumed run draws what an unbroken one would.
        seed = _seed(self.trainer.random_state, epoch, self.group.rank)
        self.sampler.set_epoch(epoch)
        self.images.epoch = epoch
        loader = DataLoader(
            self.images,
            self.trainer.batch_size,
            sampler=self.sampler,
            num_workers=self.trainer.num_workers,
            collate_fn=as_lists,
            generator=torch.Generator().manual_seed(seed),
        )

        def after_step(loss: float) -> None:
            if self.average is not None:
                self.average.update_parameters(self.model)
            advance(text=f"loss {loss:.4f}")

        self.wrapped.train()
        with torch.random.fork_rng(), _told_by_epoch(epoch, self.trainer.learning_rate):
            torch.manual_seed(seed)
            return run_epoch(
                self.wrapped,
                (self._on_device(batch) for batch in _in_one_line(loader)),
                self.optimizer,
                self.schedule.at,
                epoch * self.n_batches,
                self.precision,
                self.trainer.max_grad_norm,
                after_step,
            )

    def _on_device(self, batch: Batch) -> Batch:
        device = self.group.device
        images, targets = batch
        return (
            [image.to(device, non_blocking=True) for image in images],
            [{name: value.to(device) for name, value in target.items()} for target in targets],
        )

    def validate(self, dataset: CocoDataset) -> dict[str, float]:
        """Average precision, from the first process alone."""
        if not self.group.is_first:
            return {}
        model: Any = self.model if self.average is None else self.average.module
        figures = evaluate_detector(model, dataset, batch_size=self.trainer.batch_size)
        return {name: figures[name] for name in ("average_precision", "ap50")}

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "history": self.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.history = list(state["history"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def finish(self) -> None:
        """Leave the weights that count in the caller's model."""
        if self.average is not None:
            self.model.load_state_dict(self.average.module.state_dict())


class _Augmented(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Images and the targets that a detector trains on."""

    def __init__(self, dataset: CocoDataset, augment: Transforms, random_state: int) -> None:
        self.dataset = dataset
        self.augment = augment
        self.random_state = random_state
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        # A seed per image, so that changes do not depend on which process reads it.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(self.random_state, self.epoch, index))
            image, target = self.augment(*self.dataset[index])
        boxes = torch.as_tensor(target["boxes"], dtype=torch.float32).reshape(-1, 4)
        return image.as_subclass(Tensor), {
            "boxes": boxes.as_subclass(Tensor),  # type: ignore[arg-type]
            "labels": target["labels"],
        }


def _seed(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def _in_one_line(loader: DataLoader[Any]) -> Iterator[Batch]:
    """Batches; a process that reads images reports its error in one line, as this one does."""
    try:
        yield from loader
    except ValueError as error:
        _, worker, report = str(error).partition("Original Traceback")
        raise ValueError(report.rpartition("ValueError: ")[2]) if worker else error from None


@contextmanager
def _told_by_epoch(epoch: int, learning_rate: float) -> Iterator[None]:
    try:
        yield
    except FloatingPointError as error:
        raise ValueError(
            f"In epoch {epoch + 1} {error}: learning_rate={learning_rate:g} is too high for these "
            f"data. Try {learning_rate / 10.0:g}."
        ) from None
