"""Models to serve, their rows as JSON, and requests to an app in this process."""

import asyncio

import httpx
import imblearn  # noqa: F401  (a scorer made before its import cannot be cloned after it)
import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

import focaltab
from focaltab import (
    FocalEnsembleClassifier,
    FocalLGBMClassifier,
    FocalMLPClassifier,
    FocalSearchCV,
    FocalXGBClassifier,
)
from focaltab.model_selection import AlertBudgetClassifier, CostThresholdClassifier
from focaltab.pipeline import make_pipeline
from focaltab.serving import create_app

N = 600
XGB = {"n_estimators": 6, "max_depth": 3, "random_state": 0, "n_jobs": 1}
LGBM = {"n_estimators": 6, "random_state": 0, "num_leaves": 5, "verbosity": -1, "n_jobs": 1}


def table():
    """Rows of every kind of column, under names that trip up attributes, JSON and pydantic."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "x [usd]": rng.gamma(1.0, 80.0, N).round(2),
            "class": rng.integers(0, 9, N),
            "model_config": np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N)),
            "city": rng.choice(["Rome", "Oslo", "Zürich", None], N),
            "code": rng.choice(["7", "8", "12"], N),
            "shop": rng.choice([f"shop {k}" for k in range(60)], N),
            "when": pd.Timestamp("2024-05-01") + pd.to_timedelta(rng.integers(0, 999, N), "h"),
        }
    )
    risk = X["x [usd]"] / 80 + (X["city"] == "Oslo") + (X["code"] == "7") + rng.logistic(size=N)
    return X, np.where(risk > 4.5, "fraud", "fine")


def categories(X):
    """Numbers beside pandas categories in an order of their own, of text and of numbers."""
    return pd.DataFrame(
        {
            "amount": X["x [usd]"],
            "city": pd.Categorical(X["city"], categories=["Zürich", "Nowhere", "Rome", "Oslo"]),
            "code": pd.Categorical(X["code"].astype(int), categories=[12, 7, 8]),
        }
    )


def numbers(X):
    return X[["x [usd]", "class", "model_config"]].rename(columns={"x [usd]": "amount"})


def kinds(y):
    return pd.cut(np.arange(len(y)) % 7, [-1, 3, 5, 7], labels=["a", "b", "c"]).astype(str)


MODELS = {
    "pipeline xgb": (make_pipeline(FocalXGBClassifier(**XGB), resampler="under"), "table"),
    "pipeline linear": (
        make_pipeline(LogisticRegression(), threshold=0.3, pos_label="fraud"),
        "table",
    ),
    "pipeline tuned": (
        make_pipeline(FocalLGBMClassifier(**LGBM), threshold="f1", pos_label="fraud"),
        "table",
    ),
    "pipeline cost": (
        make_pipeline(
            FocalXGBClassifier(**XGB),
            threshold={"fp_cost": 5.0, "tp_cost": 5.0, "fn_cost": "x [usd]"},
            pos_label="fraud",
        ),
        "table",
    ),
    "ensemble": (
        FocalEnsembleClassifier(
            {"xgb": FocalXGBClassifier(**XGB), "linear": LogisticRegression()},
            cv=2,
            random_state=0,
        ),
        "table",
    ),
    "xgb": (FocalXGBClassifier(**XGB, pos_label="fine"), "categories"),
    "lgbm": (FocalLGBMClassifier(**LGBM), "categories"),
    "mlp": (FocalMLPClassifier((8,), max_iter=2, random_state=0), "categories"),
    "calibrated": (CalibratedClassifierCV(FocalXGBClassifier(**XGB), cv=2), "categories"),
    "voting": (
        VotingClassifier(
            [("xgb", FocalXGBClassifier(**XGB)), ("lgbm", FocalLGBMClassifier(**LGBM))],
            voting="soft",
        ),
        "categories",
    ),
    "budget": (
        AlertBudgetClassifier(FocalXGBClassifier(**XGB), k=30, cv=2, random_state=0),
        "categories",
    ),
    "search": (
        FocalSearchCV(FocalXGBClassifier(**XGB), n_trials=2, cv=2, random_state=0),
        "categories",
    ),
    "cost": (CostThresholdClassifier(FocalXGBClassifier(**XGB), fn_cost=9.0), "categories"),
    "numbers xgb": (FocalXGBClassifier(**XGB), "numbers"),
    "numbers lgbm": (FocalLGBMClassifier(**LGBM, early_stopping_rounds=2), "numbers"),
    "xgb without trees": (FocalXGBClassifier(**XGB, booster="gblinear"), "whole"),
    "linear": (LogisticRegression(), "whole"),
    "classes xgb": (FocalXGBClassifier(**XGB), "classes"),
    "classes lgbm": (FocalLGBMClassifier(**LGBM), "classes"),
    "array xgb": (FocalXGBClassifier(**XGB), "array"),
    "array lgbm": (FocalLGBMClassifier(**LGBM), "array"),
    "stock": (XGBClassifier(**XGB), "zeros and ones"),
}


class Client:
    """Requests to an app in this process, each in a loop of its own."""

    def __init__(self, app):
        self.app = app

    def __call__(self):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://serve")

    def request(self, *arguments, **options):
        async def send():
            async with self() as client:
                return await client.request(*arguments, **options)

        return asyncio.run(send())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


class Saved:
    """A model in a folder, its rows, and clients of it."""

    def __init__(self, path, X):
        self.path, self.X = path, X
        self.model = focaltab.load(path)

    def app(self, **options):
        return create_app(self.path, **options)

    def client(self, **options):
        return Client(self.app(**options))

    def rows(self, n=40):
        return as_json(self.X[:n])


def as_json(X):
    """Rows as JSON has them."""
    if not isinstance(X, pd.DataFrame):
        return [[None if np.isnan(v) else v for v in row] for row in X.tolist()]
    X = X.copy()
    for name in X.columns:
        if pd.api.types.is_datetime64_any_dtype(X[name].dtype):
            X[name] = X[name].dt.strftime("%Y-%m-%dT%H:%M:%S")
    return [
        {name: None if pd.isna(value) else plain(value) for name, value in row.items()}
        for row in X.astype(object).to_dict("records")
    ]


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


def fitted(name):
    model, kind = MODELS[name]
    X, y = table()
    if kind == "categories":
        X = categories(X)
    elif kind == "classes":
        X, y = categories(X), kinds(y)
    elif kind in ("numbers", "zeros and ones"):
        X, y = numbers(X), y if kind == "numbers" else (y == "fraud").astype(int)
    elif kind == "whole":
        X = numbers(X).fillna(0.0)
    elif kind == "array":
        X = numbers(X).to_numpy()
    return model.fit(X, y), X, y
