"""Ranking figures against scikit-learn where it has them, and against plain loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from focaltab.metrics import (
    average_precision,
    average_precision_gain,
    lift_at_k,
    partial_pr_area,
    precision_at_k,
    precision_at_recall,
    recall_at_fpr,
    recall_at_k,
    recall_at_precision,
)

FIGURES = [
    (average_precision, {}),
    (average_precision_gain, {}),
    (precision_at_k, {"k": 7}),
    (recall_at_k, {"k": 7}),
    (lift_at_k, {"k": 7}),
    (recall_at_precision, {"precision": 0.5}),
    (precision_at_recall, {"recall": 0.3}),
    (recall_at_fpr, {"fpr": 0.1}),
    (partial_pr_area, {"min_recall": 0.2, "max_recall": 0.7}),
]
IDS = [figure.__name__ for figure, _ in FIGURES]


def tied(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.1).astype(int)
    return y, np.round(rng.normal(size=n_rows) + y, 1)


rows = st.lists(
    st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 4)), min_size=2, max_size=40
).filter(lambda r: any(y and w for y, _, w in r) and any(not y and w for y, _, w in r))


@given(rows)
def test_average_precision_is_scikit_learns(data):
    y, score, weight = map(np.array, zip(*data, strict=True))
    assert average_precision(y, score) == pytest.approx(average_precision_score(y, score))
    assert average_precision(y, score, sample_weight=weight) == pytest.approx(
        average_precision_score(y, score, sample_weight=weight)
    )


@given(rows)
def test_weights_are_repeated_rows(data):
    y, score, weight = map(np.array, zip(*data, strict=True))
    for figure, options in FIGURES:
        if "k" in options and weight.sum() < options["k"]:
            continue
        repeated = figure(np.repeat(y, weight), np.repeat(score, weight), **options)
        assert figure(y, score, sample_weight=weight, **options) == pytest.approx(repeated)


@pytest.mark.parametrize("figure, options", FIGURES, ids=IDS)
def test_order_of_rows_and_scale_of_scores_do_not_matter(figure, options):
    y, score = tied()
    expected = figure(y, score, **options)
    order = np.random.default_rng(1).permutation(y.size)
    assert figure(y[order], score[order], **options) == pytest.approx(expected)
    assert figure(y, np.exp(score), **options) == pytest.approx(expected)
    assert figure(y, score.astype(np.float32), **options) == pytest.approx(expected)


@pytest.mark.parametrize("figure, options", FIGURES, ids=IDS)
def test_every_kind_of_label(figure, options):
    y, score = tied()
    expected = figure(y, score, **options)
    assert figure(y == 1, score, **options) == expected
    assert figure(2 * y - 1, score, **options) == expected
    assert figure(pd.Series(y), pd.Series(score), **options) == expected
    words = np.where(y == 1, "fraud", "fine")
    for labels in (words, pd.Series(words), pd.Series(words, dtype="category"), list(words)):
        assert figure(labels, score, pos_label="fraud", **options) == expected
    with pytest.raises(ValueError, match="pos_label"):
        figure(words, score, **options)


def test_gain_of_a_hand_worked_ranking():
    """pi = 1/2; recall 1/2 is gain 0, reached at threshold 4 with precision gain 1."""
    y, score = [1, 0, 1, 0], [4, 3, 2, 1]
    # (recall gain, precision gain): (0, 1), (0, 0), (1, 1/2), (1, 0) over distinct thresholds.
    assert average_precision_gain(y, score) == pytest.approx(0.25)


def test_gain_enters_between_thresholds_on_the_line_of_counts():
    """All rows tied: the line of counts gives precision pi everywhere, so no gain at all."""
    assert average_precision_gain([0, 0, 0, 1], [1, 1, 1, 1]) == pytest.approx(0.0)
    # One tie of 2 positives and 1 negative on top of 3 negatives, pi = 1/3: entry at TP = 2/3,
    # FP = 1/3, precision 2/3, precision gain 3/4 up to recall 1.
    assert average_precision_gain([1, 1, 0, 0, 0, 0], [2, 2, 2, 1, 1, 1]) == pytest.approx(0.75)


def test_gain_of_a_random_ranking_is_about_zero():
    rng = np.random.default_rng(0)
    y = rng.random(200_000) < 0.05
    assert abs(average_precision_gain(y, rng.random(y.size))) < 0.05


def test_thresholded_figures_against_scikit_learns_curves():
    y, score = tied()
    precision, recall, thresholds = precision_recall_curve(y, score)
    precision, recall = precision[: thresholds.size], recall[: thresholds.size]
    for bound in (0.1, 0.35, 0.6, 1.0):
        best = recall[precision >= bound].max(initial=0.0)
        assert recall_at_precision(y, score, precision=bound) == pytest.approx(best)
        best = precision[recall >= bound].max()
        assert precision_at_recall(y, score, recall=bound) == pytest.approx(best)
        fpr, tpr, _ = roc_curve(y, score, drop_intermediate=False)
        assert recall_at_fpr(y, score, fpr=bound) == pytest.approx(tpr[fpr <= bound].max())


def test_a_bound_that_a_share_meets_exactly_is_met_with_weights_too():
    y, score = [1, 1, 1, 0, 0, 0], [6, 5, 3, 4, 2, 1]
    weight = np.full(6, 0.1)
    assert recall_at_precision(y, score, precision=0.75, sample_weight=weight) == pytest.approx(1.0)
    assert recall_at_fpr(y, score, fpr=1 / 3, sample_weight=weight) == pytest.approx(1.0)


def test_partial_area_adds_up_to_average_precision():
    y, score = tied()
    parts = [(0.0, 0.2), (0.2, 0.55), (0.55, 1.0)]
    total = sum(
        (high - low) * partial_pr_area(y, score, min_recall=low, max_recall=high)
        for low, high in parts
    )
    assert total == pytest.approx(average_precision(y, score))


def test_ties_at_the_alert_border_count_in_expectation():
    y, score = [1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1]
    assert precision_at_k(y, score, k=2) == pytest.approx(0.75)
    assert recall_at_k(y, score, k=2) == pytest.approx(0.75)
    assert recall_at_k(y, score, k=4) == 1.0
    assert lift_at_k(y, score, k=1) == pytest.approx(2.0)


def test_with_weights_k_is_a_budget_of_weight():
    y, score = [1, 0, 1, 0], [0.9, 0.7, 0.5, 0.1]
    for k in (1, 2, 3, 4):
        # Normalised weights: two of four rows weigh one half.
        share = {"k": k / 4, "sample_weight": [0.25] * 4}
        assert precision_at_k(y, score, **share) == pytest.approx(precision_at_k(y, score, k=k))
        assert recall_at_k(y, score, **share) == pytest.approx(recall_at_k(y, score, k=k))
        assert lift_at_k(y, score, **share) == pytest.approx(lift_at_k(y, score, k=k))
    assert precision_at_k(y, score, k=0.5, sample_weight=[0.4, 0.2, 0.2, 0.2]) == pytest.approx(0.8)


def test_one_positive_only():
    y, score = np.zeros(1000, int), np.linspace(0, 1, 1000)
    y[989] = 1
    assert average_precision(y, score) == pytest.approx(1 / 11)
    assert recall_at_k(y, score, k=10) == 0.0
    assert recall_at_k(y, score, k=11) == 1.0


@pytest.mark.parametrize(
    "y, score, options, message",
    [
        ([0, 1], [0.1, np.nan], {}, "NaN in row 1"),
        ([0, 1], [0.1], {}, "one length"),
        ([0, 0], [0.1, 0.2], {}, "no positive row"),
        ([1, 1], [0.1, 0.2], {}, "no negative row"),
        ([0, 2], [0.1, 0.2], {}, "pos_label"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {}, "two labels, got 3"),
        (["a", None], [0.1, 0.2], {}, "missing in row 1"),
        ([1, 1, np.nan, 1.0], [0.1, 0.9, 0.8, 0.7], {"pos_label": 1}, "y_true is missing in row 2"),
        ([0.0, np.nan, 1.0], [0.1, 0.9, 0.8], {}, "y_true is missing in row 1"),
        (
            np.array([1, np.inf], dtype=object),
            [0.1, 0.9],
            {"pos_label": 1},
            "y_true is inf in row 1",
        ),
        ([1, 1, 1, -np.inf], [0.1, 0.9, 0.8, 0.7], {"pos_label": 1}, "y_true is -inf in row 3"),
        (["a", "b"], [0.1, 0.2], {"pos_label": "c"}, "'c' is not a label"),
        ([], [], {}, "empty"),
        ([0, 1], [0.1, 0.2], {"sample_weight": [1]}, "one weight for each of 2"),
        ([0, 1], [0.1, 0.2], {"sample_weight": [1, -1]}, "-1.0 in row 1"),
        ([0, 1], [0.1, 0.2], {"sample_weight": [1, 0]}, "no positive row"),
    ],
)
def test_bad_input(y, score, options, message):
    for figure, own in FIGURES:
        with pytest.raises(ValueError, match=message):
            figure(y, score, **own, **options)


@pytest.mark.parametrize(
    "figure, options, message",
    [
        (precision_at_k, {"k": 0}, "k must"),
        (recall_at_k, {"k": 3}, "k must"),
        (lift_at_k, {"k": float("nan")}, "k must"),
        (precision_at_k, {"k": 0.5}, "k must lie from 1 to the 2 rows, got 0.5"),
        (precision_at_k, {"k": 0.0, "sample_weight": [0.5, 0.5]}, "k must lie above 0"),
        (recall_at_k, {"k": 1.5, "sample_weight": [0.5, 0.5]}, "not above the rows' weight 1"),
        (recall_at_precision, {"precision": 2.0}, "precision must lie"),
        (precision_at_recall, {"recall": 0.0}, "recall must lie"),
        (recall_at_fpr, {"fpr": -0.1}, "fpr must lie"),
        (partial_pr_area, {"min_recall": 0.5, "max_recall": 0.5}, "min_recall < max_recall"),
    ],
)
def test_bad_options(figure, options, message):
    with pytest.raises(ValueError, match=message):
        figure([0, 1], [0.1, 0.2], **options)
