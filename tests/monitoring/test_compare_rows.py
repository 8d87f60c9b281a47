"""New rows beside the reference: what changed is named, and noise is not."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import ks_2samp

from focaltab.calibration import prior_shift
from focaltab.monitoring import Reference, compare_rows


def rows(n_rows, seed, *, amount=80.0, rome=0.6, missing=0.05):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": np.where(
                rng.random(n_rows) < missing, np.nan, rng.gamma(1.0, amount, n_rows)
            ),
            "items": rng.poisson(2.0, n_rows),
            "city": rng.choice(["Rome", "Oslo", "Bern"], n_rows, p=[rome, 0.9 - rome, 0.1]),
            "merchant": [f"m{k}" for k in np.minimum(rng.geometric(0.02, n_rows), 300)],
        }
    )


@pytest.fixture(scope="module")
def reference():
    return Reference.from_rows(rows(20_000, 0))


def figures(report, column):
    return report.columns.set_index("column").loc[column]


def test_same_kind_of_rows_stay_within_chance(reference):
    found = [compare_rows(reference, rows(n, seed)) for n in (300, 3000) for seed in range(1, 61)]
    assert sum(bool(report.columns["beyond_chance"].any()) for report in found) <= 12
    assert [report.drifted for report in found].count([]) >= 114
    # PSI is about what chance makes of it, on the mean.
    for n, reports in ((300, found[:60]), (3000, found[60:])):
        tables = pd.concat([report.columns for report in reports])
        means = tables.groupby("column")[["psi", "psi_by_chance"]].mean()
        np.testing.assert_allclose(means["psi"], means["psi_by_chance"], rtol=0.35, err_msg=str(n))


@pytest.mark.parametrize("n_values", [100, 200])
@pytest.mark.parametrize("kind", ["category", object])
def test_many_values_that_are_equally_rare_stay_within_chance(n_values, kind):
    rng = np.random.default_rng(0)

    def merchants(n_rows):
        names = [f"m{k}" for k in rng.integers(0, n_values, n_rows)]
        return pd.DataFrame({"merchant": pd.Series(names, dtype=kind)})

    found = [compare_rows(Reference.from_rows(merchants(600)), merchants(3000)) for _ in range(30)]
    assert sum(bool(report.drifted) for report in found) <= 4  # of 30 x 0.05 expected
    gone = merchants(3000)
    gone = gone[gone["merchant"].astype(str) > "m5"]
    assert compare_rows(Reference.from_rows(merchants(3000)), gone).drifted == ["merchant"]


def test_few_rows_make_a_large_psi_that_is_no_drift(reference):
    report = compare_rows(reference, rows(40, 1))
    noisy = figures(report, "merchant")
    assert noisy["level"] == "large" and not noisy["beyond_chance"]
    assert report.drifted == [] and "noise" in report.verdict


def test_a_shifted_column_is_found_and_named(reference):
    report = compare_rows(reference, rows(3000, 1, amount=200.0))
    assert report.drifted == ["amount"]
    assert "amount (PSI" in report.verdict
    assert figures(report, "amount")["level"] == "large"
    assert figures(report, "city")["level"] == "stable"


def test_psi_is_the_textbook_sum(reference):
    new = rows(3000, 1, amount=120.0, missing=0.0)
    before = reference.columns[0]
    edges = [-math.inf, *before.edges, math.inf]
    now = np.histogram(-new["amount"], -np.array(edges)[::-1])[0][::-1] / len(new)
    p = np.append(np.array(before.bin_shares) * (1 - before.missing), before.missing)
    q = np.append(now, 0.5 / len(new))
    expected = ((q - p) * np.log(q / p)).sum()
    assert figures(compare_rows(reference, new), "amount")["psi"] == pytest.approx(
        expected, rel=0.02
    )


@pytest.mark.parametrize("values", ["continuous", "tied"])
def test_ks_is_exact_to_a_hundredth(values):
    rng = np.random.default_rng(0)
    before, now = rng.normal(0, 1, 4000), rng.normal(0.3, 1.2, 1500)
    if values == "tied":
        before, now = np.round(before), np.round(now)
    report = compare_rows(Reference.from_rows(before[:, None]), now[:, None])
    assert report.columns["ks"][0] == pytest.approx(ks_2samp(before, now).statistic, abs=0.0105)


def test_missing_unseen_and_out_of_range(reference):
    new = rows(2000, 1)
    new.loc[:999, "amount"] = np.nan
    new.loc[:199, "city"] = "Bonn"
    new.loc[:499, "items"] = 10_000
    report = compare_rows(reference, new)
    amount, city, items = (figures(report, name) for name in ("amount", "city", "items"))
    assert amount["missing"] == new["amount"].isna().mean()
    assert amount["missing_before"] == reference.columns[0].missing
    assert city["unseen"] == 0.1 and items["out_of_range"] == 0.25
    # Not all merchants are kept, so that nobody can say which are new.
    assert math.isnan(figures(report, "merchant")["unseen"])
    assert set(report.drifted) == {"amount", "city", "items"}


def test_a_constant_that_goes_down_is_seen():
    reference = Reference.from_rows(pd.DataFrame({"x": np.full(1000, 5.0), "y": np.arange(1000)}))
    report = compare_rows(
        reference, pd.DataFrame({"x": np.full(500, 4.0), "y": np.arange(500) * 2})
    )
    assert report.drifted == ["x"]


def test_values_in_a_column_that_was_always_missing():
    reference = Reference.from_rows(pd.DataFrame({"x": np.full(500, np.nan), "y": np.arange(500)}))
    new = pd.DataFrame({"x": ["a"] * 250, "y": np.arange(250) * 2})
    report = compare_rows(reference, new)
    assert report.drifted == ["x"] and figures(report, "x")["unseen"] == 1.0


def test_dates_move_on_without_being_drift():
    start = pd.Timestamp("2025-01-01")
    before = pd.DataFrame({"when": start + pd.to_timedelta(np.arange(1000), unit="h")})
    report = compare_rows(Reference.from_rows(before), before + pd.Timedelta(days=60))
    assert figures(report, "when")["level"] == "large"
    assert report.drifted == [] and "Dates moved on" in report.verdict


def test_weights_count_as_repeated_rows(reference):
    new = rows(500, 1, amount=150.0)
    weight = np.random.default_rng(3).integers(0, 3, len(new))
    weighted = compare_rows(reference, new, sample_weight=weight).columns
    repeated = compare_rows(reference, new.iloc[np.repeat(np.arange(500), weight)]).columns
    names = ["ks", "missing", "out_of_range"]
    np.testing.assert_allclose(weighted[names], repeated[names])
    # As many rows as they stand for were not seen: chance is given more room.
    assert (weighted["psi_limit"] > repeated["psi_limit"]).all()


def test_order_of_columns_and_extra_columns(reference):
    new = rows(500, 1)
    moved = new[new.columns[::-1]].assign(more=1)
    report = compare_rows(reference, moved)
    pd.testing.assert_frame_equal(report.columns, compare_rows(reference, new).columns)
    assert report.extra_columns == ("more",) and "more" in report.verdict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.drop(columns="city"), "lacks the column 'city'"),
        (lambda X: X.assign(amount="much"), "'amount' was numeric in training.*'much' in row 0"),
        (lambda X: X.assign(amount=pd.Timestamp("2025-01-01")), "'amount' held numbers .* dates"),
        (lambda X: X.assign(city=1.5), "'city' held categories .* but numbers here"),
        (lambda X: X.assign(city=pd.Timestamp("2025-01-01")), "'city' held categories .* dates"),
        (lambda X: X.iloc[:0], "X has 0 rows"),
    ],
)
def test_tables_that_do_not_fit_are_refused(reference, change, message):
    with pytest.raises(ValueError, match=message):
        compare_rows(reference, change(rows(100, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.0}, "threshold must lie"),
        ({"score": np.full(100, 2.0)}, "score is 2.0 in row 0"),
        ({"y": [0, 1]}, "100 rows but y has 2"),
        ({"y": np.repeat(["a", "b"], 50)}, "pos_label"),
        ({"sample_weight": [1.0]}, "sample_weight"),
    ],
)
def test_unusable_options_are_refused(reference, options, message):
    with pytest.raises(ValueError, match=message):
        compare_rows(reference, rows(100, 1), **options)


def test_what_is_no_reference_is_refused():
    with pytest.raises(TypeError, match="must be a Reference"):
        compare_rows(rows(10, 0), rows(10, 0))


# Two classes whose log-odds are known: the scores are calibrated by construction.
PREVALENCE, THRESHOLD = 0.02, 0.3


def scored(n_rows, prevalence, seed):
    """Rows, their labels, and probabilities that are right at `PREVALENCE`."""
    rng = np.random.default_rng(seed)
    y = rng.random(n_rows) < prevalence
    x = rng.normal(np.where(y, 2.5, 0.0), 1.0)
    score = expit(logit(PREVALENCE) + 2.5 * x - 2.5**2 / 2)
    return pd.DataFrame({"x": x}), y, score


@pytest.fixture(scope="module")
def scored_reference():
    X, y, score = scored(40_000, PREVALENCE, 0)
    return Reference.from_rows(X, y, score=score)


@pytest.mark.parametrize("prevalence", [0.005, 0.06])
def test_label_shift_is_estimated_and_the_threshold_moves(scored_reference, prevalence):
    covered, fits, made, right = 0, 0, [], []
    for seed in range(1, 9):
        X, y, score = scored(40_000, prevalence, seed)
        report = compare_rows(
            scored_reference, X, score=score, threshold=THRESHOLD, random_state=seed
        )
        interval = report.prevalence_estimated
        covered += interval.low <= y.mean() <= interval.high
        assert not interval.low <= PREVALENCE <= interval.high
        # The moved threshold alerts where the corrected probability reaches the old one.
        corrected = prior_shift(score, report.prevalence_before, interval.value)
        assert report.alerts_after == pytest.approx(1000 * np.mean(corrected >= THRESHOLD), abs=0.2)
        fits += report.label_shift_fits
        made.append(report.alerts_after)
        right.append(1000 * np.mean(prior_shift(score, PREVALENCE, prevalence) >= THRESHOLD))
        assert report.alerts_before == 1000 * np.mean(score >= THRESHOLD)
        assert (report.moved_threshold < THRESHOLD) == (prevalence > PREVALENCE)
        assert f"move the threshold to {report.moved_threshold:.4g}" in report.verdict or (
            report.is_doubtful
        )
    assert covered >= 6 and fits >= 6
    assert np.mean(made) == pytest.approx(np.mean(right), rel=0.15)


def test_the_threshold_stays_where_nothing_changed(scored_reference):
    X, _, score = scored(10_000, PREVALENCE, 5)
    report = compare_rows(scored_reference, X, score=score, threshold=THRESHOLD, random_state=0)
    assert report.moved_threshold is None and report.alerts_after is None
    assert "can stay" in report.verdict
    assert report.score.level == "stable" and report.drifted == []


def test_intervals_repeat_with_their_seed(scored_reference):
    X, _, score = scored(2000, PREVALENCE, 5)
    one, same, other = (
        compare_rows(scored_reference, X, score=score, random_state=seed).prevalence_estimated
        for seed in (0, 0, 1)
    )
    assert one == same != other and one.value == other.value


def test_weighted_rows_have_the_estimate_of_repeated_ones(scored_reference):
    X, _, score = scored(3000, 0.05, 5)
    weight = np.random.default_rng(3).integers(0, 3, len(X))
    weighted = compare_rows(
        scored_reference, X, score=score, sample_weight=weight, random_state=0
    ).prevalence_estimated
    again = np.repeat(np.arange(len(X)), weight)
    repeated = compare_rows(
        scored_reference, X.iloc[again], score=score[again], random_state=0
    ).prevalence_estimated
    assert weighted.value == pytest.approx(repeated.value, rel=1e-6)
    # Rows were drawn, not weights: less is known than of as many rows.
    assert weighted.high - weighted.low > repeated.high - repeated.low


def test_weights_that_sum_to_one_count_as_those_of_mean_one(scored_reference):
    X, _, score = scored(3000, 0.05, 5)
    given = np.random.default_rng(3).random(3000)
    found = [
        compare_rows(
            scored_reference, X, score=score, sample_weight=weight, random_state=0
        ).prevalence_estimated
        for weight in (given, given / given.sum())
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_labels_are_judged_where_they_are_known(scored_reference):
    X, y, score = scored(5000, PREVALENCE, 6)
    report = compare_rows(scored_reference, X, score=score, y=y)
    assert report.prevalence_observed == y.mean()
    assert 0.3 < report.average_precision < 1.0 and 0.0 < report.log_loss < 0.1
    alone = compare_rows(scored_reference, X, score=score, y=np.zeros(5000, bool))
    assert alone.average_precision is None and alone.log_loss > 0.0


def test_the_named_positive_label_is_remembered():
    X, y, score = scored(3000, PREVALENCE, 6)
    labels = np.where(y, "bad", "ok")
    reference = Reference.from_rows(X, labels, score=score, pos_label="bad")
    again = Reference.from_dict(reference.to_dict())
    assert compare_rows(again, X, score=score, y=labels).prevalence_observed == y.mean()


def test_column_drift_speaks_against_label_shift(scored_reference):
    X, _, score = scored(5000, PREVALENCE, 7)
    moved = expit(logit(score) + 2.0)
    report = compare_rows(scored_reference, X + 0.8, score=moved, threshold=THRESHOLD)
    assert report.drifted == ["x"]
    assert "The large change of x speaks against it" in report.verdict
    assert report.is_doubtful and "Do not move the threshold" in report.verdict


def test_other_rows_of_the_same_risk_are_no_label_shift(scored_reference):
    """The probabilities are right as they are, and the estimate is not: the report can tell."""
    rng = np.random.default_rng(8)
    x = rng.normal(0.7, 1.0, 5000)
    score = expit(logit(PREVALENCE) + 2.5 * x - 2.5**2 / 2)
    report = compare_rows(
        scored_reference, pd.DataFrame({"x": x}), score=score, threshold=THRESHOLD
    )
    assert report.label_shift_fits is False
    assert report.mean_score == score.mean()
    assert not report.prevalence_estimated.low <= score.mean() <= report.prevalence_estimated.high
    assert "do not fall as that would make them" in report.verdict
    assert "Do not move the threshold" in report.verdict


def test_labels_outside_the_interval_are_told(scored_reference):
    X, y, score = scored(5000, PREVALENCE, 7)
    report = compare_rows(scored_reference, X, score=expit(logit(score) + 1.0), y=y)
    assert "outside that interval" in report.verdict


def test_an_uncalibrated_reference_is_told():
    X, y, score = scored(20_000, PREVALENCE, 0)
    reference = Reference.from_rows(X, y, score=expit(logit(score) + 1.0))
    report = compare_rows(reference, X, score=score)
    assert "not calibrated" in report.verdict


@pytest.mark.slow
def test_many_rows_of_the_same_kind_move_no_threshold():
    """Where the classes overlap much, a small error of the old prevalence goes a long way."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.1, 10.0, 20_000)
    X = np.zeros((p.size, 1))
    reference = Reference.from_rows(X, rng.random(p.size) < p, score=p)
    moved = 0
    for seed in range(20):
        new = np.random.default_rng(seed).beta(0.1, 10.0, 100_000)
        report = compare_rows(
            reference, np.zeros((new.size, 1)), score=new, threshold=0.2, random_state=seed
        )
        moved += report.moved_threshold is not None
    assert moved <= 4
    same = compare_rows(reference, X, score=p, threshold=0.2, random_state=0)
    assert same.prevalence_estimated.value == pytest.approx(p.mean(), rel=1e-3)


def test_without_labels_the_mean_score_is_the_old_prevalence():
    X, _, score = scored(5000, PREVALENCE, 0)
    report = compare_rows(Reference.from_rows(X, score=score), X, score=score)
    assert report.prevalence_before == score.mean()
    assert report.prevalence_estimated.value == pytest.approx(score.mean(), rel=0.02)


def test_scores_of_zero_and_one_are_taken(scored_reference):
    X, _, score = scored(500, PREVALENCE, 0)
    score[:3] = 0.0, 1.0, 1.0
    report = compare_rows(scored_reference, X, score=score, threshold=THRESHOLD)
    assert 0.0 < report.prevalence_estimated.value < 0.2


def test_the_report_is_plain_json(scored_reference):
    X, y, score = scored(500, PREVALENCE, 1)
    report = compare_rows(scored_reference, X, score=score, y=y, threshold=THRESHOLD)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["columns"][0]["column"] == "x" and plain["columns"][0]["unseen"] is None
    assert plain["prevalence_estimated"]["low"] == report.prevalence_estimated.low
    assert plain["verdict"] == report.verdict and plain["drifted"] == report.drifted
