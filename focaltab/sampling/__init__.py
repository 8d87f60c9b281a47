"""Fewer negatives to train on, chosen so that the model stays that of all rows."""

from focaltab.sampling._draw import Drawn
from focaltab.sampling._hard_negative import HardNegativeSampling, Sampling
from focaltab.sampling._sampled import SampledRows, check_sampling, sample

__all__ = [
    "Drawn",
    "HardNegativeSampling",
    "SampledRows",
    "Sampling",
    "check_sampling",
    "sample",
]
