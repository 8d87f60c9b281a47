"""Are probabilities right, and how to put them right when the prevalence has changed."""

from focaltab.calibration._prior import estimate_prevalence, prior_shift, undo_resampling
from focaltab.calibration._table import calibration_table

__all__ = ["calibration_table", "estimate_prevalence", "prior_shift", "undo_resampling"]
