"""Preprocessing, resampling, decisions and ensembles in one graph with the model."""

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pytest.importorskip("torch")

import numpy as np
import pandas as pd
from export_rows import N_ROWS, awkward, session_of
from imblearn.over_sampling import SMOTE
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from focaltab import (
    FocalEnsembleClassifier,
    FocalLGBMClassifier,
    FocalMLPClassifier,
    FocalXGBClassifier,
)
from focaltab.export import onnx_inputs, to_onnx
from focaltab.model_selection import AlertBudgetClassifier, CostThresholdClassifier
from focaltab.pipeline import ResampledClassifier, TableFeatures, make_pipeline


def mixed(n_rows, seed):
    """A table as it comes from practice; scores that depend on all of it."""
    X, steps = awkward(n_rows, 2, seed)
    rng = np.random.default_rng(seed + 10)
    start = pd.Timestamp("2023-11-20")
    when = pd.Series(start + pd.to_timedelta(rng.integers(0, 70_000_000, n_rows), unit="s"))
    shop = rng.zipf(1.3, n_rows).clip(max=180)
    table = pd.DataFrame(
        {
            "amount": X[:, 0],
            "balance": np.where(rng.random(n_rows) < 0.1, np.nan, rng.lognormal(5, 2, n_rows)),
            "country": rng.choice(["FR", "NO", "New York", None], n_rows, p=[0.5, 0.3, 0.1, 0.1]),
            "shelf": pd.Categorical(rng.choice([7, 12, 40], n_rows)),
            "when": when.where(rng.random(n_rows) > 0.05),
            "shop": pd.Series([f"s{k}" for k in shop]).where(rng.random(n_rows) > 0.05, None),
            "new": rng.random(n_rows) < 0.3,
            "stay": pd.to_timedelta(rng.integers(0, 9000, n_rows), unit="s"),
        }
    )
    score = np.nan_to_num(X[:, 0]) + 1.2 * (steps[:, 0] > 0) + 1.5 * (table["country"] == "NO")
    score = score + 2.0 * (when.dt.hour < 4) + (when.dt.month % 2) + 2.0 * np.sin(shop)
    score = score + (table["shelf"] == 12).astype(float) + rng.logistic(size=n_rows)
    return table, score.to_numpy()


@pytest.fixture(scope="module")
def tables():
    X, score = mixed(2000, 0)
    new, _ = mixed(N_ROWS, 1)
    # What training did not have: another country and shop, and shelves that are floats now.
    new.loc[::50, "country"] = "Atlantis"
    new.loc[::40, "shop"] = "elsewhere"
    shelf = new["shelf"].astype(float)
    new["shelf"] = pd.Categorical(shelf.where(np.arange(len(new)) % 30 > 0))
    return X, np.where(score > 4.0, "fraud", "fine"), new


MODELS = {
    "xgb": lambda: FocalXGBClassifier(n_estimators=15, n_jobs=1, link="focal"),
    "lgbm": lambda: FocalLGBMClassifier(n_estimators=15, n_jobs=1, verbosity=-1),
    "mlp": lambda: FocalMLPClassifier((16,), max_iter=2, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=15, random_state=0),
    "logistic": lambda: LogisticRegression(max_iter=300),
    "forest": lambda: RandomForestClassifier(20, min_samples_leaf=3, random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_tables_of_practice(name, tables, agrees):
    X, y, new = tables
    model = make_pipeline(MODELS[name](), random_state=0).fit(X, y)
    agrees(model, new)


@pytest.mark.parametrize("encoding", ["native", "numbers", "scaled"])
def test_encodings_before_a_booster(encoding, tables, agrees):
    X, y, new = tables
    features = TableFeatures(encoding, plain_names=True, max_categories=3)
    model = Pipeline([("features", features), ("model", MODELS["lgbm"]())]).fit(X, y)
    agrees(model, new)


def test_several_classes_and_text(tables, agrees):
    X, _, new = tables
    y = np.digitize(mixed(2000, 0)[1], [1.0, 4.0])
    agrees(make_pipeline(MODELS["xgb"](), random_state=0).fit(X, y), new)


def test_days_of_all_centuries(agrees):
    days = pd.date_range("1899-12-25", "2105-03-04", freq="37h", unit="ns").to_series(index=None)
    X = pd.DataFrame({"when": days.sample(10_000, random_state=0).to_numpy()})
    y = (X["when"].dt.month.isin([2, 3]) ^ (X["when"].dt.day_of_week == 6)).astype(int)
    model = make_pipeline(FocalXGBClassifier(n_estimators=15, n_jobs=1)).fit(X, y)
    agrees(model, X)


@pytest.mark.parametrize("resampler", ["under", "over", SMOTE(random_state=0)])
def test_resampling_is_taken_back(resampler, tables, agrees):
    X, y, new = tables
    model = make_pipeline(MODELS["lgbm"](), resampler=resampler, random_state=0).fit(X, y)
    agrees(model, new)


def test_resampling_that_is_not_taken_back(arrays, agrees):
    X, y, new = arrays
    for library in ("xgb", "lgbm"):
        agrees(
            ResampledClassifier(MODELS[library](), correct=False, random_state=0).fit(X, y[2]), new
        )
        agrees(ResampledClassifier(MODELS[library](), random_state=0).fit(X, y[2]), new)


THRESHOLDS = {
    "number": {"threshold": 0.2, "pos_label": "fraud"},
    "other label": {"threshold": 0.8, "pos_label": "fine"},
    "metric": {"threshold": "f1", "pos_label": "fraud"},
    "costs": {"threshold": {"fp_cost": 5.0, "tp_cost": 5.0, "fn_cost": "balance"}},
}


@pytest.mark.parametrize("case", THRESHOLDS)
def test_decisions(case, tables, agrees):
    X, y, new = tables
    X, new = (
        X.assign(balance=X["balance"].fillna(3.0)),
        new.assign(balance=new["balance"].fillna(1)),
    )
    model = make_pipeline(MODELS["xgb"](), random_state=0, **THRESHOLDS[case]).fit(X, y)
    agrees(model, new)
    default = np.array(["fine", "fraud"])[(model.predict_proba(new)[:, 1] > 0.5).astype(int)]
    assert (default != model.predict(new)).sum() > 100


def test_decisions_around_a_booster(arrays, agrees):
    X, y, new = arrays
    booster = MODELS["lgbm"]()
    fitted = MODELS["xgb"]().fit(X, y[2])
    for model in (
        AlertBudgetClassifier(booster, k=50, random_state=0),
        CostThresholdClassifier(booster, fn_cost=20.0),
        FixedThresholdClassifier(booster, threshold=0.1),
        TunedThresholdClassifierCV(booster, cv=2, response_method="predict_proba"),
        GridSearchCV(booster, {"focal_gamma": [0.0, 2.0]}, cv=2),
        FixedThresholdClassifier(fitted, threshold=0.1, response_method="predict_proba"),
    ):
        agrees(model.fit(X, y[2]), new)


def test_plain_scikit_learn_before_a_focal_model(tables, agrees):
    X, y, new = tables
    text = ["country", "shop"]
    X = X.assign(**{name: X[name].astype(object).where(X[name].notna(), np.nan) for name in text})
    new = new.assign(**{n: new[n].astype(object).where(new[n].notna(), np.nan) for n in text})
    columns = ColumnTransformer(
        [
            ("scale", Pipeline([("i", SimpleImputer()), ("s", StandardScaler())]), ["amount"]),
            ("robust", RobustScaler(), ["balance"]),
            ("range", MinMaxScaler(clip=True), [0]),
            ("hot", OneHotEncoder(handle_unknown="ignore", drop="first"), ["country"]),
            (
                "often",
                Pipeline(
                    [
                        ("i", SimpleImputer(strategy="most_frequent")),
                        ("o", OneHotEncoder(handle_unknown="ignore")),
                    ]
                ),
                ["country"],
            ),
            (
                "order",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                ["shop"],
            ),
            ("mean", TargetEncoder(random_state=0), ["shop"]),
            ("new", "passthrough", ["new"]),
        ],
        remainder="drop",
    )
    for model in (MODELS["xgb"](), MODELS["lgbm"]()):
        agrees(Pipeline([("columns", columns), ("model", model)]).fit(X, y), new)


def test_scikit_learn_on_arrays(arrays, agrees):
    X, y, new = arrays
    steps = [("fill", SimpleImputer(add_indicator=True)), ("scale", StandardScaler())]
    for last in (
        [("model", MODELS["lgbm"]())],
        [("best", SelectKBest(k=4)), ("model", MODELS["xgb"]())],
        [("axes", PCA(3)), ("model", MODELS["lgbm"]())],
        [("model", LogisticRegression())],
        [("model", ExtraTreesClassifier(20, random_state=0))],
    ):
        agrees(Pipeline(steps + last).fit(X, y[2]), new)
    agrees(Pipeline([*steps, ("model", LogisticRegression())]).fit(X, y[4]), new)


def test_classifiers_of_scikit_learn_alone(arrays, agrees):
    X, y, new = arrays
    X, new = np.nan_to_num(X), np.nan_to_num(new)
    agrees(LogisticRegression().fit(X, y[4]), new)
    agrees(RandomForestClassifier(20, random_state=0).fit(X, y[4]), new)


def test_histogram_boosting_with_categories(frames, agrees):
    X, score, new = frames
    model = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    agrees(model.fit(X, np.digitize(score, [0.0, 3.0])), new)


def test_ensembles(tables, agrees):
    X, y, new = tables
    members = {name: MODELS[name]() for name in ("xgb", "lgbm", "logistic", "forest")}
    model = FocalEnsembleClassifier(members, cv=2, random_state=0, pos_label="fine")
    agrees(model.fit(X[:1500], y[:1500]), new)


def test_a_file_is_what_is_returned(tables, tmp_path):
    from onnxruntime import InferenceSession

    X, y, new = tables
    model = make_pipeline(MODELS["xgb"](), random_state=0).fit(X, y)
    built = to_onnx(model, tmp_path / "fraud.onnx")
    session = InferenceSession(tmp_path / "fraud.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["fraud.onnx"]
    one, other = session, session_of(built)
    for first, second in zip(
        one.run(None, onnx_inputs(one, new)), other.run(None, onnx_inputs(other, new)), strict=True
    ):
        np.testing.assert_array_equal(first, second)
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["classes"] == '["fine", "fraud"]'
    assert facts["link"] == "focal" and facts["gamma"] == "2.0"


@pytest.mark.parametrize(
    "encoder",
    [
        OrdinalEncoder(),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
        OneHotEncoder(handle_unknown="ignore"),
        TargetEncoder(cv=2, random_state=0),
    ],
    ids=["ordinal", "ordinal of missing", "one hot", "target"],
)
@pytest.mark.parametrize("imputed", [None, "most_frequent", "constant"])
@pytest.mark.parametrize("gap", [None, np.nan], ids=str)
def test_gaps_in_text_are_filled_where_scikit_learn_fills_them(gap, imputed, encoder, agrees):
    rng = np.random.default_rng(0)
    text = pd.Series(rng.choice(["u", "u", "v", "gap"], 1500), dtype=object)
    X = pd.DataFrame({"t": text.where(text != "gap", gap), "b": rng.normal(size=1500)})
    y = (X["b"] + 2.0 * X["t"].isna() + rng.logistic(size=1500) > 2.0).to_numpy().astype(int)
    imputer = SimpleImputer(strategy=imputed or "constant", fill_value="u")
    step = encoder if imputed is None else Pipeline([("fill", imputer), ("encode", encoder)])
    columns = ColumnTransformer([("text", step, ["t"]), ("rest", "passthrough", ["b"])])
    model = Pipeline([("columns", columns), ("model", FocalXGBClassifier(n_estimators=8))])
    agrees(model.fit(X, y), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_numbers_are_encoded(dtype, agrees):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (500, 2)).astype(dtype)
    X[rng.random(X.shape) < 0.2] = np.nan
    y = (np.isnan(X[:, 0]) ^ (rng.random(500) < 0.2)).astype(int)
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-9, encoded_missing_value=-5
    )
    agrees(Pipeline([("e", encoder), ("m", LogisticRegression())]).fit(X, y), X)


def test_what_no_graph_can_say_of_text_and_whole_numbers_is_refused():
    X = pd.DataFrame({"t": pd.Series(["u", None, None, None] * 50, dtype=object)})
    y = np.arange(200) % 2
    fill = SimpleImputer(strategy="most_frequent")
    model = Pipeline([("f", fill), ("e", OrdinalEncoder()), ("m", FocalXGBClassifier())])
    with pytest.raises(ValueError, match="whose most frequent value is None"):
        to_onnx(model.fit(X, y))
    X = pd.DataFrame({"k": [2**53, 2**53 + 1] * 100})
    model = Pipeline([("e", OrdinalEncoder()), ("m", FocalXGBClassifier())])
    with pytest.raises(ValueError, match=r"beyond 2\*\*53"):
        to_onnx(model.fit(X, y))
