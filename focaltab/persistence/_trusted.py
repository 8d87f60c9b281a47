"""Types that `load` makes from a file, beside those that skops trusts (scikit-learn's estimators).

Named, never searched for: a type is here because making it, with any content, runs nothing but its
own ``__setstate__``. Where a saved class moves, its old name must stay importable.
"""

from __future__ import annotations

from focaltab._compat import skops

_NAMES = {
    "collections": "OrderedDict",
    "numpy": "dtype",
    "focaltab.data._columns": "InputColumns",
    "focaltab.data._labels": "Classes",
    "focaltab.boosting._lightgbm": "FocalLGBMClassifier",
    "focaltab.boosting._objective": "BoosterObjective",
    "focaltab.boosting._xgboost": "FocalXGBClassifier",
    "focaltab.distributed._lightgbm": "DaskFocalLGBMClassifier",
    "focaltab.distributed._xgboost": "DaskFocalXGBClassifier",
    "focaltab.ensemble._estimator": "FocalEnsembleClassifier",
    "focaltab.ensemble._recalibration": "Recalibration",
    "focaltab.losses._class_weights": "ClassBalanced",
    "focaltab.losses._focal": "FocalLoss",
    # What a search or a tuned threshold scores by, called in `score` alone.
    "focaltab.metrics._decisions": "expected_cost max_f_beta max_matthews_corrcoef savings_score",
    "focaltab.metrics._probability": "brier_skill_score calibration_error log_loss_skill_score",
    "focaltab.metrics._ranking": "average_precision average_precision_gain lift_at_k "
    "partial_pr_area precision_at_k precision_at_recall recall_at_fpr recall_at_k "
    "recall_at_precision",
    "focaltab.model_selection._alert_budget": "AlertBudgetClassifier",
    "focaltab.model_selection._cost_threshold": "CostThresholdClassifier",
    "focaltab.model_selection._group_split": "GroupPrevalenceKFold",
    "focaltab.model_selection._paired": "FoldDifference",
    "focaltab.model_selection._scorers": "OfEitherClass",
    "focaltab.model_selection._search": "FocalSearchCV",
    "focaltab.model_selection._search_space": "SearchSpace",
    "focaltab.model_selection._time_gap_split": "TimeGapSplit",
    "focaltab.neural._estimator": "FocalMLPClassifier",
    "focaltab.pipeline._features": "TableFeatures",
    "focaltab.pipeline._parts": "DateParts KnownCategories Numbers OneHot Text",
    "focaltab.pipeline._resampled": "ResampledClassifier",
    "focaltab.pipeline._steps": "TabularPipeline",
    "focaltab.pipeline._threshold": "FixedThreshold TunedThreshold",
    "focaltab.sampling._hard_negative": "HardNegativeSampling",
    "focaltab.sampling._sampled": "SamplingResult",
}

_OURS = frozenset(f"{home}.{name}" for home, names in _NAMES.items() for name in names.split())

TRUSTED = _OURS | skops.TRUSTED
