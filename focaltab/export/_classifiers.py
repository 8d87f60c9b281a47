"""Classifiers as nodes of a graph, each told by its class's name: nothing is imported for it."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from focaltab._compat.sklearn import tuned_positive
from focaltab.export import _link, _scores
from focaltab.export._columns import Table, read_number
from focaltab.export._graph import Graph
from focaltab.export._scores import Scores
from focaltab.export._steps import transformed

Convert = Callable[[Graph, Any, Table, Any], Scores]


def scores(graph: Graph, model: Any, table: Table, X: Any = None) -> Scores:
    """What a fitted classifier says of a table.

    Parameters
    ----------
    graph : Graph
    model : classifier
    table : Table
    X : DataFrame or None
        Rows as the table's columns were in training, where the caller has some.

    Raises
    ------
    ValueError
        Names what has no form in ONNX.
    """
    check_is_fitted(model)
    for base in type(model).__mro__:
        convert = _BY_NAME.get(base.__name__)
        if convert is not None:
            return convert(graph, model, table, X)
    return _scikit_learn(graph, model, table, X)


def _pipeline(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    before = table
    for _, step in model.steps[:-1]:
        table = transformed(graph, step, table)
    return scores(graph, model.steps[-1][1], table, X if table is before else None)


def _focal_xgboost(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    from focaltab.export import _xgboost

    raw, _ = _xgboost.margins(graph, model, table)
    return _through_loss(graph, model, raw, model._label_order)


def _focal_lightgbm(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    from focaltab.export import _lightgbm

    raw, _ = _lightgbm.margins(graph, model, table, X)
    return _through_loss(graph, model, raw, model._label_order)


def _through_loss(graph: Graph, model: Any, raw: str, order: Any) -> Scores:
    """Calibrated probabilities from margins, by the loss that they were trained on."""
    loss, classes = model.loss_, np.asarray(model.classes_)
    facts = loss_facts(loss)
    if loss.is_multiclass:
        return Scores(classes, posterior(graph, loss, raw)).with_facts(**facts)
    f = binary_log_odds(graph, loss, raw)
    if order is not None and order.flipped:
        f = graph.add("Neg", f)
    return _scores.from_log_odds(graph, f, classes).with_facts(**facts)


def binary_log_odds(graph: Graph, loss: Any, raw: str) -> str:
    """Log-odds of class number 1 from what a model of this loss says."""
    if loss.link_name == "logit":
        return raw
    return _link.focal_log_odds(graph, raw, loss._gammas, loss.class_weights)


def posterior(graph: Graph, loss: Any, raw: str) -> str:
    """Probabilities of three or more classes, along the last axis."""
    if loss.link_name == "logit":
        return graph.add("Softmax", raw, axis=-1)
    return _link.focal_posterior(graph, raw, loss._gammas[0], loss.class_weights)


def loss_facts(loss: Any) -> dict[str, str]:
    """What the model file says of its loss."""
    formula = (
        "calibrated by sigmoid or softmax"
        if loss.link_name == "logit"
        else "calibrated by G0 / (G0 + G1) of the focal margin (Charoenphakdee et al., CVPR 2021)"
    )
    return {
        "gamma": repr(loss.gamma),
        "class_weights": repr([float(w) for w in loss.class_weights]),
        "link": loss.link_name,
        "link_formula": formula,
    }


def _stock_xgboost(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    from focaltab.export import _xgboost

    raw, objective = _xgboost.margins(graph, model, table)
    classes = np.asarray(model.classes_)
    if objective == "binary:logistic":
        return _scores.from_log_odds(graph, raw, classes)
    if objective in ("multi:softprob", "multi:softmax"):
        return Scores(classes, graph.add("Softmax", raw, axis=-1))
    raise ValueError(f"objective={objective!r} of XGBClassifier")


def _stock_lightgbm(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    from focaltab.export import _lightgbm

    raw, words = _lightgbm.margins(graph, model, table, X)
    objective, *options = words.split()
    given = dict(option.split(":") for option in options if ":" in option)
    classes = np.asarray(model.classes_)
    steep = graph.add("Mul", raw, np.float64(given.get("sigmoid", 1.0)))
    if objective in ("binary", "cross_entropy"):
        return _scores.from_log_odds(graph, steep, classes)
    if objective == "multiclass":
        return Scores(classes, graph.add("Softmax", raw, axis=-1))
    if objective == "multiclassova":
        return Scores(classes, _link.sigmoid(graph, steep))
    raise ValueError(f"objective={objective!r} of LGBMClassifier")


def _histogram(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    from focaltab.export import _hist_gradient_boosting

    raw = _hist_gradient_boosting.margins(graph, model, table)
    classes = np.asarray(model.classes_)
    if len(classes) == 2:
        return _scores.from_log_odds(graph, raw, classes)
    return Scores(classes, graph.add("Softmax", raw, axis=-1))


def _network(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    from focaltab.export import _network

    loss, classes = model.loss_, np.asarray(model.classes_)
    raw = _network.raw_predictions(graph, model, table)
    plain = model._label_smoothing == 0.0 and model._log_prior_shift is None
    flipped = model._label_order.flipped
    one = np.array([1], np.int64)
    if not loss.is_multiclass:
        f = binary_log_odds(graph, loss, raw)
        if plain and model.network_.n_members == 1:
            f = graph.add("Squeeze", f, one)
            f = graph.add("Neg", f) if flipped else f
            return _scores.from_log_odds(graph, f, classes).with_facts(**loss_facts(loss))
        by_number = graph.add(
            "Concat", _link.sigmoid(graph, graph.add("Neg", f)), _link.sigmoid(graph, f), axis=-1
        )
    else:
        by_number = posterior(graph, loss, raw)
    by_number = graph.add("ReduceMean", by_number, one, keepdims=0)
    if not plain:
        by_number = _undo_training(graph, model, by_number)
    if flipped:
        by_number = graph.columns_of(by_number, [1, 0])
    return Scores(classes, by_number).with_facts(**loss_facts(loss))


def _undo_training(graph: Graph, model: Any, by_number: str) -> str:
    """As `focaltab.neural._posterior.undo_training`, which says why."""
    from focaltab.neural import _posterior

    shares = np.atleast_1d(np.asarray(model.prevalence_, dtype=np.float64))
    if shares.size == 1:
        shares = np.array([1.0 - shares[0], shares[0]])
    smoothing, shift = model._label_smoothing, model._log_prior_shift
    if smoothing > 0.0:
        less = graph.add("Sub", by_number, np.float64(smoothing / shares.size))
        eta = graph.add("Div", less, np.float64(1.0 - smoothing))
        squared = graph.add("Mul", eta, eta)
        reach = graph.add("Add", squared, (_posterior._SMALL_SHARE * shares[None]) ** 2)
        total = graph.add("Add", eta, graph.add("Sqrt", reach))
        by_number = graph.add("Mul", total, np.float64(0.5))
    if shift is not None:
        by_number = graph.add("Mul", by_number, np.exp(shift)[None])
    return graph.add("Div", by_number, graph.sum(by_number))


def _resampled(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    stated = scores(graph, model.estimator_, table, X)
    if not model.correct:
        return stated
    negative, positive = model.rates_
    shift = np.float64(np.log(negative / positive))
    f = graph.add("Add", _scores.log_odds(graph, stated), shift)
    return _scores.from_log_odds(graph, f, stated.classes).with_facts(**dict(stated.facts))


def _fixed_threshold(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    stated = scores(graph, getattr(model, "estimator_", model.estimator), table, X)
    method = model.response_method
    has_proba = hasattr(getattr(model, "estimator_", model.estimator), "predict_proba")
    if method == "decision_function" or not has_proba:
        raise ValueError("response_method='decision_function': only probabilities are exported")
    threshold = 0.5 if model.threshold == "auto" else model.threshold
    return _scores.above(graph, stated, threshold, _place(stated, model.pos_label))


def _tuned_threshold(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    if model.response_method == "decision_function":
        raise ValueError("response_method='decision_function': only probabilities are exported")
    stated = scores(graph, model.estimator_, table, X)
    place = _place(stated, tuned_positive(model))
    return _scores.above(graph, stated, model.best_threshold_, place)


def _place(stated: Scores, pos_label: Any) -> int:
    return 1 if pos_label is None else list(stated.classes).index(pos_label)


def _alert_budget(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    stated = scores(graph, model.estimator_, table, X)
    return _scores.above(graph, stated, model.threshold_, model._positive)


def _cost_threshold(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    """The cheaper decision; a cost may be an input of its own."""
    stated = scores(graph, model.estimator_, table, X)
    names = ("fp_cost", "fn_cost", "tp_cost", "tn_cost")
    cost = {name: _cost(graph, name, getattr(model, name)) for name in names}
    alert = graph.add("Sub", cost["fp_cost"], cost["tn_cost"])
    miss = graph.add("Sub", cost["fn_cost"], cost["tp_cost"])
    miss = graph.add("Max", miss, np.float64(0.0))
    p = _scores.positive(graph, stated, model._positive)
    rest = graph.add("Sub", np.float64(1.0), p)
    called = graph.add("Greater", graph.add("Mul", p, miss), graph.add("Mul", rest, alert))
    return _scores.decided(graph, stated, called, model._positive)


def _cost(graph: Graph, name: str, source: Any) -> str:
    if isinstance(source, Real):
        return graph.constant(np.array([[float(source)]]))
    if isinstance(source, str):
        return read_number(graph, source)
    raise ValueError(f"{name}={source!r} is a function of Python: name a column, or give a number")


def _search(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    return scores(graph, model.best_estimator_, table, X)


def _frozen(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    return scores(graph, model.estimator, table, X)


def _ensemble(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    """Members' calibrated probabilities, averaged."""
    total = None
    for name, share in model.weights_.items():
        stated = scores(graph, model.members_[name], table, X)
        line = model._recalibration.get(name)
        p = _scores.positive(graph, stated, model._positive)
        if line is not None:
            edges = np.float64(line.edge), np.float64(1.0 - line.edge)
            f = _link.log_odds_of(graph, graph.add("Clip", p, *edges))
            f = graph.add("Mul", f, np.float64(line.slope))
            p = _link.sigmoid(graph, graph.add("Add", f, np.float64(line.shift)))
        part = graph.add("Mul", p, np.float64(share))
        total = part if total is None else graph.add("Add", total, part)
    assert total is not None
    by_number = _scores.from_positive(graph, total, np.asarray(model.classes_))
    if not model._classes.flipped:
        return by_number
    swapped = graph.columns_of(by_number.probability, [1, 0])
    return Scores(by_number.classes, swapped)


def _scikit_learn(graph: Graph, model: Any, table: Table, X: Any) -> Scores:
    """A classifier of scikit-learn's, by skl2onnx."""
    from focaltab.export import _skl2onnx

    classes = np.asarray(model.classes_)
    label, probability = _skl2onnx.label_and_probabilities(graph, model, table.numbers())
    # Of other types skl2onnx makes numbers.
    own = classes.dtype.kind in "iuU" or all(isinstance(c, str) for c in classes.tolist())
    return Scores(classes, probability, label=label if own else None)


_BY_NAME: dict[str, Convert] = {
    "Pipeline": _pipeline,
    "FocalXGBClassifier": _focal_xgboost,
    "FocalLGBMClassifier": _focal_lightgbm,
    "XGBClassifier": _stock_xgboost,
    "LGBMClassifier": _stock_lightgbm,
    "HistGradientBoostingClassifier": _histogram,
    "FocalMLPClassifier": _network,
    "ResampledClassifier": _resampled,
    "FixedThresholdClassifier": _fixed_threshold,
    "TunedThresholdClassifierCV": _tuned_threshold,
    "AlertBudgetClassifier": _alert_budget,
    "CostThresholdClassifier": _cost_threshold,
    "BaseSearchCV": _search,
    "FocalSearchCV": _search,
    "FrozenEstimator": _frozen,
    "FocalEnsembleClassifier": _ensemble,
}
