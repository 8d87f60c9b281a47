"""The loss core: focal loss, its two links, its class weights. NumPy and SciPy only."""

from focaltab.losses._class_weights import ClassBalanced
from focaltab.losses._focal import FocalLoss

__all__ = ["ClassBalanced", "FocalLoss"]
