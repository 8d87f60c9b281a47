"""Focal loss for XGBoost and LightGBM on a Dask cluster, through the libraries' own interfaces."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.distributed._lightgbm import DaskFocalLGBMClassifier
    from focaltab.distributed._xgboost import DaskFocalXGBClassifier

__all__ = ["DaskFocalLGBMClassifier", "DaskFocalXGBClassifier"]


def __getattr__(name: str) -> Any:
    # Each estimator imports its library, and Dask, only when it is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    for package in ("dask", "distributed"):
        require(package, name, extra="dask")
    if name == "DaskFocalXGBClassifier":
        from focaltab.distributed._xgboost import DaskFocalXGBClassifier

        return DaskFocalXGBClassifier
    from focaltab.distributed._lightgbm import DaskFocalLGBMClassifier

    return DaskFocalLGBMClassifier
