"""Many different models, combined by what each adds on rows it has not seen."""

from focaltab.ensemble._estimator import FocalEnsembleClassifier
from focaltab.ensemble._members import default_members

__all__ = ["FocalEnsembleClassifier", "default_members"]
