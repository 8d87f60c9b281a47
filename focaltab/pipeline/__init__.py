"""Preprocessing, resampling, a model and its decisions as one scikit-learn estimator."""

from focaltab.pipeline._features import TableFeatures
from focaltab.pipeline._kinds import ColumnWarning
from focaltab.pipeline._make import make_pipeline
from focaltab.pipeline._resampled import ResampledClassifier
from focaltab.pipeline._steps import TabularPipeline

__all__ = [
    "ColumnWarning",
    "ResampledClassifier",
    "TableFeatures",
    "TabularPipeline",
    "make_pipeline",
]
