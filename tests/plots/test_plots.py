import subprocess
import sys

import pytest

pytest.importorskip("matplotlib")

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from focaltab import plots
from focaltab.calibration import calibration_table
from focaltab.losses import ClassBalanced, FocalLoss
from focaltab.metrics import (
    average_precision_gain,
    expected_cost,
    precision_at_k,
    recall_at_k,
    savings_score,
)

COSTS = {"fp_cost": 1.0, "fn_cost": 10.0}
FROM_PREDICTIONS = [
    (plots.AlertBudgetDisplay, {}),
    (plots.CostDisplay, COSTS),
    (plots.PRGainDisplay, {}),
    (plots.PrecisionRecallDisplay, {"n_resamples": 20, "random_state": 0}),
    (plots.ReliabilityDisplay, {}),
    (plots.ScoreDistributionDisplay, {}),
]
each_display = pytest.mark.parametrize(
    ("display", "options"), FROM_PREDICTIONS, ids=lambda v: getattr(v, "__name__", "")
)


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def rare(n_rows=600, seed=0, decimals=3):
    """Tied probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    proba = np.round(1.0 / (1.0 + np.exp(-rng.normal(-2.5, 1.5, n_rows))), decimals)
    return (rng.random(n_rows) < proba).astype(int), proba


def drawn_numbers(shown):
    """Everything a display computed and drew, to compare two of them."""
    data = [v for v in vars(shown).values() if isinstance(v, np.ndarray)]
    lines = [np.ravel(line.get_xydata()) for line in shown.ax_.get_lines()]
    return np.concatenate([np.ravel(v) for v in data] + lines)


# Precision and recall


def test_precision_recall_points_are_those_of_scikit_learn():
    y, score = rare()
    shown = plots.PrecisionRecallDisplay.from_predictions(y, score, n_resamples=0)
    precision, recall, _ = precision_recall_curve(y, score)
    x, step = shown.line_.get_data()
    np.testing.assert_allclose(x[1:], recall[-2::-1])
    np.testing.assert_allclose(step[1:], precision[-2::-1])
    assert shown.line_.get_drawstyle() == "steps-pre"
    # The area under the steps is the figure in the legend.
    assert np.diff(x) @ step[1:] == pytest.approx(average_precision_score(y, score))
    assert f"AP {average_precision_score(y, score):.3f}" in shown.line_.get_label()


def test_prevalence_line_is_at_the_weighted_prevalence():
    y, score = rare()
    weight = np.where(y == 1, 1.0, 3.0)
    shown = plots.PrecisionRecallDisplay.from_predictions(y, score, sample_weight=weight)
    (line,) = [v for v in shown.ax_.get_lines() if str(v.get_label()).startswith("prevalence")]
    np.testing.assert_allclose(line.get_ydata(), np.average(y, weights=weight))


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_band_is_that_of_resampled_rows(weighted):
    y, score = rare(800, decimals=2)
    rng = np.random.default_rng(1)
    weight = rng.choice([0.5, 1.0, 2.0], y.size) if weighted else np.ones(y.size)
    shown = plots.PrecisionRecallDisplay.from_predictions(
        y, score, sample_weight=weight, n_resamples=3000, random_state=0
    )
    grid, low, high = shown.band
    values = []
    for _ in range(1500):
        rows = np.concatenate(
            [rng.choice(v, v.size) for v in (np.flatnonzero(y), np.flatnonzero(y == 0))]
        )
        precision, recall, _ = precision_recall_curve(
            y[rows], score[rows], sample_weight=weight[rows]
        )
        precision, recall = precision[-2::-1], recall[-2::-1]
        values.append(precision[np.searchsorted(recall, grid - 1e-9)])
    expected = np.quantile(values, [0.025, 0.975], axis=0)
    middle = (grid > 0.1) & (grid < 1.0)
    np.testing.assert_allclose(low[middle], expected[0][middle], atol=0.04)
    np.testing.assert_allclose(high[middle], expected[1][middle], atol=0.04)


def test_band_repeats_with_its_random_state_and_zero_resamples_draw_none():
    y, score = rare()
    make = plots.PrecisionRecallDisplay.from_predictions
    first, second = (make(y, score, n_resamples=10, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.band, second.band)
    without = make(y, score, n_resamples=0)
    assert without.band is None
    assert not without.ax_.collections


# Gains


def test_gain_points_of_a_hand_worked_case():
    # pi = 1/4, P = 2: the curve enters at TP = 1/2, half-way through the first tie (1 TP, 2 FP).
    y = [1, 0, 0, 1, 0, 0, 0, 0]
    score = [0.9, 0.9, 0.9, 0.5, 0.3, 0.3, 0.3, 0.1]
    shown = plots.PRGainDisplay.from_predictions(y, score)
    # (x - pi) / ((1 - pi) x) of recalls 1/4, 1/2, 1 and of precisions 1/3, 1/3, 1/2, 2/7, 1/4.
    np.testing.assert_allclose(shown.recall_gain, [0, 2 / 3, 1, 1, 1])
    np.testing.assert_allclose(shown.precision_gain, [1 / 3, 1 / 3, 2 / 3, 1 / 6, 0], atol=1e-15)
    assert shown.average_precision_gain == pytest.approx(7 / 18)


@pytest.mark.parametrize("seed", range(5))
def test_gain_area_is_under_the_drawn_curve(seed):
    y, score = rare(seed=seed)
    weight = np.random.default_rng(seed).uniform(0.1, 2.0, y.size)
    shown = plots.PRGainDisplay.from_predictions(y, score, sample_weight=weight)
    area = np.trapezoid(shown.precision_gain, shown.recall_gain)
    assert area == pytest.approx(average_precision_gain(y, score, sample_weight=weight))
    assert shown.recall_gain[0] == pytest.approx(0.0, abs=1e-12)


def test_gains_are_drawn_inside_the_unit_square():
    y, score = rare()
    shown = plots.PRGainDisplay.from_predictions(y, -score)
    assert shown.precision_gain.min() < 0
    assert shown.line_.get_ydata().min() == 0.0


# Reliability


def test_reliability_points_are_those_of_the_table():
    y, proba = rare(4000)
    weight = np.random.default_rng(0).integers(1, 4, y.size)
    shown = plots.ReliabilityDisplay.from_predictions(
        y, proba, n_bins=5, sample_weight=weight, scale="linear"
    )
    table = calibration_table(y, proba, n_bins=5, sample_weight=weight)
    np.testing.assert_array_equal(shown.line_.get_xdata(), table["mean_probability"])
    np.testing.assert_array_equal(shown.line_.get_ydata(), table["observed"])
    (intervals,) = shown.ax_.collections
    ends = np.array([s[:, 1] for s in intervals.get_segments()])
    np.testing.assert_array_equal(ends, table[["low", "high"]])
    assert shown.counts.sum() == weight.sum()


def test_zeros_are_drawn_at_the_edge_of_the_log_axes():
    y = np.repeat([0, 0, 1], [50, 40, 10])
    proba = np.repeat([0.0, 0.2], 50)
    shown = plots.ReliabilityDisplay.from_predictions(y, proba, n_bins=2)
    assert shown.ax_.get_xscale() == shown.histogram_ax_.get_xscale() == "log"
    triangle = next(v for v in shown.ax_.get_lines() if v.get_marker() == "v")
    np.testing.assert_array_equal(triangle.get_xydata(), [[shown.edges[0]] * 2])
    assert shown.ax_.get_xlim()[0] < shown.edges[0]
    assert shown.counts[0] == 50 and shown.counts.sum() == 100
    np.testing.assert_allclose(shown.line_.get_ydata(), [np.nan, 0.2])


def test_one_axes_takes_the_first_part_alone():
    import matplotlib.pyplot as plt

    y, proba = rare()
    figure, (left, right) = plt.subplots(ncols=2)
    shown = plots.ReliabilityDisplay.from_predictions(y, proba, ax=left)
    assert shown.ax_ is left and shown.histogram_ax_ is None and shown.figure_ is figure
    assert plots.FocalLossDisplay.from_gammas(ax=right).link_ax_ is None
    with pytest.raises(ValueError, match="one Axes or a pair, got 3"):
        plots.FocalLossDisplay.from_gammas(ax=plt.subplots(ncols=3)[1])


# Cost


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_cost_and_savings_equal_a_loop_over_thresholds(per_row, weighted):
    y, score = rare(300, decimals=2)
    rng = np.random.default_rng(0)
    costs = {"fp_cost": 1.0, "fn_cost": 8.0, "tp_cost": 1.0, "tn_cost": 0.1}
    if per_row:
        costs = {name: cost * rng.uniform(0.5, 2.0, y.size) for name, cost in costs.items()}
    weight = rng.uniform(0.1, 3.0, y.size) if weighted else None
    shown = plots.CostDisplay.from_predictions(y, score, sample_weight=weight, **costs)
    assert shown.threshold[0] == np.inf
    np.testing.assert_array_equal(shown.threshold[1:], np.unique(score)[::-1])
    options = {"sample_weight": weight, **costs}
    for threshold, cost, savings in zip(shown.threshold, shown.cost, shown.savings, strict=True):
        called = (score >= threshold).astype(int)
        assert cost == pytest.approx(expected_cost(y, called, **options))
        assert savings == pytest.approx(savings_score(y, called, **options), abs=1e-12)
    assert shown.best_cost == shown.cost.min()
    assert shown.best_threshold == shown.threshold[shown.cost.argmin()]


def test_the_drawn_cost_at_any_threshold_is_the_cost_of_that_decision():
    y, score = [0, 1, 0, 1, 0], np.array([0.0, 0.9, 0.8, 0.7, 0.0])
    shown = plots.CostDisplay.from_predictions(y, score, **COSTS)
    x, cost = shown.line_.get_data()
    assert (x > 0).all() and x[-1] == 1.0
    for threshold in (0.5, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        # steps-pre: the value of a point holds up to it from the point before.
        drawn = cost[np.searchsorted(x, threshold)]
        called = (score >= threshold).astype(int)
        assert drawn == pytest.approx(expected_cost(y, called, **COSTS))
    marker = next(v for v in shown.ax_.get_lines() if v.get_marker() == "o")
    np.testing.assert_allclose(marker.get_xydata(), [[0.7, 0.2]])


def test_flagging_none_can_be_best():
    y, score = rare()
    shown = plots.CostDisplay.from_predictions(y, score, fp_cost=1000, tp_cost=1000, fn_cost=1)
    assert shown.best_threshold == np.inf
    assert any("above all scores" in t.get_text() for t in shown.ax_.get_legend().get_texts())


def test_costs_that_are_gains_have_no_savings():
    y, score = rare()
    shown = plots.CostDisplay.from_predictions(y, score, fp_cost=1, fn_cost=0, tp_cost=-10)
    assert np.isnan(shown.savings).all()
    shown.figure_.canvas.draw()


# Alerts


def test_alert_lines_are_recall_and_precision_of_the_top():
    y, score = rare(decimals=2)
    shown = plots.AlertBudgetDisplay.from_predictions(y, score, budgets=[37, 222])
    k = shown.alerts
    assert {1, 37, 222, y.size} <= set(k)
    recall = [recall_at_k(y, score, k=v) for v in k]
    np.testing.assert_allclose(shown.line_.get_ydata(), recall)
    precision = [precision_at_k(y, score, k=v) for v in k]
    np.testing.assert_allclose(shown.precision_line_.get_ydata(), precision)
    texts = [t.get_text() for t in shown.ax_.texts]
    assert {"37", "222", f"{recall_at_k(y, score, k=37):.2f}"} <= set(texts)


def test_alerts_without_ties_are_exact():
    y, score = np.array([0, 1, 0, 1, 0]), np.array([0.1, 0.9, 0.8, 0.7, 0.2])
    shown = plots.AlertBudgetDisplay.from_predictions(y, score)
    np.testing.assert_allclose(shown.alerts, [1, 2, 3, 4, 5])
    np.testing.assert_allclose(shown.recall, [0.5, 0.5, 1, 1, 1])
    np.testing.assert_allclose(shown.precision, [1, 1 / 2, 2 / 3, 1 / 2, 2 / 5])


# Scores


@pytest.mark.parametrize("scale", ["log_odds", "linear"])
def test_densities_have_area_one_each(scale):
    y, proba = rare()
    proba[:20] = 0.0
    proba[-1] = 1.0
    weight = np.random.default_rng(0).uniform(0.1, 2.0, y.size)
    shown = plots.ScoreDistributionDisplay.from_predictions(
        y, proba, scale=scale, sample_weight=weight
    )
    for patch, density in ((shown.negative_, shown.negative), (shown.positive_, shown.positive)):
        values, edges, _ = patch.get_data()
        np.testing.assert_array_equal(values, density)
        assert values @ np.diff(edges) == pytest.approx(1.0)
    assert np.isfinite(shown.edges).all()


def test_log_odds_ticks_are_labelled_with_probabilities():
    y, proba = rare()
    shown = plots.ScoreDistributionDisplay.from_predictions(y, proba)
    ticks = {t.get_text(): x for t, x in zip(
        shown.ax_.get_xticklabels(), shown.ax_.get_xticks(), strict=True)}  # fmt: skip
    assert ticks["0.5"] == 0.0
    assert ticks["0.1"] == pytest.approx(np.log(0.1 / 0.9))


# The focal loss


@pytest.mark.parametrize("link", ["focal", "logit"])
def test_focal_lines_are_those_of_the_loss(link):
    losses = [FocalLoss(2.0, 0.25, link=link), FocalLoss((1.0, 4.0), link=link)]
    shown = plots.FocalLossDisplay.from_losses(losses)
    p = shown.probability
    margin = np.log(p / (1.0 - p))
    for i, loss in enumerate(losses):
        focal = FocalLoss(loss.gamma, loss.alpha)
        np.testing.assert_allclose(shown.link_lines_[i].get_ydata(), focal.inverse_link(margin))
        expected = focal.loss(np.ones(p.size), margin)
        np.testing.assert_allclose(shown.lines_[i].get_ydata(), expected)
        np.testing.assert_allclose(shown.negative[i], focal.loss(np.zeros(p.size), -margin))
    assert shown.names == ["gamma 2, alpha 0.25", "gamma 1 and 4"]


def test_weight_is_the_share_of_cross_entropy_that_is_left():
    shown = plots.FocalLossDisplay.from_gammas((0.0, 2.0), quantity="weight")
    np.testing.assert_allclose(shown.lines_[0].get_ydata(), 1.0)
    np.testing.assert_allclose(shown.lines_[1].get_ydata(), (1.0 - shown.probability) ** 2)
    assert "share of cross-entropy" in shown.ax_.get_ylabel()
    with pytest.raises(ValueError, match="quantity must be"):
        plots.FocalLossDisplay.from_gammas(quantity="slope")


def test_cross_entropy_is_calibrated_as_it_is():
    shown = plots.FocalLossDisplay.from_gammas()
    assert len(shown.lines_) == len(shown.link_lines_) == 4
    np.testing.assert_allclose(shown.calibrated[0], shown.probability)
    np.testing.assert_allclose(shown.positive[0], -np.log(shown.probability))
    assert "negative row" not in [t.get_text() for t in shown.ax_.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([], "losses is empty"),
        ([FocalLoss(n_classes=3)], "needs two classes"),
        ([FocalLoss(alpha=ClassBalanced(0.99))], "depends on the data"),
    ],
)
def test_losses_that_cannot_be_drawn(losses, message):
    with pytest.raises(ValueError, match=message):
        plots.FocalLossDisplay.from_losses(losses)


# Every display of predictions


@each_display
def test_labels_and_containers_do_not_matter(display, options):
    y, proba = rare()
    plain = display.from_predictions(y, proba, **options)
    index = np.arange(y.size)[::-1]
    frame = pd.DataFrame({"y": np.where(y == 1, "fraud", "ok"), "p": proba}, index=index)
    other = display.from_predictions(frame["y"], frame["p"], pos_label="fraud", **options)
    np.testing.assert_array_equal(drawn_numbers(plain), drawn_numbers(other))
    with pytest.raises(ValueError, match="say which is positive with pos_label"):
        display.from_predictions(frame["y"], frame["p"], **options)


@each_display
def test_equal_weights_change_nothing_but_counts(display, options):
    y, proba = rare()
    plain = display.from_predictions(y, proba, **options)
    other = display.from_predictions(y, proba, sample_weight=np.ones(y.size), **options)
    if display is plots.AlertBudgetDisplay:  # by weight, alerts are not whole numbers
        np.testing.assert_allclose(np.interp(plain.alerts, other.alerts, other.recall),
                                   plain.recall, atol=0.02)  # fmt: skip
        return
    np.testing.assert_allclose(drawn_numbers(plain), drawn_numbers(other))


@each_display
def test_from_estimator_equals_from_predictions(display, options):
    X, y = make_classification(800, weights=[0.9], random_state=0)
    labels = np.where(y == 1, "bad", "good")  # the positive class comes first
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels)
    shown = display.from_estimator(model, X, labels, pos_label="bad", **options)
    expected = display.from_predictions(y, model.predict_proba(X)[:, 0], **options)
    np.testing.assert_array_equal(drawn_numbers(shown), drawn_numbers(expected))
    assert shown.name == "Pipeline"
    with pytest.raises(ValueError, match="say which is positive with pos_label"):
        display.from_estimator(model, X, labels, **options)


@each_display
def test_decision_function_serves_a_ranking_only(display, options):
    X, y = make_classification(400, weights=[0.8], random_state=0)
    labels = np.where(y == 1, "bad", "good")
    model = LinearSVC().fit(X, labels)
    if display in (
        plots.CostDisplay,
        plots.ReliabilityDisplay,
        plots.ScoreDistributionDisplay,
    ):
        with pytest.raises(ValueError, match=r"LinearSVC has no predict_proba: "):
            display.from_estimator(model, X, labels, pos_label="bad", **options)
        return
    shown = display.from_estimator(model, X, labels, pos_label="bad", **options)
    expected = display.from_predictions(y, -model.decision_function(X), **options)
    np.testing.assert_array_equal(drawn_numbers(shown), drawn_numbers(expected))


def test_estimators_that_give_no_two_class_scores():
    X, y = make_classification(100, n_informative=4, n_classes=3, random_state=0)
    make = plots.AlertBudgetDisplay.from_estimator
    with pytest.raises(ValueError, match="has no predict_proba nor decision_function"):
        make(LinearRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="has 3 classes; a plot needs two"):
        make(LogisticRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="pos_label='no' is not a label"):
        make(LogisticRegression().fit(X, y > 0), X, y > 0, pos_label="no")


@each_display
@pytest.mark.parametrize("proba", [np.linspace(0.0, 1.0, 50), np.full(50, 0.02), np.zeros(50)])
def test_one_positive_and_extreme_probabilities(display, options, proba):
    y = np.zeros(50, int)
    y[30] = 1
    shown = display.from_predictions(y, proba, **options)
    shown.figure_.canvas.draw()
    assert shown.ax_.get_legend() is not None


@each_display
def test_float32_scores(display, options):
    y, proba = rare()
    shown = display.from_predictions(y, proba.astype(np.float32), **options)
    shown.figure_.canvas.draw()
    assert all(v.dtype == np.float64 for v in vars(shown).values() if isinstance(v, np.ndarray))


@each_display
def test_a_second_display_takes_the_next_colour_and_repeats_no_reference(display, options):
    y, proba = rare()
    first = display.from_predictions(y, proba, name="one", **options)
    pair = getattr(first, "histogram_ax_", None)
    ax = first.ax_ if pair is None else [first.ax_, pair]
    second = display.from_predictions(y, 1.0 - proba, name="two", ax=ax, **options)
    assert second.ax_ is first.ax_ and second.figure_ is first.figure_
    if display is plots.ScoreDistributionDisplay:
        return
    assert first.line_.get_color() != second.line_.get_color()
    labels = [t.get_text() for t in first.ax_.get_legend().get_texts()]
    assert len(labels) == len(set(labels)) and any("two" in text for text in labels)
    first.figure_.canvas.draw()


@each_display
def test_options_reach_the_artist_and_plot_draws_again(display, options):
    y, proba = rare()
    shown = display.from_predictions(y, proba, **options, alpha=0.3)
    artist = shown.line_ if hasattr(shown, "line_") else shown.positive_
    assert artist.get_alpha() == 0.3
    before = shown.figure_
    assert shown.plot(name="again") is shown and shown.figure_ is not before
    texts = [t.get_text() for t in shown.ax_.get_legend().get_texts()]
    assert any("again" in text for text in [*texts, shown.ax_.get_title()])


@each_display
def test_a_large_figure_stays_small(display, options, tmp_path):
    rng = np.random.default_rng(0)
    proba = 1.0 / (1.0 + np.exp(-rng.normal(-4.0, 2.0, 200_000)))
    y = rng.random(proba.size) < proba
    shown = display.from_predictions(y, proba, **options)
    path = tmp_path / "figure.svg"
    shown.figure_.savefig(path)
    assert path.stat().st_size < 300_000


def test_thinned_lines_keep_their_shape_and_ends():
    rng = np.random.default_rng(0)
    proba = 1.0 / (1.0 + np.exp(-rng.normal(-2.0, 2.0, 100_000)))
    y = rng.random(proba.size) < proba
    shown = plots.PrecisionRecallDisplay.from_predictions(y, proba, n_resamples=0)
    x, precision = shown.line_.get_data()
    assert x.size <= 2002 < shown.recall.size
    assert (x[0], x[-1]) == (shown.recall[0], shown.recall[-1])
    at = (shown.recall > 0.02) & (shown.recall < 1.0)
    drawn = precision[np.searchsorted(x, shown.recall[at])]
    np.testing.assert_allclose(drawn, shown.precision[at], atol=0.005)


@each_display
@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 1, 0], [0.1, 0.2], "of one length"),
        ([0, 0, 0], [0.1, 0.2, 0.3], "no positive row"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "two labels, got 3"),
        ([0, 1, 0], [0.1, np.nan, 0.3], "is NaN in row 1"),
    ],
)
def test_bad_rows(display, options, y, score, message):
    with pytest.raises(ValueError, match=message):
        display.from_predictions(y, score, **options)


@pytest.mark.parametrize(
    ("display", "options", "message"),
    [
        (plots.AlertBudgetDisplay, {"budgets": [0]}, "budgets must lie above 0"),
        (plots.AlertBudgetDisplay, {"budgets": [2, 601]}, "not above 600 .* got 601"),
        (plots.CostDisplay, {"fp_cost": [1, 2], "fn_cost": 1}, "fp_cost must be a number or one"),
        (plots.CostDisplay, {"fp_cost": 1, "fn_cost": np.inf}, "fn_cost is not finite in row 0"),
        (plots.CostDisplay, {**COSTS, "scale": "log_odds"}, "scale must be 'log' or 'linear'"),
        (plots.PrecisionRecallDisplay, {"n_resamples": -1}, "n_resamples must be at least 0"),
        (plots.ReliabilityDisplay, {"scale": "logit"}, "scale must be 'log' or 'linear'"),
        (plots.ReliabilityDisplay, {"n_bins": 0}, "n_bins must be at least 1"),
        (plots.ScoreDistributionDisplay, {"scale": "log"}, "'log_odds' or 'linear'"),
        (plots.ScoreDistributionDisplay, {"n_bins": 0}, "n_bins must be at least 1"),
    ],
)
def test_bad_options(display, options, message):
    with pytest.raises(ValueError, match=message):
        display.from_predictions(*rare(), **options)


def test_scores_that_are_no_probabilities():
    y, proba = rare()
    with pytest.raises(ValueError, match="negative in places: use scale='linear'"):
        plots.CostDisplay.from_predictions(y, proba - 0.5, **COSTS)
    with pytest.raises(ValueError, match="log-odds need probabilities"):
        plots.ScoreDistributionDisplay.from_predictions(y, proba * 10)
    with pytest.raises(ValueError, match="must lie in"):
        plots.ReliabilityDisplay.from_predictions(y, proba * 10)
    plots.CostDisplay.from_predictions(y, proba - 0.5, scale="linear", **COSTS)
    plots.ScoreDistributionDisplay.from_predictions(y, proba * 10, scale="linear")


# Matplotlib


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_import_loads_no_matplotlib():
    assert run("import sys, focaltab.plots; print('matplotlib' in sys.modules)") == "False"


@pytest.mark.slow
def test_without_matplotlib_drawing_says_what_to_install():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from focaltab import plots
for draw in (
    lambda: plots.PRGainDisplay.from_predictions([0, 1], [0.1, 0.2]),
    lambda: plots.FocalLossDisplay.from_gammas(),
):
    try:
        draw()
    except ImportError as error:
        print(error)
"""
    message = 'plots need matplotlib: pip install "focaltab[plots]"'
    assert run(code).splitlines() == [message] * 2


def test_no_global_setting_changes():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    y, proba = rare()
    for display, options in FROM_PREDICTIONS:
        display.from_predictions(y, proba, **options)
    assert dict(mpl.rcParams) == before
