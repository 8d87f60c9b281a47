"""A scikit-learn pipeline that takes ``sample_weight`` as its last step would."""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import UNUSED

from focaltab.data import checked_labels, weight_keyword


class TabularPipeline(Pipeline):  # type: ignore[misc]
    """scikit-learn's pipeline, with ``fit(X, y, sample_weight=w)``.

    A plain pipeline refuses weights unless they are called ``model__sample_weight`` or metadata
    routing is on. Here they go to the last step under their own name as well. All else, such as
    the parameters, is as in ``sklearn.pipeline.Pipeline``; `make_pipeline` builds one.
    """

    # It is a router: what its steps request is what counts.
    __metadata_request__fit = {"sample_weight": UNUSED}  # noqa: RUF012

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> Any:
        """Fit all steps.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            For the last step; under metadata routing for each step that requests it.
        **params
            As scikit-learn's pipeline takes them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Names the row of a missing label.
        """
        if y is not None:
            checked_labels(y)
        if sample_weight is not None:
            if get_config()["enable_metadata_routing"]:
                params["sample_weight"] = sample_weight
            else:
                name, last = self.steps[-1]
                # A step that takes none refuses this name.
                keyword = weight_keyword(last) or "sample_weight"
                params[f"{name}__{keyword}"] = sample_weight
        return super().fit(X, y, **params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        first = self.steps[0][1]
        if hasattr(first, "fit"):
            # What comes in meets the first step; scikit-learn asks all steps for one tag alone.
            given = get_tags(first).input_tags
            for name in ("allow_nan", "string", "categorical"):
                setattr(tags.input_tags, name, getattr(given, name))
        return tags
