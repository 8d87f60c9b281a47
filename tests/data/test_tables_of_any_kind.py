"""One table in every container is one table: the same model, the same answer, the same error."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.pipeline import make_pipeline

LIBRARIES = ["xgb", "lgbm", "mlp", "pipeline"]
BOOSTERS = ["xgb", "lgbm"]


def make(library):
    if library == "mlp":
        pytest.importorskip("torch")
        from focaltab import FocalMLPClassifier

        return FocalMLPClassifier((4,), max_iter=2, random_state=0)
    if library == "lgbm":
        return FocalLGBMClassifier(n_estimators=4, n_jobs=1, verbosity=-1)
    model = FocalXGBClassifier(n_estimators=4, n_jobs=1)
    return model if library == "xgb" else make_pipeline(model)


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"]).round(3)
    X.loc[::7, "b"] = np.nan
    return X, (X["a"] + rng.normal(size=300) > 1.0).to_numpy().astype(int)


@pytest.fixture(scope="module")
def plain(numbers):
    """Each model's probabilities of the table as a plain frame."""
    X, y = numbers
    known = {}

    def of(library):
        if library not in known:
            model = make(library).fit(X, y)
            known[library] = (model, model.predict_proba(X))
        return known[library]

    return of


class Capsule:
    """A table of a library that is not installed, which shares Arrow's memory."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def _with_index(X):
    return pa.Table.from_pandas(X.set_index(pd.Index(np.arange(len(X)) + 5, name="row")))


CONTAINERS = {
    "arrow": lambda X: pa.Table.from_pandas(X, preserve_index=False),
    "arrow with an index": lambda X: pa.Table.from_pandas(X.set_axis(np.arange(5, 305))),
    "arrow with a named index": _with_index,
    "batch": lambda X: pa.RecordBatch.from_pandas(X, preserve_index=False),
    "capsule": lambda X: Capsule(pa.Table.from_pandas(X, preserve_index=False)),
    "nullable": lambda X: X.convert_dtypes(),
    "arrow columns": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda X: X.astype(object),
    "decimals": lambda X: X.assign(a=[Decimal(str(v)) for v in X["a"]]),
    "arrow decimals": lambda X: X.assign(
        a=pd.array([Decimal(str(v)) for v in X["a"]], dtype=pd.ArrowDtype(pa.decimal128(9, 3)))
    ),
    "sparse columns": lambda X: X.astype(pd.SparseDtype("float64", np.nan)),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_named_table_in_any_container(library, container, numbers, plain):
    X, y = numbers
    table = CONTAINERS[container](X)
    model, expected = plain(library)
    np.testing.assert_allclose(model.predict_proba(table), expected, atol=1e-6)
    again = make(library).fit(table, y)
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-6)
    assert list(again.feature_names_in_) == ["a", "b", "c"]


ARRAYS = {
    "masked": lambda X: np.ma.masked_invalid(X.to_numpy()),
    "objects": lambda X: X.to_numpy().astype(object),
    "objects with None": lambda X: np.where(X.isna(), None, X.to_numpy().astype(object)),
    "big-endian": lambda X: X.to_numpy().astype(">f8"),
    "every second": lambda X: np.repeat(X.to_numpy(), 2, axis=1)[:, ::2],
    "backwards": lambda X: np.ascontiguousarray(X.to_numpy()[::-1])[::-1],
    "lists": lambda X: X.to_numpy().tolist(),
    "long double": lambda X: X.to_numpy().astype(np.longdouble),
}


@pytest.mark.parametrize("container", ARRAYS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_array_of_any_kind(library, container, numbers):
    X, y = numbers
    array, expected = ARRAYS[container](X), make(library).fit(X.to_numpy(), y)
    found = make(library).fit(array, y)
    p = expected.predict_proba(X.to_numpy())
    np.testing.assert_allclose(found.predict_proba(array), p, atol=1e-6)
    np.testing.assert_allclose(expected.predict_proba(array), p, atol=1e-6)


def _twice(matrix):
    data, indices = np.repeat(matrix.data / 2, 2), np.repeat(matrix.indices, 2)
    return sparse.csr_matrix((data, indices, matrix.indptr * 2), shape=matrix.shape)


def _strided(matrix):
    def backwards(values):
        return np.ascontiguousarray(values[::-1])[::-1]

    made = sparse.csr_matrix(matrix.shape)
    made.data, made.indices, made.indptr = map(
        backwards, (matrix.data, matrix.indices, matrix.indptr)
    )
    return made


SPARSE = {
    "a place named twice": _twice,
    "memory with strides": _strided,
    "indices of 8 bytes": lambda m: sparse.csr_matrix(
        (m.data, m.indices.astype(np.int64), m.indptr.astype(np.int64)), shape=m.shape
    ),
    **{
        name: getattr(sparse, name)
        for name in (
            "csc_matrix",
            "coo_matrix",
            "lil_matrix",
            "dok_matrix",
            "csr_array",
            "bsr_array",
        )
    },
}


@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_sparse_matrix_of_any_form(library, form, numbers):
    X, y = numbers
    matrix = sparse.csr_matrix(np.where(X.fillna(0) > 0.3, X, 0.0))
    model = make(library).fit(matrix, y)
    table = SPARSE[form](matrix)
    expected = model.predict_proba(matrix)
    np.testing.assert_allclose(model.predict_proba(table), expected, atol=1e-6)
    again = make(library).fit(table, y)
    np.testing.assert_allclose(again.predict_proba(matrix), expected, atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_sparse_whole_numbers_are_numbers(library, numbers):
    X, y = numbers
    whole = sparse.csr_matrix(X.fillna(0).to_numpy().astype(int))
    expected = make(library).fit(whole.astype(float), y).predict_proba(whole.astype(float))
    np.testing.assert_allclose(make(library).fit(whole, y).predict_proba(whole), expected)


TURNED = {
    "frame": lambda X: X,
    **{name: CONTAINERS[name] for name in ("arrow", "capsule")},
}


@pytest.mark.parametrize("container", TURNED)
@pytest.mark.parametrize("library", [*BOOSTERS, "mlp"])
def test_columns_in_another_order_are_refused_in_any_container(library, container, numbers, plain):
    X, y = numbers
    table = TURNED[container](X[["c", "b", "a"]])
    model, _ = plain(library)
    with pytest.raises(ValueError, match="same order as they were in fit"):
        model.predict_proba(table)
    with pytest.raises(ValueError, match=r"(?s)eval_set 0: .*same order"):
        make(library).fit(X, y, eval_set=[(table, y)])


@pytest.mark.parametrize("container", TURNED)
def test_a_pipeline_finds_its_columns_by_name_in_any_container(container, numbers, plain):
    X, y = numbers
    model, expected = plain("pipeline")
    table = TURNED[container](X.assign(z=1.0)[["z", "c", "b", "a"]])
    np.testing.assert_array_equal(model.predict_proba(table), expected)
    with pytest.raises(ValueError, match=r"lack 1 column.*: b"):
        model.predict_proba(TURNED[container](X[["c", "a"]]))
    # The evaluation set takes the same way: one of the turned table, and one of the table as
    # it was, are the same rows.
    scores = [
        make("pipeline").fit(X, y, eval_set=[(rows, y)])[-1].evals_result_ for rows in (table, X)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("library", [*BOOSTERS, "mlp"])
def test_a_further_column_is_named(library, numbers, plain):
    X, _ = numbers
    model, _ = plain(library)
    with pytest.raises(ValueError, match=r"(?s)features.*'z'|unseen at fit time.*z"):
        model.predict_proba(X.assign(z=1.0))


INFINITE = {
    "frame": (lambda X: X, "column '?b'?, row 4"),
    "arrow": (CONTAINERS["arrow"], "column 'b', row 4"),
    "array": (lambda X: X.to_numpy(), "column ('x1'|1), row 4"),
    "objects": (ARRAYS["objects"], "column ('x1'|1), row 4"),
    "sparse": (lambda X: sparse.csr_matrix(X.fillna(0)), "column 1, row 4"),
    "coo": (lambda X: sparse.coo_matrix(X.fillna(0)), "column 1, row 4"),
}


@pytest.mark.parametrize("container", INFINITE)
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_infinite_value_is_named_in_any_container(library, container, numbers):
    X, y = numbers
    make_table, where = INFINITE[container]
    bad = X.assign(b=np.where(np.arange(300) == 4, -np.inf, X["b"]))
    model = make(library)
    with pytest.raises(ValueError, match=f"Infinite value .*{where}"):
        model.fit(make_table(bad), y)
    model.fit(make_table(X), y)
    with pytest.raises(ValueError, match=f"Infinite value .*{where}"):
        model.predict_proba(make_table(bad))


def test_a_number_that_is_infinite_to_xgboost_alone(numbers):
    X, y = numbers
    large = X.assign(b=np.where(np.arange(300) == 4, 1e39, X["b"]))
    model = make("xgb").fit(X, y)
    for table in (large, large.to_numpy(), sparse.csr_matrix(large.fillna(0))):
        with pytest.raises(ValueError, match=r"value 1e\+39 in .*row 4 is infinite to XGBoost"):
            make("xgb").fit(table, y)
    with pytest.raises(ValueError, match="is infinite to XGBoost"):
        model.predict_proba(large)
    # The largest number of 4 bytes is none too large.
    at_most = X.assign(b=float(np.finfo(np.float32).max))
    assert np.isfinite(make("xgb").fit(at_most, y).predict_proba(at_most)).all()
    assert np.isfinite(make("lgbm").fit(large, y).predict_proba(large)).all()


REFUSED = {
    "text": (lambda X: X.assign(a="x"), "Column 'a' holds text"),
    "text in Arrow": (lambda X: pa.table({"a": ["x"] * 300, "b": X["b"]}), "'a' holds text"),
    "text in objects": (
        lambda X: np.where(X.iloc[3, 0] == X, "x", X.astype(object)),
        "'x' in column 0, row 3",
    ),
    "an array of text": (lambda X: X.to_numpy().astype(str), "X is an array of text"),
    "one row": (lambda X: X.to_numpy()[0], "Expected 2D array, got 1D array"),
    "a column": (lambda X: X["a"], "Expected 2D array, got 1D array"),
    "moments": (lambda X: X.assign(a=pd.Timestamp("2024-01-01")), "'a' holds dates"),
    "moments in an array": (
        lambda X: np.full((300, 1), np.datetime64("2024-01-01")),
        "array of dates or times",
    ),
    "moments in Arrow": (
        lambda X: pa.table({"a": pd.date_range("2024", periods=300)}),
        "'a' holds dates",
    ),
    "durations": (lambda X: X.assign(a=pd.Timedelta("1h")), "'a' holds dates or times"),
    "complex": (lambda X: X.assign(a=X["a"] + 1j), "Complex data not supported"),
    "lists": (lambda X: X.assign(a=[[1.0]] * 300), "'a' holds lists or records.*row 0"),
    "records": (lambda X: X.assign(a=[{"k": 1}] * 300), "'a' holds lists or records"),
    "lists in Arrow": (lambda X: pa.table({"a": [[1.0]] * 300}), "'a' holds lists or records"),
    "levels": (
        lambda X: X.set_axis(pd.MultiIndex.from_product([["k"], list("abc")]), axis=1),
        "names of 2 levels",
    ),
    "a control character": (lambda X: X.rename(columns={"a": "a\n"}), "control character"),
    "a name twice": (lambda X: X.set_axis(["a", "a", "c"], axis=1), "'a' stands more than once"),
    "brackets": (lambda X: X.rename(columns={"a": "a[0]"}), r"'a\[0\]' holds '\['"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("library", BOOSTERS)
def test_what_is_no_feature_is_one_error_of_ours(library, what, numbers):
    X, y = numbers
    make_table, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        make(library).fit(make_table(X), y)
    model = make(library).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.predict_proba(make_table(X))


@pytest.mark.parametrize("what", ["lists", "records", "levels", "a control character", "moments"])
def test_what_a_network_refuses(what, numbers):
    X, y = numbers
    make_table, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        make("mlp").fit(make_table(X), y)


@pytest.mark.parametrize("library", BOOSTERS)
def test_a_pipeline_names_columns_as_the_library_takes_them(library, numbers):
    X, y = numbers
    for names in (["a[0]", "b<1", "c"], ["", "b", "c"], ["a b", "a_b", 'q"']):
        table = X.set_axis(names, axis=1)
        model = make_pipeline(make(library)).fit(table, y)
        assert list(model.feature_names_in_) == names
        assert model.predict_proba(table).shape == (300, 2)
