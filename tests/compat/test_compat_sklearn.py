import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, fbeta_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.preprocessing import StandardScaler

from focaltab._compat.sklearn import (
    copy_requests,
    count_rows,
    feature_names_in,
    has_requests,
    histogram_trees,
    input_positions,
    is_search,
    requests_of,
    rows_at,
    scorer_options,
    scorer_parts,
    scorer_with,
    seeded_target_encoder,
    tuned_positive,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
y = np.where(X[:, 0] + rng.normal(size=120) > 0.8, "fraud", "fine")
TABLES = [X, X.tolist(), pd.DataFrame(X, index=[0] * len(X)), sparse.csr_matrix(X)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_rows_of_every_kind_of_table_are_counted_and_taken(table):
    assert count_rows(table) == 120
    rows = np.array([5, 2, 2])
    taken = rows_at(table, rows)
    assert type(taken) is type(table)
    taken = taken.toarray() if sparse.issparse(taken) else np.asarray(taken)
    np.testing.assert_array_equal(taken, X[rows])


def test_what_has_no_rows_is_refused():
    with pytest.raises(TypeError, match="array-like"):
        count_rows(3.0)


def test_names_are_those_of_the_fit():
    of_frame = StandardScaler().fit(pd.DataFrame(X, columns=["a", "b", "c"]))
    assert feature_names_in(of_frame).tolist() == ["a", "b", "c"]
    assert feature_names_in(StandardScaler().fit(X)).tolist() == ["x0", "x1", "x2"]
    with pytest.raises(ValueError, match="feature_names_in_"):
        feature_names_in(of_frame, ["a", "c", "b"])


def test_all_searches_are_known():
    model, grid = LogisticRegression(), {"C": [1.0]}
    for kind in (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV):
        assert is_search(kind(model, grid))
    assert not is_search(model)


def test_a_seed_decides_the_folds_of_a_target_encoder():
    text = pd.DataFrame({"a": rng.choice(list("uvwxyz"), 120)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded = [seeded_target_encoder(s).fit_transform(text, y) for s in (1, 1, 2)]
    np.testing.assert_array_equal(encoded[0], encoded[1])
    assert (encoded[0] != encoded[2]).any()


def test_a_scorer_tells_what_it_was_made_of():
    scorer = make_scorer(
        fbeta_score, greater_is_better=False, response_method="predict", beta=2.0, pos_label="fraud"
    )
    parts = scorer_parts(scorer)
    assert parts == (fbeta_score, {"beta": 2.0, "pos_label": "fraud"}, -1, "predict")
    assert scorer_options(scorer) == parts.options
    assert scorer_parts(get_scorer("neg_log_loss")).response_method == "predict_proba"
    assert scorer_parts(f1_score) is None and scorer_options("f1") == {}


def test_a_copy_of_a_scorer_goes_by_another_label():
    model = LogisticRegression().fit(X, y)
    scorer = make_scorer(f1_score, pos_label="fraud")
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = scorer.set_score_request(sample_weight=True)
        other = scorer_with(scorer, pos_label="fine")
        asked = other.get_metadata_routing().score.requests
    assert scorer(model, X, y) == f1_score(y, model.predict(X), pos_label="fraud")
    assert other(model, X, y) == f1_score(y, model.predict(X), pos_label="fine")
    assert asked["sample_weight"] is True


@pytest.mark.parametrize("label", ["fine", "fraud"])
def test_a_tuned_threshold_knows_its_positive_label(label):
    scorer = make_scorer(f1_score, pos_label=label)
    model = TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer, cv=2)
    assert tuned_positive(model) is None
    assert tuned_positive(model.fit(X, y)) == label


def test_requests_are_found_and_copied():
    with sklearn.config_context(enable_metadata_routing=True):
        silent = LogisticRegression()
        asking = LogisticRegression().set_fit_request(sample_weight=True)
        assert has_requests(asking) and not has_requests(silent)
        scorer = make_scorer(f1_score).set_score_request(sample_weight=False)
        told = make_scorer(fbeta_score, beta=2.0)
        copy_requests(scorer, told)
        assert told.get_metadata_routing().score.requests["sample_weight"] is False
        told.set_score_request(sample_weight=True)
        assert scorer.get_metadata_routing().score.requests["sample_weight"] is False
        bare = make_scorer(f1_score)
        copy_requests(bare, told)
        assert told.get_metadata_routing().score.requests["sample_weight"] is True
    assert requests_of(silent) == [] and requests_of(3) is None
    for thing, method in ((asking, "fit"), (scorer, "score")):
        found = {getattr(one, "method", "all of it"): one for one in requests_of(thing)}
        assert hasattr(found["all of it"], "owner")
        assert "sample_weight" in found[method].requests


def test_input_columns_of_a_column_transformer_are_numbers():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    columns = [("one", "passthrough", ["c", "a"]), ("two", "drop", slice(1, 2))]
    fitted = ColumnTransformer(columns, remainder="passthrough").fit(frame)
    assert input_positions(fitted) == {"one": [2, 0], "two": [1], "remainder": []}


@pytest.mark.parametrize("categories", [None, [1]])
def test_trees_of_histogram_gradient_boosting_add_up_to_its_margins(categories):
    table = X.copy()
    table[:, 1] = rng.integers(0, 5, len(X))
    table[::7, 0] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=5, min_samples_leaf=5, categorical_features=categories, random_state=0
    ).fit(table, y)
    inside = histogram_trees(model)
    assert (inside.columns is None) is (categories is None)
    if categories:
        order = input_positions(inside.columns)
        table = table[:, [*order["encoder"], *order["numerical"]]]
    margins = np.full(len(table), inside.baseline)
    for (tree,) in inside.rounds:
        margins += [_leaf(tree, row) for row in table]
    rows = X.copy()
    rows[:, 1] = table[:, 0] if categories else table[:, 1]
    rows[::7, 0] = np.nan
    np.testing.assert_allclose(margins, model.decision_function(rows), rtol=1e-12)


def _leaf(tree, row):
    node = tree.nodes[0]
    while not node["is_leaf"]:
        value = row[node["feature_idx"]]
        if np.isnan(value):
            left = node["missing_go_to_left"]
        elif node["is_categorical"]:
            bits = tree.raw_left_cat_bitsets[node["bitset_idx"]]
            left = bits[int(value) // 32] >> (int(value) % 32) & 1
        else:
            left = value <= node["num_threshold"]
        node = tree.nodes[node["left" if left else "right"]]
    return node["value"]
