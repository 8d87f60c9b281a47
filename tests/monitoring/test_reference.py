"""A reference keeps what rows looked like, in plain JSON that strangers cannot break."""

import copy
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from focaltab.monitoring import Reference


def mixed_rows(n_rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2025-03-01", tz="UTC")
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(n_rows) < 0.1, np.nan, rng.gamma(1.0, 80.0, n_rows)),
            "items": rng.poisson(2.0, n_rows),
            "city": rng.choice(["Rome", "Oslo", None], n_rows, p=[0.6, 0.3, 0.1]),
            "merchant": [f"m{k}" for k in np.minimum(rng.geometric(0.02, n_rows), 300)],
            "when": start + pd.to_timedelta(rng.integers(0, 10**6, n_rows), unit="s"),
            "customer": [f"c{k}" for k in range(n_rows)],
            "currency": "EUR",
            "gone": np.nan,
            "noted": pd.Series([None] * n_rows, dtype=object),
        }
    )


@pytest.fixture(scope="module")
def reference():
    X = mixed_rows()
    rng = np.random.default_rng(1)
    score = rng.beta(0.2, 10.0, len(X))
    y = np.where(rng.random(len(X)) < score, "fraud", "fine")
    return Reference.from_rows(X, y, score=score, pos_label="fraud")


def by_name(reference):
    return {column.name: column for column in reference.columns}


def test_every_column_is_kept_with_a_kind(reference):
    assert {c.name: c.kind for c in reference.columns} == {
        "amount": "number",
        "items": "number",
        "city": "category",
        "merchant": "text",
        "when": "date",
        "customer": "text",
        "currency": "category",
        "gone": "number",
        "noted": "category",
    }


def test_summary_figures_are_those_of_the_rows(reference):
    X, columns = mixed_rows(), by_name(reference)
    amount = columns["amount"]
    assert amount.missing == X["amount"].isna().mean()
    assert (amount.smallest, amount.largest) == (X["amount"].min(), X["amount"].max())
    assert amount.typical == pytest.approx(X["amount"].median(), rel=0.01)
    # The deciles bound ten bins, of a tenth each.
    np.testing.assert_allclose(amount.bin_shares, 0.1, atol=0.002)
    assert not amount.whole and columns["items"].whole
    expected = X["city"].value_counts(normalize=True).to_dict()
    assert dict(columns["city"].values) == pytest.approx(expected)
    assert columns["city"].other == 0.0
    day = pd.Timestamp(0, tz="UTC") + pd.Timedelta(days=columns["when"].largest)
    assert abs(day - X["when"].max()) < pd.Timedelta(milliseconds=1)
    assert columns["gone"].is_empty and columns["noted"].is_empty
    assert reference.positive == "fraud" and 0.0 < reference.prevalence < 0.1


def test_bins_of_tied_values_hold_their_true_shares():
    values = np.repeat([0.0, 1.0, 2.0], [700, 200, 100])
    column = Reference.from_rows(pd.DataFrame({"x": values})).columns[0]
    assert column.edges.tolist() == [0.0, 1.0]
    assert column.bin_shares == (0.7, 0.2, 0.1)


def test_identifiers_and_rare_values_stay_out_of_the_file(reference):
    columns = by_name(reference)
    assert columns["customer"].values == () and columns["customer"].other == 1.0
    kept = columns["merchant"].values
    rows = mixed_rows()["merchant"].value_counts()
    assert 10 < len(kept) <= 50 and all(rows[name] >= 0.0025 * rows.sum() for name, _ in kept)
    # Shares are those of rows that had no say in what is kept.
    true = rows / rows.sum()
    assert sum(share for _, share in kept) == pytest.approx(sum(true[n] for n, _ in kept), abs=0.05)
    assert sum(share for _, share in kept) + columns["merchant"].other == pytest.approx(1.0)
    assert "c17" not in json.dumps(reference.to_dict())


def test_identifiers_of_few_rows_stay_out_too():
    few = Reference.from_rows(mixed_rows(60))
    assert by_name(few)["customer"].values == ()


def test_a_summary_does_not_depend_on_the_order_of_rows(reference):
    X = mixed_rows()[["city", "merchant"]]
    shuffled = X.sample(frac=1.0, random_state=3)
    assert Reference.from_rows(shuffled).columns == Reference.from_rows(X).columns


def test_weights_are_repeated_rows():
    X = mixed_rows(400)[["amount", "items", "city", "when"]]
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 4, len(X))
    y, score = rng.random(len(X)) < 0.1, rng.random(len(X))
    weighted = Reference.from_rows(X, y, score=score, sample_weight=weight)
    again = np.repeat(np.arange(len(X)), weight)
    repeated = Reference.from_rows(X.iloc[again], y[again], score=score[again])
    assert weighted.prevalence == pytest.approx(repeated.prevalence)
    assert weighted.mean_score == pytest.approx(repeated.mean_score)
    for one, other in zip(
        [*weighted.columns, weighted.score], [*repeated.columns, repeated.score], strict=True
    ):
        assert one.missing == pytest.approx(other.missing)
        assert one.quantiles == pytest.approx(other.quantiles)
        assert one.bin_shares == pytest.approx(other.bin_shares)
        assert dict(one.values) == pytest.approx(dict(other.values))


def test_round_trip_through_json_is_exact(reference):
    text = json.dumps(reference.to_dict(), allow_nan=False)
    again = Reference.from_dict(json.loads(text))
    assert again == reference
    assert json.dumps(again.to_dict()) == text


def test_it_is_small(reference):
    for column in reference.columns:
        assert len(json.dumps(column.to_dict())) < 4000


@pytest.mark.slow
def test_it_is_the_same_in_another_process():
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        "from test_reference import mixed_rows; from focaltab.monitoring import Reference;"
        "print(json.dumps(Reference.from_rows(mixed_rows(300)).to_dict()))"
    )
    here = __file__.rsplit("/", 1)[0]
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, check=True)
    assert json.loads(done.stdout) == Reference.from_rows(mixed_rows(300)).to_dict()


def test_fingerprint_knows_the_data():
    X = mixed_rows(300)
    changed = X.copy()
    changed.loc[7, "items"] += 1
    one, same, other = (Reference.from_rows(rows).fingerprint for rows in (X, X.copy(), changed))
    assert one == same != other


def test_columns_of_arrays_are_numbered():
    reference = Reference.from_rows(np.arange(12.0).reshape(6, 2))
    assert [c.name for c in reference.columns] == ["0", "1"]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (pd.DataFrame({"x": [1.0, np.inf]}), {}, "Infinite value .* column 'x', row 1"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), {}, "'x' stands more than once"),
        (pd.DataFrame({"x": []}), {}, "X has 0 rows"),
        (pd.DataFrame({"x": [1, 2]}), {"score": [0.1, 1.5]}, "score is 1.5 in row 1"),
        (pd.DataFrame({"x": [1, 2]}), {"score": [0.1]}, "score must hold one"),
        (pd.DataFrame({"x": [1, 2]}), {"y": ["a", "b"]}, "pos_label"),
        (pd.DataFrame({"x": [1, 2]}), {"y": [0]}, "2 rows but y has 1"),
        (pd.DataFrame({"x": [1, 2]}), {"sample_weight": [-1, 1]}, "sample_weight"),
        (pd.DataFrame({"x": [[1], [2]]}), {}, "'x' holds lists"),
        (np.arange(3), {}, "table of rows and columns"),
    ],
)
def test_rows_that_cannot_be_summarised_are_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        Reference.from_rows(rows, **options)


def put(path, value):
    """A change of one field of a reference's JSON."""

    def change(given):
        place = given
        for key in path[:-1]:
            place = place[key]
        if value is DROP:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return given

    return change


DROP = object()
AMOUNT, CITY = ("columns", 0), ("columns", 2)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, r"reference\.format"),
        (("format",), True, r"reference\.format"),
        (("n_rows",), DROP, "lacks the field 'n_rows'"),
        (("n_rows",), 0, r"reference\.n_rows"),
        (("n_rows",), 10.5, r"reference\.n_rows"),
        (("n_rows",), 10**400, r"reference\.n_rows"),
        (("effective_rows",), 1e9, r"reference\.effective_rows"),
        (("more",), 1, "unknown field 'more'"),
        (("prevalence",), 1.5, r"reference\.prevalence"),
        (("prevalence",), float("nan"), r"reference\.prevalence"),
        (("positive",), [1], r"reference\.positive"),
        (("fingerprint",), None, r"reference\.fingerprint"),
        (("mean_score",), None, "mean_score"),
        (("score_deviation",), None, "score_deviation"),
        (("score_deviation",), -0.1, r"reference\.score_deviation"),
        (("bin_scores",), [0.5], r"reference\.bin_scores"),
        (("bin_scores", 3), 1.5, r"reference\.bin_scores"),
        (("score", "kind"), "text", r"reference\.score"),
        (("columns",), [], r"reference\.columns"),
        (("columns",), {}, r"reference\.columns"),
        ((*AMOUNT, "name"), "city", "'city' more than once"),
        ((*AMOUNT, "name"), 7, r"columns\[0\]\.name"),
        ((*AMOUNT, "kind"), "matrix", r"columns\[0\]\.kind"),
        ((*AMOUNT, "kind"), ["number"], r"columns\[0\]\.kind"),
        ((*AMOUNT, "kind"), "category", r"columns\[0\]\.quantiles"),
        ((*AMOUNT, "missing"), 1.0, r"columns\[0\]\.missing"),
        ((*AMOUNT, "missing"), "0.1", r"columns\[0\]\.missing"),
        ((*AMOUNT, "quantiles"), [1.0, 2.0], r"columns\[0\]\.quantiles"),
        ((*AMOUNT, "quantiles", 50), -1e9, r"columns\[0\]\.quantiles must not decrease"),
        ((*AMOUNT, "quantiles", 50), None, r"columns\[0\]\.quantiles\[50\]"),
        ((*AMOUNT, "quantiles", 50), float("inf"), r"columns\[0\]\.quantiles\[50\]"),
        ((*AMOUNT, "quantiles", 50), True, r"columns\[0\]\.quantiles\[50\]"),
        ((*AMOUNT, "bin_shares", 0), 0.5, r"columns\[0\]\.bin_shares must sum to 1"),
        ((*AMOUNT, "bin_shares"), [1.0], r"columns\[0\]\.bin_shares"),
        ((*AMOUNT, "whole"), 0, r"columns\[0\]\.whole"),
        ((*AMOUNT, "holds"), "numbers", r"columns\[0\]\.holds"),
        ((*CITY, "holds"), "words", r"columns\[2\]\.holds must be one of"),
        ((*AMOUNT, "extra"), 0, "unknown field 'extra'"),
        ((*CITY, "values", 0), ["Rome"], r"columns\[2\]\.values\[0\]"),
        ((*CITY, "values", 0, 1), 0.99, r"columns\[2\]\.values and other must sum to 1"),
        ((*CITY, "values", 0, 0), "Oslo", "'Oslo' more than once"),
        ((*CITY, "values", 0, 0), 5, r"columns\[2\]\.values\[0\]"),
        ((*CITY, "values"), [[str(k), 0.01] for k in range(100)], "at most 50"),
        ((*CITY, "other"), -0.1, r"columns\[2\]\.other"),
    ],
)
def test_a_broken_file_is_refused_by_the_field(reference, path, value, message):
    given = put(path, value)(copy.deepcopy(reference.to_dict()))
    with pytest.raises(ValueError, match=message):
        Reference.from_dict(given)


@pytest.mark.parametrize("given", [None, [], "reference", 3])
def test_what_is_no_reference_is_refused(given):
    with pytest.raises(ValueError, match="must be an object"):
        Reference.from_dict(given)


def test_a_file_that_does_not_say_what_categories_hold_is_read(reference):
    given = reference.to_dict()
    for column in given["columns"]:
        del column["holds"]
    assert Reference.from_dict(given) == reference
