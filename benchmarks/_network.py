"""The plain network that other libraries are given to train."""

from __future__ import annotations

import torch
from torch import nn


class Network(nn.Module):
    """Two hidden layers and two logits."""

    def __init__(self, hidden: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LazyLinear(hidden[0]),
            nn.ReLU(),
            nn.Linear(*hidden),
            nn.ReLU(),
            nn.Linear(hidden[1], 2),
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.layers(X)
