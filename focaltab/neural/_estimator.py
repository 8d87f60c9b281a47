"""``FocalMLPClassifier``: a multilayer perceptron with focal loss and calibrated probabilities."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from focaltab._saving import part_writer
from focaltab._torch_device import resolve_device
from focaltab.data import (
    NETWORK,
    Classes,
    Rows,
    TrainingSet,
    check_continuation,
    histories_of,
    mean_best_scores,
    read_table,
    refuse_lazy,
    rounds_for_all_rows,
    warn_of_common_positive,
    warn_of_early_stop,
    whole_or_unchanged,
)
from focaltab.data._early_stopping import NETWORK_FOLDS
from focaltab.losses import FocalLoss
from focaltab.losses._focal import Alpha, LinkName
from focaltab.neural import _training
from focaltab.neural._batches import BalancedBatches, RowEncoder, ShuffledBatches
from focaltab.neural._encoder import TableEncoder
from focaltab.neural._network import (
    FocalNetwork,
    NumericEmbedding,
    layer_sizes,
    make_numeric_embedding,
)
from focaltab.neural._parameters import check_parameters, multiplies_bfloat16
from focaltab.neural._partial_fit import PartialFit, on_cpu
from focaltab.neural._posterior import ROWS_PER_PREDICTION, HeldOutScore, Posterior
from focaltab.neural._training import History, LearningRate, Metric, Objective, Plan
from focaltab.sampling import SamplingResult
from focaltab.sampling._hard_negative import HardNegativeSampling, Sampling
from focaltab.sampling._sampled import check_sampling, sample

# "auto" makes this many steps of an epoch, with batches within these bounds.
_AUTO_STEPS = 64
_AUTO_BATCHES = (64, 1024)
# A network of all rows has so many times the epochs that the folds were best with, and its cosine
# schedule ends there: they stop while the rate is high, and one that falls to 0 bears more.
_ANNEALED = 1.5
# "auto" stops early where this many rows of every class are held out, in all folds together.
_ENOUGH_HELD_OUT = 10


# What a trained network cannot change.
_ARCHITECTURE = (
    "hidden_layer_sizes",
    "activation",
    "dropout",
    "numeric_embedding",
    "n_members",
    "label_smoothing",
)


class FocalMLPClassifier(PartialFit, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Multilayer perceptron trained on focal loss, with calibrated probabilities.

    Parameters that scikit-learn's ``MLPClassifier`` has keep their meaning.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(256, 128)
    focal_gamma : float or (float, float), default=2.0
        Focusing parameter of the loss.
    focal_alpha : float, "balanced", ClassBalanced, dict, array-like or None, default=None
        Class weights inside the loss, as `FocalLoss` takes them, or ``{label: weight}``. Their
        effect on the probabilities is undone.
    link : {"logit", "focal"}, default="logit"
        Whether the network's outputs are true log-odds or the paper's margins. With several
        classes, ``"focal"`` trains faster: ``"logit"`` solves an equation for every row.
    normalize : bool, default=True
        Scale the loss so that its curvature at the prevalence is logistic loss's.
    class_weight : dict, "balanced" or None, default=None
        Multiplies sample weights. Unlike ``focal_alpha`` it changes the distribution that the
        probabilities are calibrated to.
    pos_label : str, int, float or bool, default=None
        Which of two labels is the positive class; None for the second in sorted order.
    activation : {"relu", "gelu", "silu", "tanh", "logistic", "identity"}, default="relu"
    dropout : float in [0, 1), default=0.3
        Share of hidden outputs set to zero in training.
    numeric_embedding : {"piecewise_linear", "periodic", None}, default="piecewise_linear"
        Embedding of numbers (Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical
        Features in Tabular Deep Learning", NeurIPS 2022). None is fastest.
    n_members : int, default=1
        Members of an efficient ensemble (TabM), whose probabilities are averaged.
    optimizer : {"adamw", "adam", "sgd"}, default="adamw"
    learning_rate_init : float, default=0.001
    learning_rate : {"cosine", "constant", "adaptive"}, default="cosine"
        ``"cosine"`` rises over the first twentieth of all steps and falls to 0 at ``max_iter``;
        ``"adaptive"`` divides the rate by 5 where scikit-learn's would.
    weight_decay : float, default=0.1
        In AdamW's sense (times the learning rate); an L2 penalty for the other optimizers.
    batch_size : int or "auto", default="auto"
        ``"auto"`` is a 64th of the rows, but at least 64 and at most 1024.
    max_iter : int, default=50
        Epochs at most.
    sampler : {None, "balanced"}, default=None
        ``"balanced"`` draws every class equally often; the probabilities are then corrected for
        it, exactly.
    sampling : {"hard_negative"}, HardNegativeSampling or None, default=None
        Train on all positives and the negatives that a small pilot network finds hard, with the
        offset that keeps the probabilities those of all rows; what is held out is thinned too.
        Faster where positives are rare. ``focal_alpha="balanced"`` and `normalize` go by the kept
        rows. Two classes, ``link="logit"``.
    label_smoothing : float in [0, 1), default=0.0
        Share of each label spread evenly over the classes; undone in the probabilities.
    early_stopping : bool or "auto", default="auto"
        Train as many epochs as held-out rows are predicted best with. ``"auto"`` does so where
        there are 10 rows of each class, or in a held-out part of `refit=False`.
    early_stopping_folds : "auto", int, splitter or list of splits, default="auto"
        Folds that early stopping goes by when ``fit`` gets no ``eval_set``: the network of all rows
        has the epochs at which those of the folds were best by log loss (the geometric mean; half
        as many again for the cosine schedule, which then ends there).
        "auto" is three stratified folds, and one part of `validation_fraction` from 200,000 rows.
    refit : bool, default=True
        Whether to train on all rows after that. With False, or a warm start, `validation_fraction`
        of the rows is held out once and not trained on, and the best epoch's weights are kept.
    validation_fraction : float, default=0.1
    n_iter_no_change : int or inf, default=10
        Epochs without an improvement by more than ``tol`` before training ends.
    tol : float, default=0.0001
        Of the average precision of an ``eval_set``; else of log loss, or without early stopping of
        the training loss, as a share of the first epoch's.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the fit before.
    device : str, default="auto"
        A torch device; ``"auto"`` is a GPU where there is one.
    mixed_precision : bool, default=False
        Whether hidden layers are multiplied in bfloat16 while they train: hidden outputs then have
        about 3 significant digits, weights, outputs, loss and predictions those of float32. It is
        faster on CPUs with AVX512_BF16 or AMX and on NVIDIA GPUs since Ampere, for batches of a
        thousand rows or more. Elsewhere a warning is given and training is in float32; it stays in
        float64 where one batch holds all rows.
    random_state : int, RandomState instance or None, default=None
        With a number, the same model on every CPU run.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    network_ : torch.nn.Module
    loss_ : FocalLoss
        The loss that was minimised, class weights and scale included.
    prevalence_ : float, or ndarray of shape (n_classes,) for more than two classes
        Weighted share of the positive class, or of each class.
    n_iter_ : int
        Epochs done.
    best_iter_ : int
        Epoch, counted from 1, whose weights are kept: the last one without early stopping.
    loss_curve_ : list of float
    validation_scores_ : list of float or None
        Average precision by epoch of an ``eval_set`` or a held-out part.
    best_validation_score_ : float or None
        Average precision at the best epoch, of folds the mean.
    evals_result_ : dict
        Average precision and log loss by epoch: of the evaluation set, or of each fold,
        ``"fold_0"`` and so on.
    sampling_ : SamplingResult or None
        The rows that were kept, and their acceptance.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where features have names.

    Notes
    -----
    Numbers are scaled inside, robustly. A missing number becomes the median, and columns that had
    missing values in training get a flag. Columns of pandas categories or text are embedded; a
    value that was not seen in training is treated as a missing one. Sparse matrices are made
    dense. A pickled model is moved to the CPU, so that one trained on a GPU loads anywhere. No
    ``ConvergenceWarning`` is given where training reaches ``max_iter``, since the cosine schedule
    is meant to run to its end.

    Examples
    --------
    >>> import numpy as np
    >>> from focaltab.neural import FocalMLPClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.lognormal(size=(2000, 4))
    >>> y = np.where(np.log(X[:, 0]) + rng.normal(size=2000) > 2.5, "fraud", "fine")
    >>> model = FocalMLPClassifier((32,), max_iter=20, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (2000, 2)
    """

    sampling_: SamplingResult | None
    encoder_: TableEncoder

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]] = (256, 128),
        *,
        focal_gamma: float | tuple[float, float] = 2.0,
        focal_alpha: Alpha = None,
        link: LinkName = "logit",
        normalize: bool = True,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        pos_label: Any = None,
        activation: str = "relu",
        dropout: float = 0.3,
        numeric_embedding: NumericEmbedding | None = "piecewise_linear",
        n_members: int = 1,
        optimizer: Literal["adamw", "adam", "sgd"] = "adamw",
        learning_rate_init: float = 0.001,
        learning_rate: LearningRate = "cosine",
        weight_decay: float = 0.1,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 50,
        sampler: Literal["balanced"] | None = None,
        sampling: Sampling = None,
        label_smoothing: float = 0.0,
        early_stopping: bool | Literal["auto"] = "auto",
        early_stopping_folds: Any = "auto",
        refit: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        device: str = "auto",
        mixed_precision: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.link = link
        self.normalize = normalize
        self.class_weight = class_weight
        self.pos_label = pos_label
        self.activation = activation
        self.dropout = dropout
        self.numeric_embedding = numeric_embedding
        self.n_members = n_members
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.sampler = sampler
        self.sampling = sampling
        self.label_smoothing = label_smoothing
        self.early_stopping = early_stopping
        self.early_stopping_folds = early_stopping_folds
        self.refit = refit
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.device = device
        self.mixed_precision = mixed_precision
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        eval_set: tuple[Any, ArrayLike] | None = None,
        callback: Callable[[int], None] | None = None,
    ) -> Any:
        """Train the network.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
            NaN is missing.
        y : array-like of shape (n_samples,)
            Labels of any type; see ``pos_label``.
        sample_weight : array-like of shape (n_samples,), default=None
        eval_set : (X, y), default=None
            Rows to stop early by, in place of folds: when their average precision has not improved
            any more. The best epoch's weights are kept.
        callback : callable, default=None
            Called after every epoch with the number of epochs done, on each fold and then on all
            rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For missing or continuous labels, a single class, infinite features, unusable
            weights or parameters, a class too rare to hold out, or a loss that stops being a
            number (the learning rate is too high).
        """
        check_parameters(self)
        sampling = check_sampling(self.sampling, self.link)
        refuse_lazy(X, "FocalMLPClassifier")
        data = TrainingSet.read(self, X, y, NETWORK, sample_weight=sample_weight)
        data = data.with_weight_only()
        again = self.warm_start and hasattr(self, "network_")
        if again:
            check_continuation(self, data.loss(self)[0], data.classes)
            self._check_architecture()
        with whole_or_unchanged(self):
            validate_data(self, data.rows.X, reset=not again, skip_check_array=True)
            train = partial(self._train, sampling=sampling, callback=callback, again=again)
            stops = eval_set is not None or self._stops_early(data.rows.codes)
            if eval_set is not None:
                train(self._with_evaluation(data, eval_set), first="average_precision")
            elif not stops:
                train(data)
            elif self.refit and not again:
                self._train_by_folds(data, sampling, callback)
            else:
                train(data.with_rows_held_out(self.validation_fraction, self.random_state))
            if stops:
                warn_of_early_stop(self.best_iter_, self.max_iter, "epoch")
        return self

    def _train_by_folds(
        self,
        data: TrainingSet,
        sampling: HardNegativeSampling | None,
        callback: Callable[[int], None] | None,
    ) -> None:
        """Train on all rows, for as many epochs as folds say."""

        def stop(model: FocalMLPClassifier, fold: TrainingSet) -> Any:
            model._train(fold, sampling=sampling, callback=callback)
            return model.best_iter_, model.evals_result_["validation_0"]

        folds = data.stopped_folds(self, stop, most=NETWORK_FOLDS)
        # Not for the rows that it has more: an epoch of them has more steps already.
        factor = _ANNEALED if self.learning_rate == "cosine" else 1.0
        n_epochs = rounds_for_all_rows(folds, self.max_iter, factor)
        self._train(data, sampling=sampling, callback=callback, n_epochs=n_epochs)
        self.best_validation_score_ = mean_best_scores(folds)["average_precision"]
        self.evals_result_ = histories_of(folds)

    def _train(
        self,
        data: TrainingSet,
        *,
        sampling: HardNegativeSampling | None,
        callback: Callable[[int], None] | None,
        again: bool = False,
        first: Metric = "logloss",
        n_epochs: int | None = None,
    ) -> None:
        """Train on rows that are read, and keep what came out.

        `first` is the metric that evaluation rows are judged by, if there are any.
        """
        loss, prevalence = data.loss(self)
        warn_of_common_positive(data.classes, prevalence, self.pos_label)
        result = None
        if sampling is not None:
            sampled = sample(sampling, self._pilot, data, self.random_state)
            data, result = sampled.training_set(thins_held_out=True), sampled.result
            # focal_alpha and normalize go by the kept rows, the prevalence by all.
            loss, _ = data.loss(self)
        with self._seeded(again) as generator:
            encoder = self._row_encoder(data.rows, again)
            rows = encoder.rows(data.rows, None if result is None else result.log_acceptance)
            shift = self._prior_shift(data.rows.codes)
            posterior = Posterior(loss, prevalence, self.label_smoothing, shift)
            if again:
                # A copy, so that a fit that fails leaves the network as it was.
                network = copy.deepcopy(self.network_).to(encoder.device)
            else:
                network = self._started_network(encoder, posterior)
            network.mixed_precision = self._mixes_precision(encoder.dtype)
            sampler = ShuffledBatches if self.sampler is None else BalancedBatches
            score = None
            if data.evaluation:
                held_out = encoder.rows(data.evaluation[0])
                score = HeldOutScore(posterior, network, held_out, first)
            history = _training.train(
                network,
                sampler(rows, self._batch_rows(len(rows)), generator),
                Objective(loss, self.label_smoothing),
                self._new_optimizer(network),
                self._plan(n_epochs),
                score,
                callback,
                self.verbose,
            )
            self._keep(data.classes, posterior, encoder.table, network)
            self._keep_history(history, again)
            self.sampling_, self._mean_weight = result, encoder.mean_weight

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probability of each class.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        X = self._checked_features(X, reset=False)
        device = resolve_device(self.device)
        network = self.network_.to(device)
        encoder = RowEncoder(self.encoder_, network.dtype, device)
        posterior = Posterior(
            self.loss_, self.prevalence_, self._label_smoothing, self._log_prior_shift
        )
        parts = []
        for start in range(0, X.shape[0], ROWS_PER_PREDICTION):
            part = encoder.features(_slice(X, start, start + ROWS_PER_PREDICTION))
            parts.append(posterior.probability(_training.predict_raw(network, part)))
        by_number = np.concatenate(parts)
        return np.ascontiguousarray(self._label_order.columns_in_order(by_number))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Label of the most probable class of each row, shape (n_samples,)."""
        probability = self.predict_proba(X)
        return np.asarray(self.classes_[probability.argmax(axis=1)])

    def __getstate__(self) -> Any:
        state = super().__getstate__().copy()
        writer = part_writer()
        if writer is not None and "network_" in state:
            from focaltab.neural._state import network_state

            return network_state(self, writer)
        if "network_" in state:
            state["network_"] = copy.deepcopy(state["network_"]).cpu()
            state["_optimizer_state"] = on_cpu(state["_optimizer_state"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        from focaltab.neural._state import network_restored

        super().__setstate__(network_restored(state))

    def _pilot(self) -> FocalMLPClassifier:
        """A small network: it reads what this one reads."""
        return FocalMLPClassifier(
            (32,),
            focal_gamma=0.0,
            max_iter=10,
            early_stopping=False,
            numeric_embedding=self.numeric_embedding,
            device=self.device,
        )

    def _checked_features(self, X: Any, *, reset: bool) -> Any:
        refuse_lazy(X, "FocalMLPClassifier")
        table = read_table(X, NETWORK)
        validate_data(self, table, reset=reset, skip_check_array=True)
        return table

    def _with_evaluation(self, data: TrainingSet, eval_set: Any) -> TrainingSet:
        """The same with the user's evaluation set."""
        data = data.with_evaluation(eval_set, NETWORK, needs_positives=True)
        if len(data.evaluation) != 1:
            n_given = len(data.evaluation)
            raise ValueError(f"eval_set must be one (X, y), got {n_given} of them.")
        refuse_lazy(data.evaluation[0].X, "eval_set 0: FocalMLPClassifier")
        return data

    def _check_architecture(self) -> None:
        for name, value in self._architecture.items():
            given = getattr(self, name)
            if name == "hidden_layer_sizes":
                same = layer_sizes(given) == layer_sizes(value)
            else:
                same = given == value
            if not same:
                raise ValueError(
                    f"warm_start goes on with a network of {name}={value!r}, which cannot become "
                    f"{given!r}: set warm_start=False."
                )

    def _stops_early(self, codes: NDArray[Any]) -> bool:
        if self.early_stopping != "auto":
            return bool(self.early_stopping)
        judged = 1.0 if self.refit and not self.warm_start else self.validation_fraction
        return bool(np.bincount(codes).min() * judged >= _ENOUGH_HELD_OUT)

    def _precision(self, n_rows: int) -> torch.dtype:
        """Double where every step sees all rows: it costs nothing there, and sums are exact."""
        whole = self._batch_rows(n_rows) == n_rows and resolve_device(self.device).type == "cpu"
        return torch.float64 if whole else torch.float32

    def _mixes_precision(self, dtype: torch.dtype) -> bool:
        if not self.mixed_precision or dtype == torch.float64:
            return False
        device = resolve_device(self.device)
        if not multiplies_bfloat16(device):
            warnings.warn(
                f"mixed_precision=True has no effect: torch finds no unit of this {device.type} "
                "that multiplies bfloat16, and emulation is slower than float32.",
                UserWarning,
                stacklevel=3,
            )
            return False
        return True

    def _row_encoder(self, rows: Rows, again: bool) -> RowEncoder:
        """How rows become tensors, learned from these unless training goes on."""
        return RowEncoder(
            self.encoder_ if again else TableEncoder().fit(rows.X, rows.weight),
            self.network_.dtype if again else self._precision(len(rows)),
            resolve_device(self.device),
            1.0 if rows.weight is None else float(rows.weight.mean()),
        )

    def _new_network(self, table: TableEncoder, loss: FocalLoss) -> FocalNetwork:
        return FocalNetwork(
            table.n_numbers,
            table.n_gaps,
            table.cardinalities,
            layer_sizes(self.hidden_layer_sizes),
            self.activation,
            self.dropout,
            make_numeric_embedding(self.numeric_embedding, table.bins),
            self.n_members,
            loss.n_classes if loss.is_multiclass else 1,
        )

    def _started_network(self, encoder: RowEncoder, posterior: Posterior) -> FocalNetwork:
        """A new network that states the prevalence for every row."""
        network = self._new_network(encoder.table, posterior.loss)
        network.to(encoder.device, encoder.dtype)
        network.start_from(posterior.intercept())
        return network

    def _new_optimizer(self, network: FocalNetwork) -> torch.optim.Optimizer:
        return _training.make_optimizer(
            self.optimizer, network, self.learning_rate_init, self.weight_decay
        )

    def _plan(self, n_epochs: int | None) -> Plan:
        return Plan(
            self.learning_rate_init,
            self.learning_rate,
            self.max_iter if n_epochs is None else n_epochs,
            # How many there are is settled then; an adaptive rate still goes by it.
            np.inf if n_epochs and self.learning_rate != "adaptive" else self.n_iter_no_change,
            self.tol,
        )

    def _batch_rows(self, n_rows: int) -> int:
        if self.batch_size != "auto":
            return min(n_rows, int(self.batch_size))
        return min(n_rows, int(np.clip(n_rows // _AUTO_STEPS, *_AUTO_BATCHES)))

    def _prior_shift(self, codes: NDArray[Any]) -> NDArray[np.float64] | None:
        """Log of how much rarer a class is in truth than among the rows that are drawn."""
        if self.sampler is None:
            return None
        share = np.bincount(codes) / codes.size
        return np.asarray(np.log(share * share.size))

    def _keep(
        self, classes: Classes, posterior: Posterior, table: TableEncoder, network: FocalNetwork
    ) -> None:
        """What predictions need, and that nothing was sampled."""
        self.classes_ = classes.labels
        self.sampling_ = None
        self._label_order = classes
        self.loss_ = posterior.loss
        self.prevalence_ = posterior.prevalence
        self.encoder_ = table
        self.network_ = network
        self._log_prior_shift = posterior.log_prior_shift
        self._label_smoothing = posterior.label_smoothing
        # Copies: a list may be changed in place.
        self._architecture = {name: copy.copy(getattr(self, name)) for name in _ARCHITECTURE}

    def _keep_history(self, history: History, again: bool) -> None:
        self._optimizer_state = None
        self._epochs_seen = (self._epochs_seen if again else 0) + len(history.loss)
        self.n_iter_ = len(history.loss)
        self.loss_curve_ = history.loss
        self.best_iter_ = history.best_epoch or self.n_iter_
        self.evals_result_ = {"validation_0": history.held_out} if history.held_out else {}
        scores = history.held_out.get("average_precision")
        self.validation_scores_ = scores
        self.best_validation_score_ = None if scores is None else scores[self.best_iter_ - 1]

    @contextmanager
    def _seeded(self, again: bool) -> Iterator[torch.Generator]:
        """Torch's random numbers from ``random_state``, and the user's put back afterwards.

        Training that goes on draws others than the epochs before it did.
        """
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        seed += 2**31 * self._epochs_seen if again else 0
        device = resolve_device(self.device)
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield torch.Generator().manual_seed(seed)


def _slice(X: Any, start: int, stop: int) -> Any:
    return X.iloc[start:stop] if isinstance(X, pd.DataFrame) else X[start:stop]
