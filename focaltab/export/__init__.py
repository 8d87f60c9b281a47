"""Fitted models as ONNX: a table in, calibrated probabilities out, and no Python between."""

from focaltab.export._feed import onnx_inputs
from focaltab.export._to_onnx import to_onnx

__all__ = ["onnx_inputs", "to_onnx"]
