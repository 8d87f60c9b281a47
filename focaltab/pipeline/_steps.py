"""A scikit-learn pipeline that takes weights and evaluation sets as its last step would."""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import UNUSED

from focaltab.data import checked_labels, evaluation_pairs, refuse_lazy, weight_keyword
from focaltab.pipeline._needs import reads_batches


class TabularPipeline(Pipeline):  # type: ignore[misc]
    """scikit-learn's pipeline, with ``fit(X, y, sample_weight=w, eval_set=[(X_stop, y_stop)])``.

    A plain pipeline refuses weights unless they are called ``model__sample_weight`` or metadata
    routing is on, and hands evaluation sets to its last step as they are, without the columns that
    the other steps make. Here weights go to the last step under their own name as well, and
    evaluation sets through the steps before it. All else, such as the parameters, is as in
    ``sklearn.pipeline.Pipeline``; `make_pipeline` builds one.
    """

    # It is a router: what its steps request is what counts.
    __metadata_request__fit = {"sample_weight": UNUSED, "eval_set": UNUSED}  # noqa: RUF012

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, eval_set: Any = None, **params: Any
    ) -> Any:
        """Fit all steps.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            For the last step; under metadata routing for each step that requests it.
        eval_set : (X, y) or list of such, default=None
            Rows to stop early by, with the columns of `X`. They teach the steps before the last one
            nothing.
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
        if not reads_batches(self.steps[-1][1]):
            refuse_lazy(X, type(self.steps[-1][1]).__name__)
        if eval_set is not None:
            return self._fit_and_evaluate(X, y, sample_weight, evaluation_pairs(eval_set), params)
        if sample_weight is not None:
            if get_config()["enable_metadata_routing"]:
                params["sample_weight"] = sample_weight
            else:
                name, last = self.steps[-1]
                # A step that takes none refuses this name.
                keyword = weight_keyword(last) or "sample_weight"
                params[f"{name}__{keyword}"] = sample_weight
        return super().fit(X, y, **params)

    def _fit_and_evaluate(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        pairs: list[tuple[Any, Any]],
        params: dict[str, Any],
    ) -> Any:
        name, last = self.steps[-1]
        own = {key: value for key, value in params.items() if key.startswith(f"{name}__")}
        others = {key: value for key, value in params.items() if key not in own}
        options = {key.removeprefix(f"{name}__"): value for key, value in own.items()}
        if sample_weight is not None:
            options[weight_keyword(last) or "sample_weight"] = sample_weight
        if len(self.steps) > 1:
            head = self[:-1]
            X = head.fit_transform(X, y, **others)
            self.steps[:-1] = head.steps
            pairs = [(head.transform(X_stop), y_stop) for X_stop, y_stop in pairs]
        if last not in (None, "passthrough"):
            last.fit(X, y, eval_set=pairs, **options)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        first = self.steps[0][1]
        if hasattr(first, "fit"):
            # What comes in meets the first step; scikit-learn asks all steps for one tag alone.
            given = get_tags(first).input_tags
            for name in ("allow_nan", "string", "categorical"):
                setattr(tags.input_tags, name, getattr(given, name))
        return tags
