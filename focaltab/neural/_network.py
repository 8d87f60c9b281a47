"""The network: embeddings, hidden layers and an output, for one member or many.

With several members it is the ensemble of TabM (Gorishniy, Kotelnikov and Babenko, ICLR 2025):
they share the weights of the hidden layers but for scales of their own (BatchEnsemble), and each
has its own output. Layers are those of the `tabm` and `rtdl_num_embeddings` packages.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

NumericEmbedding = Literal["piecewise_linear", "periodic"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    # In place: what a linear layer returns is not needed for its own gradient.
    "relu": partial(nn.ReLU, inplace=True),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
# Of the output's weights, so that a network starts at its bias (Lin et al. 2017, section 4.1).
_OUTPUT_STD = 0.01


class FocalNetwork(nn.Module):
    """Raw predictions of tables of numbers and categories.

    Parameters
    ----------
    n_numbers, n_gaps : int
        Columns of scaled numbers and of missing-value flags.
    cardinalities : sequence of int
        Of the categories.
    hidden_layer_sizes : sequence of int
    activation : str
        A key of `ACTIVATIONS`.
    dropout : float
    numeric_embedding : Module or None
        From `make_numeric_embedding`.
    n_members : int
    n_outputs : int
        1 for two classes, else one per class.
    """

    # Whether hidden layers multiply in bfloat16 while they train; predictions never do.
    mixed_precision = False

    def __init__(
        self,
        n_numbers: int,
        n_gaps: int,
        cardinalities: Sequence[int],
        hidden_layer_sizes: Sequence[int],
        activation: str,
        dropout: float,
        numeric_embedding: nn.Module | None,
        n_members: int,
        n_outputs: int,
    ) -> None:
        super().__init__()
        self.numeric_embedding = numeric_embedding
        widths = [min(64, math.ceil(1.6 * size**0.56)) for size in cardinalities]
        self.category_embeddings = nn.ModuleList(
            _category_embedding(size, width)
            for size, width in zip(cardinalities, widths, strict=True)
        )
        width = n_numbers
        if numeric_embedding is not None:
            embedded: Any = numeric_embedding
            width *= int(embedded.get_output_shape()[-1])
        # A table of constants leaves the output's bias alone.
        width = max(1, width + n_gaps + sum(widths))
        self.width = width
        layers: list[nn.Module] = []
        for k, size in enumerate(hidden_layer_sizes):
            layers.append(_linear(width, size, n_members, first=k == 0))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0.0:
                layers.append(nn.Dropout(dropout))
            width = size
        self.hidden = nn.Sequential(*layers)
        self.output = _output(width, n_outputs, n_members)
        self.n_members = n_members

    def forward(self, numbers: Tensor, gaps: Tensor, categories: Tensor) -> Tensor:
        """Raw predictions, shape (n_samples, n_members, n_outputs).

        Parameters
        ----------
        numbers : Tensor of shape (n_samples, n_numbers), float
        gaps : Tensor of shape (n_samples, n_gaps), float
        categories : Tensor of shape (n_samples, n_categories), int64
        """
        parts = [numbers, gaps]
        if self.numeric_embedding is not None:
            parts[0] = self.numeric_embedding(numbers).flatten(1)
        parts += [
            embedding(categories[:, k]) for k, embedding in enumerate(self.category_embeddings)
        ]
        parts = [part for part in parts if part.shape[1]]
        if not parts:
            parts = [numbers.new_zeros(numbers.shape[0], 1)]
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if self.n_members > 1:
            x = x[:, None].expand(-1, self.n_members, -1)
        with self._hidden_precision(x.device.type):
            x = self.hidden(x)
        raw: Tensor = self.output(x.to(self.dtype))
        return raw if self.n_members > 1 else raw[:, None]

    def _hidden_precision(self, device: str) -> AbstractContextManager[Any]:
        if not (self.mixed_precision and self.training):
            return nullcontext()
        # Float32 weights are cast once a step, and their gradients come back in float32.
        return torch.autocast(device, torch.bfloat16)

    @property
    def dtype(self) -> torch.dtype:
        """Float type of the weights, which inputs must have."""
        return next(self.output.parameters()).dtype

    @torch.no_grad()
    def start_from(self, intercept: Any) -> None:
        """Set the output's bias to the loss's intercept: a number, or one for each class."""
        bias: Any = self.output.bias
        bias.copy_(torch.as_tensor(intercept, dtype=bias.dtype).reshape(-1).expand_as(bias))


def layer_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Units of each hidden layer, of a number or any sequence of them."""
    return tuple(np.atleast_1d(hidden_layer_sizes).tolist())


def make_numeric_embedding(name: NumericEmbedding | None, bins: Sequence[Any]) -> nn.Module | None:
    """Embedding of scaled numbers by name; `bins` are the edges of each column's bins."""
    if name is None or not bins:
        return None
    import rtdl_num_embeddings as rtdl

    if name == "periodic":
        return rtdl.PeriodicEmbeddings(len(bins), 16, lite=True)
    edges = [torch.from_numpy(column) for column in bins]
    with warnings.catch_warnings():
        # Of every column of two values, which then is scaled to 0 and 1, as it should be.
        warnings.filterwarnings("ignore", "The .* feature has just two bin edges")
        return rtdl.PiecewiseLinearEmbeddings(edges, 8, activation=False, version="B")


def _category_embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width)
    nn.init.normal_(embedding.weight, std=1.0 / math.sqrt(width))
    with torch.no_grad():
        embedding.weight[0] = 0.0  # the unknown category says nothing
    return embedding


def _linear(n_in: int, n_out: int, n_members: int, *, first: bool) -> nn.Module:
    if n_members == 1:
        layer = nn.Linear(n_in, n_out)
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        return layer
    import tabm

    # Random signs where members part, ones after: what TabM starts from.
    scaling = ("random-signs", "ones") if first else "ones"
    return tabm.LinearBatchEnsemble(n_in, n_out, k=n_members, scaling_init=scaling)


def _output(n_in: int, n_out: int, n_members: int) -> nn.Module:
    if n_members == 1:
        layer: Any = nn.Linear(n_in, n_out)
    else:
        import tabm

        layer = tabm.LinearEnsemble(n_in, n_out, k=n_members)
    nn.init.normal_(layer.weight, std=_OUTPUT_STD)
    return layer
