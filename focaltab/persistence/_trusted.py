"""Types that `load` makes from a file, beside those that skops trusts (scikit-learn's estimators).

Named, never searched for: a type is here because making it, with any content, runs nothing but its
own ``__setstate__``. Where a saved class moves, its old name must stay importable.
"""

from __future__ import annotations

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
    "focaltab.workflow._features": "Schema",
    "focaltab.workflow._table_classifier": "TableClassifier",
    "imblearn.ensemble._bagging": "BalancedBaggingClassifier",
    "imblearn.ensemble._easy_ensemble": "EasyEnsembleClassifier",
    "imblearn.ensemble._forest": "BalancedRandomForestClassifier",
    "imblearn.ensemble._weight_boosting": "RUSBoostClassifier",
    "imblearn.over_sampling._adasyn": "ADASYN",
    "imblearn.over_sampling._random_over_sampler": "RandomOverSampler",
    "imblearn.over_sampling._smote.base": "SMOTE SMOTEN SMOTENC",
    "imblearn.over_sampling._smote.filter": "BorderlineSMOTE SVMSMOTE",
    "imblearn.pipeline": "Pipeline",
    "imblearn.under_sampling._prototype_selection._nearmiss": "NearMiss",
    "imblearn.under_sampling._prototype_selection._random_under_sampler": "RandomUnderSampler",
    "imblearn.under_sampling._prototype_selection._tomek_links": "TomekLinks",
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier",
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration",
    # Trees are read without bounds: a forged one can crash the process, as a forged booster can.
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif",
    "sklearn.metrics._classification": "accuracy_score balanced_accuracy_score brier_score_loss "
    "f1_score jaccard_score log_loss matthews_corrcoef precision_score recall_score",
    "sklearn.metrics._dist_metrics": "EuclideanDistance32 EuclideanDistance64",
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score",
    "sklearn.metrics._scorer": "_CurveScorer _PassthroughScorer _Scorer",
    "sklearn.model_selection._split": "GroupKFold KFold RepeatedStratifiedKFold "
    "StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit",
    "sklearn.neighbors._ball_tree": "BallTree",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.tree._tree": "Tree",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier",
}

TRUSTED = frozenset(f"{home}.{name}" for home, names in _NAMES.items() for name in names.split())
