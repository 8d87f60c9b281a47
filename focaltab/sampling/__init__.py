"""Fewer negatives to train on, chosen so that the model stays that of all rows."""

from focaltab.sampling._draw import FEWEST_POSITIVES, Drawn
from focaltab.sampling._hard_negative import HardNegativeSampling, Sampling, sampling_of
from focaltab.sampling._sampled import SampledRows, check_sampling, sample

__all__ = [
    "FEWEST_POSITIVES",
    "Drawn",
    "HardNegativeSampling",
    "SampledRows",
    "Sampling",
    "check_sampling",
    "sample",
    "sampling_of",
]
