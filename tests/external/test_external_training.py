"""Models from tables in files are those from the same tables in memory, in bounded memory."""

import os
import pickle
import subprocess
import sys
import textwrap

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.external import ParquetTable
from focaltab.pipeline import TableFeatures, make_pipeline

LIBRARIES = ["xgb", "lgbm"]


def make(library, **parameters):
    usual = {"n_estimators": 12, "n_jobs": 1, "random_state": 0, "pos_label": "fraud", **parameters}
    if library == "xgb":
        return FocalXGBClassifier(**usual)
    return FocalLGBMClassifier(verbosity=-1, **usual)


def write(folder, frame, n_files=3):
    for k, rows in enumerate(np.array_split(np.arange(len(frame)), n_files)):
        frame.iloc[rows].to_parquet(folder / f"{k}.parquet", row_group_size=900)
    return f"{folder}/*.parquet"


def simulate(n=6000, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    frame.loc[::11, "b"] = np.nan
    frame["hour"] = rng.integers(0, 24, n)
    frame["shop"] = rng.choice(["x", "y", "z", None], n)
    score = frame["a"] + (frame["shop"] == "y") + rng.normal(size=n)
    frame["w"] = rng.random(n) + 0.5
    frame["label"] = np.where(score > 2.2, "fraud", "fine")
    return frame


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    paths = write(tmp_path_factory.mktemp("table"), simulate())
    return ParquetTable(paths, target="label", weight="w", batch_rows=1000)


@pytest.fixture(scope="module")
def frame(table):
    return table.to_frame()


PARAMETERS = [
    ("both", {}),
    ("both", {"link": "focal"}),
    ("both", {"focal_gamma": (1.0, 3.0), "focal_alpha": 0.7, "class_weight": "balanced"}),
    ("both", {"early_stopping_rounds": 3, "n_estimators": 60, "max_bin": 40}),
    ("both", {"random_state": 3, "subsample": 0.7, "subsample_freq": 1}),
    ("xgb", {"max_bin": 600}),
    ("xgb", {"booster": "dart", "rate_drop": 0.3}),
    ("lgbm", {"subsample_for_bin": 500, "min_child_samples": 1}),
]
CASES = [
    (library, parameters)
    for which, parameters in PARAMETERS
    for library in LIBRARIES
    if which in ("both", library)
]


@pytest.mark.parametrize("weighted", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(("library", "parameters"), CASES, ids=str)
def test_the_model_is_that_of_the_table_in_memory(library, parameters, weighted, table, frame):
    if library == "xgb":
        parameters = {k: v for k, v in parameters.items() if k != "subsample_freq"}
    weight = table.weight if weighted else None
    streamed = make(library, **parameters).fit(table, table.y, sample_weight=weight)
    in_memory = make(library, **parameters).fit(frame, table.y, sample_weight=weight)
    expected = in_memory.predict_proba(frame)
    assert expected[:, 1].std() > 0.05  # something was learned
    np.testing.assert_allclose(streamed.predict_proba(frame), expected, rtol=1e-6)
    np.testing.assert_allclose(streamed.predict_proba(table), expected, rtol=1e-6)
    assert streamed.predict(table).tolist() == in_memory.predict(frame).tolist()
    assert streamed.loss_.class_weights == in_memory.loss_.class_weights
    assert streamed.feature_names_in_.tolist() == table.columns
    assert streamed.n_features_in_ == 6


@pytest.mark.parametrize("stops_by", [None, "own rows", "given rows"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_hard_negatives_are_those_of_the_table_in_memory(library, stops_by, table, frame):
    options = {} if stops_by is None else {"n_estimators": 40, "early_stopping_rounds": 5}
    models = []
    for X in (table, frame):
        model = make(library, sampling="hard_negative", **options)
        given = {"eval_set": [(X, table.y)]} if stops_by == "given rows" else {}
        models.append(model.fit(X, table.y, sample_weight=table.weight, **given))
    streamed, in_memory = models
    np.testing.assert_array_equal(streamed.sampling_.rows, in_memory.sampling_.rows)
    np.testing.assert_allclose(
        streamed.predict_proba(table), in_memory.predict_proba(frame), rtol=1e-6
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_more_than_two_classes(library, table, frame):
    y = pd.cut(frame["a"], [-np.inf, -1.0, 1.0, np.inf], labels=["low", "mid", "high"])
    y = y.astype(object).to_numpy()
    models = [make(library, pos_label=None, n_estimators=4).fit(X, y) for X in (table, frame)]
    np.testing.assert_allclose(*(model.predict_proba(frame) for model in models), rtol=1e-6)
    assert (models[0].predict(table) == y).mean() > 0.99


@pytest.mark.parametrize("library", LIBRARIES)
def test_constant_features_leave_the_prevalence(library, tmp_path):
    y = np.arange(500) % 10 == 0
    pd.DataFrame({"x": np.ones(500), "y": y}).to_parquet(tmp_path / "t.parquet")
    table = ParquetTable(tmp_path / "t.parquet", target="y", batch_rows=100)
    model = make(library, pos_label=None).fit(table, table.y)
    np.testing.assert_allclose(model.predict_proba(table)[:, 1], 0.1, rtol=1e-4)


@pytest.mark.parametrize("kind", ["table", "frame", "subset"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_evaluation_sets_of_any_kind(library, kind, table, frame, tmp_path):
    """Another file's categories have other codes; the figures must be those in memory."""
    other = simulate(2000, seed=1)
    other["shop"] = other["shop"].replace("x", "y")  # a category less
    more = ParquetTable(write(tmp_path, other), target="label", weight="w")
    more = more.take(np.arange(0, 2000, 2)) if kind == "subset" else more
    known = more.to_frame()
    assert known["shop"].cat.categories.tolist() == ["y", "z"]
    given = known if kind == "frame" else more
    options = {"early_stopping_rounds": 3, "n_estimators": 60}
    streamed = make(library, **options).fit(table, table.y, eval_set=[(given, more.y)])
    in_memory = make(library, **options).fit(frame, table.y, eval_set=[(known, more.y)])
    expected = in_memory.predict_proba(known)
    np.testing.assert_allclose(streamed.predict_proba(given), expected, rtol=1e-6)
    if library == "xgb":
        assert streamed.evals_result() == in_memory.evals_result()
    else:
        assert streamed.evals_result_ == in_memory.evals_result_


def test_a_table_judges_a_model_of_a_frame(table, frame):
    models = [
        make("xgb", early_stopping_rounds=3).fit(frame, table.y, eval_set=[(X, table.y)])
        for X in (table, frame)
    ]
    assert models[0].evals_result() == models[1].evals_result()
    with pytest.raises(ValueError, match="eval_set 0 is a table in files, but X is not"):
        make("lgbm").fit(frame, table.y, eval_set=[(table, table.y)])


def test_an_evaluation_set_with_a_strange_category_is_refused(table, tmp_path):
    other = simulate(200, seed=1)
    other["shop"] = other["shop"].astype(object).mask(np.arange(200) == 150, "new")
    more = ParquetTable(write(tmp_path, other), target="label", weight="w")
    with pytest.raises(
        ValueError, match=r"row \d+: Column 'shop' holds the category 'new' in row \d+"
    ):
        make("xgb").fit(table, table.y, eval_set=[(more, more.y)])


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_evaluation_set_with_other_columns_is_refused(library, table, tmp_path):
    paths = write(tmp_path, simulate(200, seed=1).assign(shop=1.0))
    for columns, message in (
        (["a", "b"], "eval_set 0: X has 2 columns, but the training rows have 6: it lacks 'c'"),
        (["b", "a", "c", "d", "hour", "shop"], "column 0 is 'b', but was 'a'"),
        (table.columns, "eval_set 0: Column 'shop' held categories in training"),
    ):
        more = ParquetTable(paths, target="label", columns=columns)
        with pytest.raises(ValueError, match=message):
            make(library).fit(table, table.y, eval_set=[(more, more.y)])


def test_lightgbm_matches_a_frames_categories_by_value(table, frame):
    model = make("lgbm").fit(table, table.y)
    assert model.booster_.pandas_categorical == [["x", "y", "z"]]
    turned = frame.assign(shop=frame["shop"].cat.set_categories(["z", "x", "y"]))
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(frame))
    text = model.booster_.model_to_string()
    again = lgb.Booster(model_str=text).predict(turned, raw_score=True)
    np.testing.assert_allclose(again, model.predict_proba(frame, raw_score=True))


def test_subsets_train_as_rows_in_memory(table, frame):
    rows = np.flatnonzero(np.random.default_rng(0).random(6000) < 0.5)
    for library in LIBRARIES:
        part = table.take(rows)
        streamed = make(library).fit(part, part.y, sample_weight=part.weight)
        in_memory = make(library).fit(
            frame.iloc[rows], table.y[rows], sample_weight=table.weight[rows]
        )
        np.testing.assert_allclose(
            streamed.predict_proba(frame), in_memory.predict_proba(frame), rtol=1e-6
        )


def test_other_outputs_are_streamed_too(table, frame):
    booster = make("lgbm").fit(table, table.y)
    for option in ("raw_score", "pred_leaf", "pred_contrib"):
        streamed, known = (booster.predict_proba(X, **{option: True}) for X in (table, frame))
        np.testing.assert_array_equal(streamed, known)
    margin = np.linspace(-1, 1, 6000)
    model = make("xgb").fit(table, table.y, base_margin=margin)
    known = make("xgb").fit(frame, table.y, base_margin=margin)
    for X in (table, frame):
        np.testing.assert_array_equal(
            model.predict(X, output_margin=True, base_margin=margin),
            known.predict(frame, output_margin=True, base_margin=margin),
        )
    assert model.predict_proba(table.take([]), base_margin=margin[:0]).shape == (0, 2)


def test_xgboost_goes_on_from_another_model(table, frame):
    first = make("xgb").fit(frame, table.y)
    streamed = make("xgb").fit(table, table.y, xgb_model=first)
    in_memory = make("xgb").fit(frame, table.y, xgb_model=first)
    np.testing.assert_array_equal(streamed.predict_proba(frame), in_memory.predict_proba(frame))
    with pytest.raises(ValueError, match="init_model"):
        make("lgbm").fit(table, table.y, init_model=make("lgbm").fit(frame, table.y))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_pickled_model_of_a_table_holds_no_table(library, table, frame):
    model = make(library).fit(table, table.y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))


@pytest.mark.parametrize(
    "parameters", [{"tree_method": "exact"}, {"booster": "gblinear"}, {"device": "cuda"}], ids=str
)
def test_what_xgboost_cannot_do_from_files_is_told(parameters, table):
    with pytest.raises(ValueError, match=r"cannot be trained from files: use .*to_frame"):
        make("xgb", **parameters).fit(table, table.y)


@pytest.mark.parametrize("library", LIBRARIES)
def test_labels_of_another_length_are_refused(library, table):
    with pytest.raises(ValueError, match="X has 6000 rows but y has 10 labels"):
        make(library).fit(table, table.y[:10])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_fit_that_fails_midway_leaves_model_and_disk_as_they_were(library, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "cache").mkdir()
    data = simulate(3000)
    paths = write(tmp_path / "data", data)
    table = ParquetTable(paths, target="label", batch_rows=500, cache_dir=tmp_path / "cache")
    model = make(library).fit(table, table.y)
    before = model.predict_proba(table)
    assert list((tmp_path / "cache").iterdir()) == []
    data.loc[2500, "a"] = np.inf
    write(tmp_path / "data", data)
    with pytest.raises(ValueError, match=r"column 'a', row 500 of .*2\.parquet"):
        model.fit(table, table.y)
    assert list((tmp_path / "cache").iterdir()) == []
    known = simulate(3000).drop(columns=["label"])
    known["shop"] = known["shop"].astype("category")
    np.testing.assert_array_equal(model.predict_proba(known), before)


class Interrupted(ParquetTable):
    """A table at whose reading the user loses patience."""

    passes = 0

    def batches(self, batch_rows=None):
        self.passes += 1
        for k, batch in enumerate(super().batches(batch_rows)):
            if self.passes == self.which and k == 2:
                raise KeyboardInterrupt
            yield batch


@pytest.mark.parametrize(("library", "n_passes"), [("xgb", 3), ("lgbm", 2)])
def test_an_interrupt_ends_a_fit_in_whatever_pass(library, n_passes, tmp_path):
    """XGBoost would take it for the end of the data, and train on the rows so far."""
    (tmp_path / "cache").mkdir()
    paths = write(tmp_path, simulate(3000))
    for which in range(1, n_passes + 2):
        table = Interrupted(paths, target="label", batch_rows=500, cache_dir=tmp_path / "cache")
        table.which = which
        model = make(library)
        if which <= n_passes:
            with pytest.raises(KeyboardInterrupt):
                model.fit(table, table.y)
            assert not hasattr(model, "loss_")
        else:
            assert model.fit(table, table.y).loss_ and table.passes == n_passes
        assert list((tmp_path / "cache").iterdir()) == []


def run(code, *arguments, **limits):
    """Run a program under limits of the system on it; its output, or the test fails."""
    import resource

    def limit():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


FULL_DISK = """
    import sys
    from pathlib import Path
    from focaltab import FocalXGBClassifier
    from focaltab.external import ParquetTable

    data, cache = sys.argv[1:]
    table = ParquetTable(data, target="label", batch_rows=500, cache_dir=cache)
    model = FocalXGBClassifier(n_estimators=2, n_jobs=1)
    try:
        model.fit(table, table.y)
    except OSError as error:
        print(error)
    print(hasattr(model, "loss_"), list(Path(cache).iterdir()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of files as Linux has them")
@pytest.mark.parametrize("size", [60_000, 160_000], ids=["none of it", "not all of it"])
def test_a_full_disk_is_one_clear_error(size, tmp_path):
    """XGBoost itself would end the process. The cache takes 230 KB, at the least 132 KB."""
    (tmp_path / "data").mkdir()
    (tmp_path / "cache").mkdir()
    paths = write(tmp_path / "data", simulate(6000))
    told = run(FULL_DISK, paths, tmp_path / "cache", RLIMIT_FSIZE=size).splitlines()
    assert told[0].startswith("XGBoost's cache needs") and "cache_dir" in told[0]
    assert f"more in {tmp_path}/cache, but" in told[0]
    assert told[1] == "False []"


BOUNDED = """
    import re
    import resource
    import sys
    import numpy as np
    import pyarrow
    from focaltab import FocalLGBMClassifier, FocalXGBClassifier
    from focaltab.external import ParquetTable

    library, data, out, allowed = sys.argv[1:]
    pyarrow.set_cpu_count(1)
    options = {"n_estimators": 3, "n_jobs": 1, "max_bin": 63}
    if library == "xgb":
        model = FocalXGBClassifier(max_depth=3, **options)
    else:
        model = FocalLGBMClassifier(
            num_leaves=8, subsample_for_bin=2000, force_col_wise=True, verbosity=-1, **options
        )
    model.fit(np.arange(200.0)[:, None], np.arange(200) > 150)  # loads all that is loaded late
    status = open("/proc/self/status").read()
    baseline = int(re.search(r"VmData:\\s+(\\d+)", status)[1]) * 1024
    limit = baseline + int(allowed)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    table = ParquetTable(data, target="y", batch_rows=4000)
    model.fit(table, table.y)
    np.save(out, model.predict_proba(table)[:, 1])
    try:
        table.to_frame()
    except MemoryError:
        print("does not fit")
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A table in files, and the frame that takes 240 MB in memory, 8 bytes a value."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(0)
    for k in range(3):
        X = rng.integers(-40, 40, (100_000, 100), dtype=np.int8) / 10.0
        frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(100)])
        frame["y"] = (X[:, 0] + X[:, 1] + rng.normal(size=100_000) > 6.0).astype(np.int8)
        frame.to_parquet(folder / f"{k}.parquet", row_group_size=10_000)
    table = ParquetTable(f"{folder}/*.parquet", target="y")
    return folder, table.y, table.to_frame()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory as Linux has it")
@pytest.mark.parametrize(("library", "times"), [("xgb", 3.0), ("lgbm", 2.5)])
def test_training_in_a_part_of_the_tables_memory(library, times, large, tmp_path):
    """What the process may take beyond its libraries holds a third of the table at most.

    LightGBM keeps a byte of each value, an eighth of the table.
    """
    folder, y, frame = large
    allowed = int(frame.memory_usage(index=False).sum() / times)
    assert allowed * times > 239e6
    out = tmp_path / "predictions.npy"
    # Stacks of threads count as memory.
    told = run(BOUNDED, library, f"{folder}/*.parquet", out, allowed, RLIMIT_STACK=2 << 20)
    assert told.strip() == "does not fit"
    options = {"n_estimators": 3, "n_jobs": 1, "max_bin": 63}
    if library == "xgb":
        model = FocalXGBClassifier(max_depth=3, **options)
    else:
        model = FocalLGBMClassifier(
            num_leaves=8, subsample_for_bin=2000, force_col_wise=True, verbosity=-1, **options
        )
    known = model.fit(frame, y).predict_proba(frame)[:, 1]
    assert known.std() > 0.01
    np.testing.assert_allclose(np.load(out), known, rtol=1e-6)


def test_xgboosts_bins_do_not_depend_on_batches(frame):
    """Which is why models are equal: pinned, since the library does not promise it."""

    class Batches(xgb.DataIter):
        def reset(self):
            self.parts = iter(np.array_split(np.arange(6000), 7))

        def next(self, input_data):
            rows = next(self.parts, None)
            if rows is not None:
                input_data(data=frame[["a", "b"]].iloc[rows])
            return rows is not None

    whole = xgb.QuantileDMatrix(frame[["a", "b"]], max_bin=64)
    parts = xgb.QuantileDMatrix(Batches(), max_bin=64)
    for one, other in zip(whole.get_quantile_cut(), parts.get_quantile_cut(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["FocalMLPClassifier", "FocalEnsembleClassifier", "FocalSearchCV"])
def test_what_needs_a_table_in_memory_says_so(name, table):
    if name == "FocalMLPClassifier":
        pytest.importorskip("torch")
    kind = getattr(focaltab, name)
    model = kind(make("xgb")) if name == "FocalSearchCV" else kind()
    with pytest.raises(TypeError, match=rf"{name} needs its table in memory: pass table.to_frame"):
        model.fit(table, table.y)


def test_categories_beyond_ascii_are_those_of_memory(tmp_path):
    """XGBoost's own list of names cuts "Zürich" short."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=3000),
            "city": pd.Categorical(rng.choice(["Zürich", "Genève", "São Paulo", "Łódź"], 3000)),
        }
    )
    frame["y"] = (2 * (frame["city"] == "Łódź") + frame["x"] > 2.0).astype(int)
    frame.to_parquet(tmp_path / "rows.parquet")
    files = ParquetTable(tmp_path / "rows.parquet", target="y", batch_rows=500)
    options = {"n_estimators": 20, "early_stopping_rounds": 5, "random_state": 0}
    X = frame.drop(columns="y")
    model = FocalXGBClassifier(**options).fit(files, files.y)
    memory = FocalXGBClassifier(**options).fit(X, frame["y"])
    expected = memory.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(files), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    more = FocalXGBClassifier(n_estimators=5).fit(files, files.y, xgb_model=model)
    again = FocalXGBClassifier(n_estimators=5).fit(X, frame["y"], xgb_model=memory)
    np.testing.assert_allclose(more.predict_proba(X), again.predict_proba(X), atol=1e-6)
    booster = FocalXGBClassifier(n_estimators=5).fit(files, files.y, xgb_model=model.get_booster())
    np.testing.assert_array_equal(booster.predict_proba(X), more.predict_proba(X))


@pytest.mark.parametrize("kind", [FocalXGBClassifier, FocalLGBMClassifier])
def test_a_pipeline_reads_a_table_in_files(kind, tmp_path):
    """Its first step encodes a batch at a time, as it encodes a frame."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "amount [eur]": np.where(rng.random(900) < 0.1, np.nan, rng.gamma(1.0, 80.0, 900)),
            "city": rng.choice(["Осло", "Roma", "東京", None], 900),
            "whole": rng.integers(0, 5, 900),
        }
    )
    frame["label"] = np.where(frame["city"].eq("Roma") & (rng.random(900) < 0.6), "bad", "fine")
    for k in range(3):
        frame.iloc[k * 300 : (k + 1) * 300].to_parquet(tmp_path / f"{k}.parquet")
    table = ParquetTable(f"{tmp_path}/*.parquet", target="label", batch_rows=170)
    booster = kind(n_estimators=10, n_jobs=1, random_state=0)
    X = frame.drop(columns="label")
    inside = make_pipeline(booster, pos_label="bad").fit(X, frame["label"])
    lazily = make_pipeline(booster, pos_label="bad").fit(table, table.y)
    assert lazily[0].kinds_ == inside[0].kinds_ and lazily[0].categories_ == inside[0].categories_
    expected = inside.predict_proba(X)
    np.testing.assert_allclose(lazily.predict_proba(table), expected, atol=1e-6)
    np.testing.assert_allclose(lazily.predict_proba(X.iloc[:, ::-1]), expected, atol=1e-6)
    np.testing.assert_allclose(inside.predict_proba(table), expected, atol=1e-6)
    assert (lazily.predict(table) == inside.predict(X)).all()
    others = [
        make_pipeline(booster, threshold=0.3),
        make_pipeline(booster, threshold="f1", pos_label="bad"),
        make_pipeline(booster, threshold={"fp_cost": 1.0, "fn_cost": "whole"}),
        make_pipeline(booster, resampler="under"),
        make_pipeline(lgb.LGBMClassifier()),
    ]
    for other in others:
        with pytest.raises(TypeError, match=r"needs its table in memory: pass table.to_frame\(\)"):
            other.fit(table, table.y)


def test_what_features_cannot_find_in_files_is_said(tmp_path):
    frame = pd.DataFrame(
        {"shop": [f"s{k % 50}" for k in range(400)], "x": 1.0, "y": np.arange(400) % 2}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = ParquetTable(tmp_path / "t.parquet", target="y")
    with pytest.raises(ValueError, match=r"'shop' has 50 different values.*max_categories to 50"):
        TableFeatures().fit(table)
    assert TableFeatures(max_categories=50).fit(table).kinds_["shop"] == "category"
    with pytest.raises(TypeError, match=r"scaled.*needs its table in memory"):
        TableFeatures("scaled", max_categories=50).fit(table)
    with pytest.raises(ValueError, match="'x' must be stored as text"):
        TableFeatures(max_categories=50, categorical=["x"]).fit(table)
    fitted = TableFeatures(max_categories=50).fit(table)
    with pytest.raises(ValueError, match=r"lack 1 column\(s\).*shop"):
        fitted.transform(ParquetTable(tmp_path / "t.parquet", target="y", columns=["x"]))
