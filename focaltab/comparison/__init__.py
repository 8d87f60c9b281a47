"""Does focal loss help on these data? Losses and samplings side by side, on the same folds."""

from focaltab.comparison._compare import LossComparison, compare_losses

__all__ = ["LossComparison", "compare_losses"]
