"""Fewer negatives to train on, chosen so that the model stays that of all rows."""

from focaltab.sampling._hard_negative import HardNegativeSampling
from focaltab.sampling._sampled import SamplingResult

__all__ = ["HardNegativeSampling", "SamplingResult"]
