"""Fewer negatives to train on, chosen so that the model stays that of all rows."""

from focaltab.sampling._draw import Drawn, draw
from focaltab.sampling._hard_negative import HardNegativeSampling, Sampling, sampling_of

__all__ = ["Drawn", "HardNegativeSampling", "Sampling", "draw", "sampling_of"]
