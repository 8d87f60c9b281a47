"""Labels, weights, margins and evaluation sets in any container, and tables that contradict."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.external import ParquetTable
from focaltab.pipeline import make_pipeline

LIBRARIES = ["xgb", "lgbm"]
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 2))
y = (X.sum(axis=1) + rng.normal(size=200) > 1).astype(int)
THREE = rng.integers(0, 3, 200)
FRAME = pd.DataFrame(X, columns=["a", "b"])


def make(library, **options):
    options = {"n_estimators": 3, "n_jobs": 1, **options}
    if library == "xgb":
        return FocalXGBClassifier(**options)
    return FocalLGBMClassifier(**{"verbosity": -1, **options})


def margin_of(library):
    return "base_margin" if library == "xgb" else "init_score"


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_masked_is_missing(library):
    with pytest.raises(ValueError, match=rf"masked\) label in row {int((y == 0).argmax())}"):
        make(library).fit(X, np.ma.masked_array(y, mask=y == 0))
    masked = np.ma.masked_array(np.ones(200), mask=np.arange(200) == 5)
    with pytest.raises(ValueError, match="sample_weight is masked in row 5"):
        make(library).fit(X, y, sample_weight=masked)
    with pytest.raises(ValueError, match=f"{margin_of(library)} is masked in row 5"):
        make(library).fit(X, y, **{margin_of(library): masked})
    labels = np.ma.masked_array(y, mask=np.arange(200) == 5)
    with pytest.raises(ValueError, match=r"masked\) label in row 5"):
        make(library).fit(X, y, eval_set=[(X, labels)])
    nothing = np.ma.masked_array(y, mask=False)
    assert make(library).fit(X, nothing).prevalence_ == y.mean()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("labels", "margin", "message"),
    [
        (y, np.where(np.arange(200) == 3, np.nan, 0.0), "not finite in row 3"),
        (y, np.where(np.arange(200) == 3, np.inf, 0.0), "not finite in row 3"),
        (y, np.zeros(250), r"shape \(200,\), got \(250,\)"),
        (y, [], r"shape \(200,\), got \(0,\)"),
        (y, np.zeros((200, 2)), r"got \(200, 2\)"),
        (THREE, np.zeros((3, 200)), r"shape \(200, 3\), got \(3, 200\)"),
        (y, ["x"] * 200, "dtype <U1"),
        (y, np.array([None, pd.NA] * 100, dtype=object), "in row 0"),
    ],
)
def test_margins_are_a_finite_number_for_each_row(library, labels, margin, message):
    for options in ({}, {"early_stopping_rounds": 2}):
        with pytest.raises(ValueError, match=f"{margin_of(library)} .*{message}"):
            make(library, **options).fit(X, labels, **{margin_of(library): margin})


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "container", [list, pd.Series, pa.array, lambda m: m[:, None], lambda m: m.astype(object)]
)
def test_margins_come_in_any_container(library, container):
    margin = np.linspace(-3.0, -1.0, 200)
    expected = make(library).fit(X, y, **{margin_of(library): margin})
    found = make(library).fit(X, y, **{margin_of(library): container(margin)})
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_a_prediction_starts_from_finite_margins():
    model = make("xgb").fit(X, y)
    with pytest.raises(ValueError, match="base_margin is not finite in row 0"):
        model.predict_proba(X, base_margin=np.full(200, np.nan))
    with pytest.raises(ValueError, match=r"shape \(200,\), got \(10,\)"):
        model.predict_proba(X, base_margin=np.zeros(10))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(200, 1e39), "1e[+]39 in row 0.*3.4e38"),
        (np.array([1.0, "a"] * 100, dtype=object), "'a' in row 1"),
        (np.ones(200, "m8[s]"), "dtype timedelta64"),
        (np.ones(200) + 0j, "dtype complex128"),
        (sparse.csr_matrix(np.ones((200, 1))), "is a sparse matrix"),
    ],
)
def test_weights_are_numbers_that_the_libraries_hold(library, weight, message):
    with pytest.raises(ValueError, match=f"sample_weight .*{message}"):
        make(library).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", "Int64", "int64[pyarrow]"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_nullable_labels_keep_their_type(library, dtype):
    plain = y == 1 if "bool" in dtype else np.where(y, 2**53 + 1, 2**53)
    labels = pd.Series(plain, dtype=dtype)
    model = make(library, early_stopping_rounds=2).fit(X, plain, eval_set=[(X, labels)])
    again = make(library).fit(X, labels)
    assert again.classes_.dtype == plain.dtype
    assert again.classes_.tolist() == model.classes_.tolist() == np.unique(plain).tolist()
    gap = labels.copy()
    gap[3] = pd.NA
    with pytest.raises(ValueError, match=r"missing .* label in row 3"):
        make(library).fit(X, gap)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_evaluation_set_may_have_names_where_training_has_none(library):
    expected = make(library, early_stopping_rounds=2).fit(X, y, eval_set=[(X, y)])
    for train, judge in ((X, FRAME), (FRAME, X), (X, pa.Table.from_pandas(FRAME))):
        model = make(library, early_stopping_rounds=2).fit(train, y, eval_set=[(judge, y)])
        np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_an_evaluation_set_without_names_is_refused_where_xgboost_would():
    with pytest.raises(ValueError, match="eval_set 0: it is a sparse matrix"):
        make("xgb").fit(FRAME, y, eval_set=[(sparse.csr_matrix(X), y)])


@pytest.mark.parametrize("library", LIBRARIES)
def test_evaluation_sets_that_are_none(library):
    for eval_set, message in (
        ([], "empty list"),
        ([(X, None)], "eval_set 0: it has no labels"),
        ([(X[:0], y[:0])], r"eval_set 0: Found array with 0 sample\(s\)"),
    ):
        with pytest.raises(ValueError, match=message):
            make(library).fit(X, y, eval_set=eval_set)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_list_of_categories_makes_no_difference(library):
    codes = rng.integers(0, 300, 2000)
    labels = (rng.random(2000) < 0.1 + 0.3 * (codes % 3 == 0)).astype(int)
    sorted_ = pd.DataFrame({"k": pd.Categorical(codes)})
    seen = pa.table({"k": pa.array(codes).dictionary_encode()})
    p = make(library).fit(sorted_, labels).predict_proba(sorted_)
    np.testing.assert_array_equal(make(library).fit(seen, labels).predict_proba(seen), p)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_to_continue_is_one_of_the_library(library):
    name = "xgb_model" if library == "xgb" else "init_model"
    other = make("lgbm" if library == "xgb" else "xgb").fit(X, y)
    for wrong in (3, other):
        with pytest.raises(ValueError, match=f"{name} must be a fitted"):
            make(library).fit(X, y, **{name: wrong})
    categories = pd.DataFrame({"k": pd.Categorical(list("ab") * 100)})
    trained = make(library).fit(categories, y)
    with pytest.raises(ValueError, match="categories"):
        make(library).fit(X[:, :1], y, **{name: trained})


CONTRADICTIONS = """
import sys
import numpy as np
from scipy import sparse
from focaltab import FocalLGBMClassifier, FocalXGBClassifier

X = np.random.default_rng(0).normal(size=(50, 2))
y = np.arange(50) % 2
made = {"xgb": FocalXGBClassifier, "lgbm": FocalLGBMClassifier}
model = made[sys.argv[1]](n_estimators=2, n_jobs=1)
for place in (2, 99, -5, 10**6):
    rows, coordinates, columns = (make(X) for make in (
        sparse.csr_matrix, sparse.coo_matrix, sparse.csc_matrix
    ))
    rows.indices[0] = coordinates.col[0] = columns.indices[0] = place
    for table in (rows, coordinates) if place == 2 else (rows, coordinates, columns):
        for call in (lambda: model.fit(table, y), lambda: model.fit(X, y).predict_proba(table)):
            try:
                call()
            except ValueError as error:
                assert "contradicts itself" in str(error), error
            else:
                raise AssertionError(f"{table.format} with index {place} was taken")
torn = sparse.csr_matrix(X)
torn.indptr[3] = 100
try:
    model.fit(torn, y)
except ValueError as error:
    assert "contradicts itself" in str(error), error
print("all refused")
"""


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_matrix_that_points_outside_of_itself_does_not_end_the_process(library):
    command = [sys.executable, "-c", CONTRADICTIONS, library]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["all refused"]), done.stderr[
        -500:
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_arrow_columns_of_a_frame_are_those_of_an_arrow_table(library):
    names = pa.array(list("ab") * 100).dictionary_encode()
    nothing = pa.nulls(200)
    table = pa.table({"a": X[:, 0], "d": names, "n": nothing})
    frame = pd.DataFrame(
        {
            "a": X[:, 0],
            "d": pd.Series(names, dtype=pd.ArrowDtype(names.type)),
            "n": pd.Series([None] * 200, dtype=pd.ArrowDtype(pa.null())),
        }
    )
    expected = make(library).fit(table, y).predict_proba(table)
    np.testing.assert_array_equal(make(library).fit(frame, y).predict_proba(frame), expected)


def test_names_that_lightgbm_would_confuse():
    with pytest.raises(ValueError, match="'a b' and 'a_b' are one name to LightGBM"):
        make("lgbm").fit(FRAME.set_axis(["a b", "a_b"], axis=1), y)
    with pytest.raises(ValueError, match="LightGBM does not take"):
        make("lgbm").fit(FRAME.set_axis(["c\\d", "b"], axis=1), y)
    model = make("lgbm").fit(FRAME.set_axis(["a b", "c\u00a0d"], axis=1), y)
    assert model.feature_names_in_.tolist() == ["a b", "c\u00a0d"]


def test_a_constant_infinity_is_no_constant():
    with pytest.raises(ValueError, match=r"Infinite value .*'q', row 0"):
        make_pipeline(make("xgb")).fit(FRAME.assign(q=np.inf), y)


def test_tables_in_files_are_checked_as_tables_in_memory(tmp_path):
    FRAME.assign(a=np.where(np.arange(200) == 150, 1e39, X[:, 0]), y=y).to_parquet(
        tmp_path / "t.pq"
    )
    table = ParquetTable(tmp_path / "t.pq", target="y", batch_rows=100)
    with pytest.raises(ValueError, match=r"from row 100: The value 1e[+]39 in column 'a', row 50"):
        make("xgb").fit(table, table.y)
    model = make("xgb").fit(FRAME, y)
    with pytest.raises(ValueError, match=r"is infinite to XGBoost"):
        model.predict_proba(table)
    good = table.take(np.arange(100))
    np.testing.assert_array_equal(model.apply(good), model.apply(FRAME[:100]))


def test_a_network_refuses_categories_that_no_file_holds():
    pytest.importorskip("torch")
    from focaltab import FocalMLPClassifier

    pairs = pd.Index([(1, 2), (3, 4)], tupleize_cols=False).take([0, 1] * 100)
    with pytest.raises(ValueError, match=r"Column 'q' holds values such as \((1, 2|3, 4)\)"):
        FocalMLPClassifier((4,), max_iter=1).fit(FRAME.assign(q=pd.Categorical(pairs)), y)
