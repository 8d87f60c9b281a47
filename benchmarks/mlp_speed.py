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

N_ROWS, N_FEATURES, N_PREDICTED = 200_000, 30, 1_000_000
HIDDEN, BATCH, N_EPOCHS = (256, 128), 256, 5
N_LOGITS = 10_000_000


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    warnings.simplefilter("ignore")  # scikit-learn's network did not converge in five epochs
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    y = (rng.random(N_ROWS) < expit(-4.0 + X[:, 0] + X[:, 1] * X[:, 2])).astype(np.int64)
    single = X.astype(np.float32)
    new = rng.normal(size=(N_PREDICTED, N_FEATURES))
    fits = [
        ("against scikit-learn", _focal, X, _scikit_learn, X),
        ("against scikit-learn, X in float32", _focal, single, _scikit_learn, single),
        ("against skorch, X in float32", _focal, single, _skorch, single),
    ]
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

{n_pairs} alternating pairs on two threads: hidden layers {HIDDEN}, batches of {BATCH}, {N_EPOCHS}
epochs, no early stopping, dropout or embeddings.

{markdown(rows, "s")}

## Forward and backward pass of the loss, {N_LOGITS:,} logits in float32

`TorchFocalLoss` against `torchvision.ops.sigmoid_focal_loss`, gamma=2, alpha=0.25, summed.

{markdown(speed, "ms")}

Peak memory of the two passes, less what is resident before them (logits and labels):

{markdown(memory, "MiB")}

{environment("torch", "torchvision", "scikit-learn", "skorch")}
"""


def _focal() -> Any:
    return FocalMLPClassifier(
        HIDDEN,
        batch_size=BATCH,
        max_iter=N_EPOCHS,
        early_stopping=False,
        dropout=0.0,
        numeric_embedding=None,
        random_state=0,
    )


def _scikit_learn() -> Any:
    return MLPClassifier(HIDDEN, batch_size=BATCH, max_iter=N_EPOCHS, random_state=0)


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
