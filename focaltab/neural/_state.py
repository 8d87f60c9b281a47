"""A fitted ``FocalMLPClassifier`` as plain arrays, and back: for files without pickle.

Weights and the encoder's numbers are arrays; everything else is JSON in one more array of bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
import torch
from numpy.typing import NDArray

from focaltab._errors import first_line
from focaltab._saving import PartWriter, part_reader
from focaltab.data import Classes
from focaltab.losses import ClassBalanced, FocalLoss
from focaltab.neural import FocalMLPClassifier
from focaltab.neural._encoder import TableEncoder
from focaltab.neural._network import FocalNetwork
from focaltab.neural._posterior import Posterior
from focaltab.sampling import HardNegativeSampling

Arrays = dict[str, NDArray[Any]]
_FORMAT = 1
_NETWORK = "network."
_PART = "network_part"
_ENCODER = ("number_columns", "centre", "scale", "moving", "gaps")
_SCALARS = (str, int, float, bool, type(None))


def to_arrays(model: FocalMLPClassifier) -> Arrays:
    """All that a fitted model needs to predict, as arrays that need no pickle.

    Parameters
    ----------
    model : FocalMLPClassifier
        Fitted; a ``random_state`` that is no number is kept as None.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If a label, a category or a parameter is neither text nor a number.
    """
    encoder, loss = model.encoder_, model.loss_
    state = {
        "format": _FORMAT,
        "parameters": {
            name: _plain(name, value)
            for name, value in (model.get_params(deep=False) | model._architecture).items()
        },
        "labels": [_plain("label", label) for label in model.classes_.tolist()],
        "label_dtype": model.classes_.dtype.str,
        "flipped": model._label_order.flipped,
        "loss": {
            "gamma": _plain("gamma", loss.gamma),
            "alpha": list(loss.class_weights),
            "link": loss.link_name,
        },
        "prevalence": _plain("prevalence", model.prevalence_),
        "log_prior_shift": _plain("log_prior_shift", model._log_prior_shift),
        "categories": {
            str(position): [_plain("category", value) for value in values.tolist()]
            for position, values in encoder.category_columns.items()
        },
        "feature_names": _plain("feature name", getattr(model, "feature_names_in_", None)),
        "n_features": model.n_features_in_,
        "n_iter": model.n_iter_,
        "best_iter": model.best_iter_,
        "mean_weight": model._mean_weight,
        "epochs_seen": model._epochs_seen,
        "loss_curve": model.loss_curve_,
        "validation_scores": model.validation_scores_,
        "best_validation_score": model.best_validation_score_,
    }
    arrays = {"state": np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)}
    arrays |= {name: np.asarray(getattr(encoder, name)) for name in _ENCODER}
    # The bins' edges end to end, and how many each column has.
    arrays["bin_edges"] = np.concatenate([np.empty(0, np.float32), *encoder.bins])
    arrays["bin_counts"] = np.array([edges.size for edges in encoder.bins], dtype=np.intp)
    for name, tensor in model.network_.state_dict().items():
        arrays[_NETWORK + name] = tensor.cpu().numpy()
    return arrays


def network_state(model: FocalMLPClassifier, writer: PartWriter) -> dict[str, Any]:
    """State of a fitted model that is being saved: the name of a part with all its arrays."""

    def make() -> dict[str, Any]:
        arrays = {name: np.ascontiguousarray(values) for name, values in to_arrays(model).items()}
        return {_PART: writer.add("network", ".safetensors", safetensors.numpy.save(arrays))}

    return writer.state_of(model, make)


def network_restored(state: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a model: of one whose state `network_state` made, or the state as it is."""
    if _PART not in state:
        return state
    arrays = safetensors.numpy.load(part_reader().content(state[_PART]))
    return from_arrays(arrays).__dict__


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> FocalMLPClassifier:
    """The model that `to_arrays` took apart: the same probabilities, bit for bit.

    Raises
    ------
    ValueError
        If the arrays are not those of a model, or do not fit together.
    """
    try:
        state = json.loads(arrays["state"].tobytes())
        if state["format"] != _FORMAT:
            raise ValueError(f"format {state['format']} is not {_FORMAT}")
        return _rebuilt(state, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        reason = first_line(error)
        raise ValueError(f"the arrays are no whole FocalMLPClassifier: {reason}") from error


def _rebuilt(state: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> FocalMLPClassifier:
    model = FocalMLPClassifier(
        **{name: _original(value) for name, value in state["parameters"].items()}
    )
    labels = np.array(state["labels"], dtype=state["label_dtype"])
    n_features = int(state["n_features"])
    encoder = _encoder(state["categories"], arrays, n_features)
    loss = FocalLoss(
        _original(state["loss"]["gamma"]),
        tuple(state["loss"]["alpha"]),
        link=state["loss"]["link"],
        n_classes=labels.size,
    )
    network = _network(model, encoder, loss, arrays)
    shift = _original(state["log_prior_shift"])
    if shift is not None and shift.shape != labels.shape:
        raise ValueError("log_prior_shift has not one value for each label")
    prevalence = _original(state["prevalence"])
    posterior = Posterior(loss, prevalence, model.label_smoothing, shift)
    model._keep(Classes(labels, bool(state["flipped"])), posterior, encoder, network)
    model.n_features_in_ = n_features
    if state["feature_names"] is not None:
        model.feature_names_in_ = np.array(_original(state["feature_names"]), dtype=object)
        if model.feature_names_in_.shape != (n_features,):
            raise ValueError(f"there are not {n_features} feature names")
    model.n_iter_, model.loss_curve_ = state["n_iter"], state["loss_curve"]
    model.best_iter_, model._epochs_seen = state["best_iter"], state["epochs_seen"]
    model._mean_weight, model._optimizer_state = state["mean_weight"], None
    model.validation_scores_ = state["validation_scores"]
    model.best_validation_score_ = state["best_validation_score"]
    return model


def _encoder(
    categories: dict[str, list[Any]], arrays: Mapping[str, NDArray[Any]], n_features: int
) -> TableEncoder:
    encoder = TableEncoder()
    encoder.category_columns = {
        int(position): pd.Index(values, dtype=object) for position, values in categories.items()
    }
    encoder.number_columns = arrays["number_columns"].astype(np.intp).tolist()
    encoder.centre, encoder.scale = arrays["centre"], arrays["scale"]
    encoder.moving, encoder.gaps = arrays["moving"], arrays["gaps"]
    n_numbers = len(encoder.number_columns)
    if sorted([*encoder.number_columns, *encoder.category_columns]) != list(range(n_features)):
        raise ValueError(f"its columns are not those of {n_features} features")
    for values in (encoder.centre, encoder.scale):
        if values.shape != (n_numbers,) or not np.isfinite(values).all():
            raise ValueError(f"scales of {n_numbers} columns of numbers are missing or not finite")
    for chosen in (encoder.moving, encoder.gaps):
        if not np.isin(chosen, np.arange(n_numbers)).all():
            raise ValueError(f"columns are chosen that are not among {n_numbers}")
    edges, counts = arrays["bin_edges"], arrays["bin_counts"]
    if counts.shape != encoder.moving.shape or (counts < 2).any() or counts.sum() != edges.size:
        raise ValueError(f"bins of {encoder.n_numbers} columns are missing")
    encoder.bins = np.split(edges, np.cumsum(counts)[:-1]) if counts.size else []
    if not all(
        np.isfinite(column).all() and (np.diff(column) > 0).all() for column in encoder.bins
    ):
        raise ValueError("the edges of a bin are not finite, or do not rise")
    if any(not values.is_unique for values in encoder.category_columns.values()):
        raise ValueError("a category stands more than once")
    return encoder


def _network(
    model: FocalMLPClassifier,
    encoder: TableEncoder,
    loss: FocalLoss,
    arrays: Mapping[str, NDArray[Any]],
) -> FocalNetwork:
    weights = {
        name.removeprefix(_NETWORK): torch.from_numpy(np.array(values))
        for name, values in arrays.items()
        if name.startswith(_NETWORK)
    }
    with torch.random.fork_rng(devices=[]):  # what a new network starts from is thrown away
        network = model._new_network(encoder, loss).to(weights["output.bias"].dtype)
    # torch names every weight that is missing, unknown or of another shape.
    network.load_state_dict(weights)
    if not all(bool(torch.isfinite(values).all()) for values in weights.values()):
        raise ValueError("weights are not finite")
    return network.eval()


def _plain(what: str, value: Any) -> Any:
    """A value as JSON; sequences and mappings say what they were."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, ClassBalanced):
        return {"class_balanced": value.beta}
    if isinstance(value, HardNegativeSampling):
        given = value.get_params(deep=False)
        if given.pop("pilot") is not None:
            return None  # without its pilot it would be another sampling
        return {"hard_negative": [[name, _plain(what, v)] for name, v in given.items()]}
    if isinstance(value, Mapping):
        return {"pairs": [[_plain(what, k), _plain(what, v)] for k, v in value.items()]}
    if isinstance(value, tuple | list | np.ndarray):
        kind = (
            "tuple" if isinstance(value, tuple) else "list" if isinstance(value, list) else "array"
        )
        return {kind: [_plain(what, v) for v in value]}
    raise ValueError(f"{what} {value!r} is neither text nor a number, which a file could hold.")


def _original(value: Any) -> Any:
    """What `_plain` made JSON of."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "class_balanced":
        return ClassBalanced(content)
    if kind == "hard_negative":
        return HardNegativeSampling(**dict(content))
    if kind == "pairs":
        return {_original(k): _original(v) for k, v in content}
    made = [_original(v) for v in content]
    if kind == "array":
        return np.array(made)
    return {"tuple": tuple, "list": list}[kind](made)
