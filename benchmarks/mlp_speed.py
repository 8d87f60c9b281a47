"""The network's training, prediction and loss, against scikit-learn, skorch and torchvision."""

from __future__ import annotations

import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn
from torchvision.ops import sigmoid_focal_loss

from benchmarks._network import Network
from benchmarks._pairs import (
    alternate,
    compare,
    environment,
    markdown,
    measure,
    peak_memory,
    restart_peak_memory,
)
from focaltab import FocalMLPClassifier
from focaltab.losses import FocalLoss, TorchFocalLoss
from focaltab.neural._parameters import BFLOAT16_UNITS

N_ROWS, N_FEATURES, N_PREDICTED = 200_000, 30, 1_000_000
HIDDEN, N_EPOCHS = (256, 128), 5
# Of 200,000 rows the first makes 98 steps an epoch; the second is common for fewer rows.
BATCH, SMALL_BATCH = 2048, 256
N_LOGITS = 10_000_000


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    warnings.simplefilter("ignore")  # scikit-learn's network did not converge in five epochs
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    y = (rng.random(N_ROWS) < expit(-4.0 + X[:, 0] + X[:, 1] * X[:, 2])).astype(np.int64)
    single = X.astype(np.float32)
    new = rng.normal(size=(N_PREDICTED, N_FEATURES))
    mixed = partial(_focal, mixed_precision=True)
    fits = [
        ("mixed precision, against scikit-learn", mixed, X, _scikit_learn, X),
        ("float32, against scikit-learn", _focal, X, _scikit_learn, X),
        (
            "mixed precision, against scikit-learn given float32",
            mixed,
            single,
            _scikit_learn,
            single,
        ),
        ("float32, against scikit-learn given float32", _focal, single, _scikit_learn, single),
        ("mixed precision, against skorch in float32", mixed, single, _skorch, single),
        ("float32, against skorch in float32", _focal, single, _skorch, single),
        (
            f"float32, batches of {SMALL_BATCH}, against scikit-learn",
            partial(_focal, SMALL_BATCH),
            X,
            partial(_scikit_learn, SMALL_BATCH),
            X,
        ),
    ]
    mixed().fit(X[:BATCH], y[:BATCH])  # the first products in bfloat16 take a second more
    rows = []
    for name, ours, X_ours, theirs, X_theirs in fits:
        pairs = alternate(
            partial(measure, lambda m=ours, X=X_ours: m().fit(X, y)),
            partial(measure, lambda m=theirs, X=X_theirs: m().fit(X, y)),
            n_pairs,
        )
        rows.append(compare(f"training, {name}", pairs))
    a, b = _focal().fit(X, y), _scikit_learn().fit(X, y)
    pairs = alternate(
        partial(measure, partial(a.predict_proba, new)),
        partial(measure, partial(b.predict_proba, new)),
        n_pairs,
    )
    rows.append(compare(f"prediction of {N_PREDICTED:,} rows, against scikit-learn", pairs))
    speed, memory = _loss_rows(n_pairs)
    return f"""## The network, {N_ROWS:,} x {N_FEATURES}

{n_pairs} alternating pairs on two threads: hidden layers {HIDDEN}, batches of {BATCH:,} on both
sides where nothing else is said, {N_EPOCHS} epochs, no early stopping, dropout or embeddings. X is
float64, as NumPy makes it, where nothing else is said: scikit-learn then trains in float64.
FocalMLPClassifier trains in float32, or with `mixed_precision=True` multiplies hidden layers in
bfloat16, which {_bfloat16()}.

{markdown(rows, "s")}

## Forward and backward pass of the loss, {N_LOGITS:,} logits in float32

`TorchFocalLoss` against `torchvision.ops.sigmoid_focal_loss`, gamma=2, alpha=0.25, summed.

{markdown(speed, "ms")}

Peak memory of the two passes, less what is resident before them (logits and labels):

{markdown(memory, "MiB")}

{environment("torch", "torchvision", "scikit-learn", "skorch")}
"""


def _bfloat16() -> str:
    """What this CPU says of bfloat16."""
    found = torch.cpu.get_capabilities()
    units = [name for name in BFLOAT16_UNITS if found.get(name)]
    return f"this CPU does by {', '.join(units)}" if units else "this CPU cannot"


def _focal(batch: int = BATCH, *, mixed_precision: bool = False) -> Any:
    return FocalMLPClassifier(
        HIDDEN,
        batch_size=batch,
        mixed_precision=mixed_precision,
        max_iter=N_EPOCHS,
        early_stopping=False,
        dropout=0.0,
        numeric_embedding=None,
        random_state=0,
    )


def _scikit_learn(batch: int = BATCH) -> Any:
    return MLPClassifier(HIDDEN, batch_size=batch, max_iter=N_EPOCHS, random_state=0)


def _skorch() -> Any:
    return NeuralNetClassifier(
        Network,
        module__hidden=HIDDEN,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.001,
        batch_size=BATCH,
        max_epochs=N_EPOCHS,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )


def _logits() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(N_LOGITS, generator=generator) * 2.0 - 3.0
    y = (torch.rand(N_LOGITS, generator=generator) < 0.01).float()
    return raw.requires_grad_(), y


def _loss(name: str) -> Any:
    if name == "torchvision":
        return partial(sigmoid_focal_loss, alpha=0.25, gamma=2.0, reduction="sum")
    return TorchFocalLoss(FocalLoss(2.0, 0.25, link=name), "sum")  # type: ignore[arg-type]


def _loss_rows(n_pairs: int) -> tuple[list, list]:
    raw, y = _logits()

    def both_passes(criterion: Any) -> float:
        raw.grad = None
        return 1e3 * measure(lambda: criterion(raw, y).backward())

    theirs = partial(both_passes, _loss("torchvision"))
    speed, memory = [], []
    for link in ("focal", "logit"):
        pairs = alternate(partial(both_passes, _loss(link)), theirs, n_pairs)
        speed.append(compare(f'link="{link}"', pairs))
        memory.append(compare(f'link="{link}"', [(_extra(link), _extra("torchvision"))]))
    return speed, memory


def _extra(name: str) -> float:
    """MiB that the passes of a process of its own need at most, beside logits and labels."""
    command = [sys.executable, "-m", "benchmarks.mlp_speed", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _passes(name: str) -> None:
    raw, y = _logits()
    criterion = _loss(name)
    criterion(raw[:1000].detach().requires_grad_(), y[:1000]).backward()  # tables and libraries
    before = restart_peak_memory()
    criterion(raw, y).backward()
    print(peak_memory() - before)


if __name__ == "__main__":
    _passes(sys.argv[1])
