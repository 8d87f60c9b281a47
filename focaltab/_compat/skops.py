"""skops: the types of other libraries that a saved model may hold, and what skops cannot follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from focaltab._compat.sklearn import requests_of

# By the modules that they live in, mostly private ones. Where a library moves one, a model that
# holds it cannot be saved without `trusted`, and a saved one not be loaded.
_NAMES = {
    "collections": "OrderedDict",
    "numpy": "dtype",
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


@contextmanager
def owners_by_name(model: Any) -> Iterator[None]:
    """Put names in the place of the owners of metadata requests while the block runs.

    A request of scikit-learn's holds the estimator that holds it, and skops follows such a circle
    without an end. The owner is there for error messages alone, which take its name as well. Were
    requests kept elsewhere, a model with any could not be saved.
    """
    owned = list(_owned(model, set()))
    owners = [request.owner for request in owned]
    try:
        for request, owner in zip(owned, owners, strict=True):
            request.owner = type(owner).__name__
        yield
    finally:
        for request, owner in zip(owned, owners, strict=True):
            request.owner = owner


def _owned(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Every request inside of a model that holds its owner."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    requests = requests_of(thing)
    if isinstance(thing, dict):
        inside: Any = thing.values()
    elif isinstance(thing, list | tuple):
        inside = thing
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        inside = thing.ravel().tolist()
    elif requests is not None:
        inside = vars(thing).values()
        for request in requests:
            if not isinstance(getattr(request, "owner", ""), str):
                yield request
    else:
        return
    for item in inside:
        yield from _owned(item, seen)
