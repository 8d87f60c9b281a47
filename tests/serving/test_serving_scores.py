"""What is answered is what the model itself says of the same rows, to the last digit.

A row alone and the row among others differ in the last digits of a sum where matrices are
multiplied: BLAS adds up in another order for another shape.
"""

import asyncio
import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("torch")

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from served_models import MODELS, XGB, Client, as_json, table
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.monitoring import Reference
from focaltab.persistence import read_manifest
from focaltab.pipeline import make_pipeline
from focaltab.serving import create_app


def stated(answer):
    return [p.get("probability", p.get("probabilities")) for p in answer["predictions"]]


def own(model, positive, X):
    probability = np.asarray(model.predict_proba(X), dtype=float)
    if positive is None:
        names = [str(label) for label in model.classes_]
        return [dict(zip(names, row, strict=True)) for row in probability.tolist()]
    return probability[:, model.classes_.tolist().index(positive)].tolist()


def assert_same(one, other):
    """The same prediction, but for how a sum was rounded."""
    name = "probability" if "probability" in one else "probabilities"
    assert one[name] == pytest.approx(other[name], rel=1e-6)
    assert one["label"] == other["label"]


@pytest.mark.parametrize("name", [*MODELS, "trained"])
def test_scores_are_the_models(name, saved):
    given = saved(name)
    client = given.client()
    positive = read_manifest(given.path).positive
    rows = given.rows()
    answer = client.post("/predict", json=rows)
    assert answer.status_code == 200, answer.text
    X = given.X[:40]
    assert stated(answer.json()) == own(given.model, positive, X)
    labels = [p["label"] for p in answer.json()["predictions"]]
    assert labels == given.model.predict(X).tolist()
    assert answer.json()["warnings"] == []
    assert answer.json()["model"] == client.get("/health").json()["digest"]
    # One row, with its columns in another order.
    one = rows[3]
    turned = dict(reversed(one.items())) if isinstance(one, dict) else one
    alone = client.post("/predict", json=turned).json()
    assert stated(alone) == own(given.model, positive, X[3:4])
    assert_same(alone["predictions"][0], answer.json()["predictions"][3])


@pytest.mark.parametrize(
    ("name", "merged"),
    [
        ("pipeline xgb", True),
        pytest.param("pipeline tuned", True, marks=pytest.mark.slow),
        pytest.param("xgb", True, marks=pytest.mark.slow),
        ("lgbm", True),
        pytest.param("numbers xgb", True, marks=pytest.mark.slow),
        ("classes lgbm", True),
        pytest.param("array xgb", True, marks=pytest.mark.slow),
        ("trained", True),
        ("mlp", False),
        ("pipeline linear", False),
    ],
)
def test_requests_at_once_get_the_scores_of_lone_calls(name, merged, saved):
    given = saved(name)
    client = given.client()
    positive = read_manifest(given.path).positive
    rows = as_json(given.X)
    n_lone = 60 if merged else 15
    alone = [own(given.model, positive, given.X[k : k + 1])[0] for k in range(n_lone)]
    bad = [{"city": "Rome"}, [rows[0], 1]]

    async def all_at_once():
        async with client() as session:
            asked = [session.post("/predict", json=row) for row in [*rows[:n_lone], *bad]]
            several = session.post("/predict", json=rows[n_lone:])
            return await asyncio.gather(*asked, several)

    *answers, several = asyncio.run(all_at_once())
    # Of several classes: NumPy's exponentials may depend on the length of an array.
    last_bits = 1e-12 if name.startswith("classes") else 0.0
    assert [stated(a.json())[0] for a in answers[:n_lone]] == [
        pytest.approx(one, rel=last_bits, abs=0.0) for one in alone
    ]
    assert stated(several.json()) == [
        pytest.approx(one, rel=last_bits, abs=0.0)
        for one in own(given.model, positive, given.X[n_lone:])
    ]
    assert [a.status_code for a in answers[n_lone:]] == [422, 422]
    figures = client.get("/metrics").text
    n_calls = float(re.search(r"^focaltab_batch_rows_count (\S+)$", figures, re.M)[1])
    assert n_calls < n_lone / 2 if merged else n_calls == n_lone + 1
    assert re.search(r"^focaltab_batch_rows_sum 600.0$", figures, re.M)


def test_a_row_that_the_model_refuses_spoils_no_other(saved):
    given = saved("pipeline cost")
    client = given.client()
    rows = as_json(given.X[:30])
    # A cost that is missing leaves no decision.
    rows[7] = {**rows[7], "x [usd]": None}

    async def all_at_once():
        async with client() as session:
            return await asyncio.gather(*[session.post("/predict", json=row) for row in rows])

    answers = asyncio.run(all_at_once())
    assert [k for k, a in enumerate(answers) if a.status_code != 200] == [7]
    assert answers[7].status_code == 422
    assert "fn_cost is nan in row 0" in answers[7].json()["detail"][0]["message"]
    labels = [a.json()["predictions"][0]["label"] for a in answers if a.status_code == 200]
    assert labels == given.model.predict(given.X[:30].drop(index=7)).tolist()


@pytest.mark.parametrize("name", ["numbers xgb", "numbers lgbm", "pipeline xgb", "trained"])
def test_numbers_beyond_float32_are_scored_or_refused_as_the_model_does(name, saved):
    given = saved(name)
    column = given.X.columns[0]
    for number in (3.5e38, -1e300, 1.7976931348623157e308, 1e-320, 3.4e38):
        X = given.X[:2].assign(**{column: [1.0, number]})
        answer = given.client().post("/predict", json=as_json(X))
        if name == "numbers lgbm" or abs(number) <= np.finfo(np.float32).max:
            assert stated(answer.json()) == own(given.model, "fraud", X)
            continue
        assert answer.status_code == 422
        message = answer.json()["detail"][0]["message"]
        assert "row 1 is infinite to XGBoost" in message and f"{number:g}" in message


@pytest.mark.parametrize("name", ["trained", "pipeline xgb", "xgb", "lgbm", "mlp"])
def test_names_that_training_did_not_have_are_missing_and_told(name, saved):
    given = saved(name)
    client = given.client()
    row = given.rows(1)[0]
    strange = client.post("/predict", json=[row, {**row, "city": "Atlantis"}]).json()
    missing = client.post("/predict", json={**row, "city": None}).json()
    assert_same(strange["predictions"][1], missing["predictions"][0])
    assert [(w["row"], w["field"]) for w in strange["warnings"]] == [(1, "city")]
    assert missing["warnings"] == []


def test_text_of_many_values_has_no_strangers_but_average_ones(saved):
    given = saved("pipeline xgb")
    client = given.client()
    row = given.rows(1)[0]
    strange = client.post("/predict", json={**row, "shop": "shop 61"}).json()
    assert strange["warnings"][0]["message"].endswith("scored as an average one.")
    X = given.X[:1].assign(shop="shop 61")
    assert stated(strange) == own(given.model, "fraud", X)


@pytest.mark.parametrize("name", ["trained", "pipeline xgb", "xgb", "lgbm", "mlp"])
def test_a_number_is_taken_for_a_name_where_names_are_numbers(name, saved):
    client = saved(name).client()
    row = saved(name).rows(1)[0]
    text = client.post("/predict", json={**row, "code": "7"}).json()
    for number in (7, 7.0):
        assert client.post("/predict", json={**row, "code": number}).json() == text
    assert text["warnings"] == []
    other = client.post("/predict", json={**row, "city": 7})
    assert other.status_code == 422 and other.json()["detail"][0]["field"] == "city"


def test_numbers_need_no_decimals_and_times_no_seconds(saved):
    given = saved("trained")
    client = given.client()
    row = {**given.rows(1)[0], "x [usd]": 12, "when": "2024-05-03"}
    answers = [
        client.post("/predict", json={**row, **changes}).json()["predictions"]
        for changes in (
            {},
            {"x [usd]": 12.0},
            {"when": "2024-05-03T00:00"},
            {"when": "2024-05-03 00:00:00Z"},
            {"when": "2024-05-03T02:00:00.000+02:00"},
        )
    ]
    assert all(answer == answers[0] for answer in answers)
    X = given.X[:1].assign(**{"x [usd]": 12.0, "when": pd.Timestamp("2024-05-03")})
    assert answers[0][0]["probability"] == own(given.model, "fraud", X)[0]


def test_columns_that_training_left_out_are_not_read(tmp_path):
    X, y = table()
    X = X.assign(nothing=None, ticket=[f"t{k}" for k in range(len(X))])
    with pytest.warns(UserWarning, match="ticket"):
        model = make_pipeline(FocalXGBClassifier(**XGB)).fit(X, y)
    focaltab.save(model, tmp_path / "m")
    client = Client(create_app(tmp_path / "m"))
    rows = as_json(X[:3])
    expected = own(model, "fraud", X[:3])
    assert stated(client.post("/predict", json=rows).json()) == expected
    short = [{k: v for k, v in row.items() if k not in ("nothing", "ticket")} for row in rows]
    assert stated(client.post("/predict", json=short).json()) == expected
    odd = [{**row, "nothing": "something", "ticket": 5} for row in rows]
    assert stated(client.post("/predict", json=odd).json()) == expected
    assert client.post("/predict", json={**rows[0], "nothing": [1]}).status_code == 422


def test_a_model_that_takes_no_missing_values_is_given_none(saved):
    given = saved("linear")
    answer = given.client().post(
        "/predict", json=[*given.rows(1), {**given.rows(1)[0], "class": None}]
    )
    assert answer.status_code == 422
    told = answer.json()["detail"]
    assert [(t["row"], t["field"]) for t in told] == [(1, "class")]
    assert "takes no missing values" in told[0]["message"]


def test_pipelines_of_scikit_learn_take_text_as_text(tmp_path):
    X, y = table()
    X = X[["x [usd]", "city", "shop"]].fillna({"city": "none"})
    columns = ColumnTransformer(
        [("names", OneHotEncoder(handle_unknown="ignore"), ["city", "shop"])],
        remainder="passthrough",
    )
    model = Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=500))])
    focaltab.save(model.fit(X, y), tmp_path / "m", X=X, y=y)
    client = Client(create_app(tmp_path / "m"))
    answer = client.post("/predict", json=as_json(X[:50])).json()
    assert stated(answer) == own(model, "fraud", X[:50])
    row = {"x [usd]": 5.0, "city": "Atlantis", "shop": "shop 1"}
    strange = pd.DataFrame([row])
    assert stated(client.post("/predict", json=row).json()) == own(model, "fraud", strange)
    assert client.post("/predict", json={**row, "x [usd]": None}).status_code == 422


def test_categories_that_xgboost_cuts_short_are_put_together(tmp_path):
    rng = np.random.default_rng(0)
    names = ["Zürich", "東京", "Oslo", "Łódź", "São Paulo"]
    X = pd.DataFrame({"city": pd.Categorical(rng.choice(names, 500), categories=names)})
    y = (X["city"].isin(["東京", "Łódź"]) & (rng.random(500) < 0.5)).to_numpy()
    rows = [{"city": name} for name in names]
    frame = pd.DataFrame({"city": pd.Categorical(names, categories=names)})
    stock = XGBClassifier(**XGB, enable_categorical=True).fit(X, y.astype(int))
    focal = FocalXGBClassifier(**XGB).fit(X, y)
    focaltab.save(stock, tmp_path / "stock", X=X, y=y.astype(int))
    focaltab.save(focal, tmp_path / "focal")  # which keeps its categories itself
    for folder, model, positive in (("stock", stock, 1), ("focal", focal, True)):
        answer = Client(create_app(tmp_path / folder)).post("/predict", json=rows).json()
        assert stated(answer) == own(model, positive, frame)
        assert len(set(stated(answer))) > 2 and answer["warnings"] == []
    # Without rows nobody knows what has been cut off.
    focaltab.save(stock, tmp_path / "bare")
    with pytest.raises(ValueError, match=r"bare cannot be served: .* 'city' short"):
        create_app(tmp_path / "bare")


def test_a_focal_booster_says_itself_which_categories_it_takes(tmp_path):
    X, y = table()
    frame = pd.DataFrame({"city": X["city"].astype("category"), "amount": X["x [usd]"]})
    model = FocalLGBMClassifier(n_estimators=5, verbosity=-1).fit(frame, y)
    focaltab.save(model, tmp_path / "m")
    client = Client(create_app(tmp_path / "m"))
    answer = client.post("/predict", json=as_json(frame[:20])).json()
    assert stated(answer) == own(model, model.classes_[1].item(), frame[:20])


def test_a_model_of_which_nobody_knows_what_it_takes_is_refused(tmp_path):
    X, y = table()
    frame = pd.DataFrame({"city": X["city"].astype("category"), "amount": X["x [usd]"]})
    focaltab.save(LGBMClassifier(n_estimators=2, verbosity=-1).fit(frame, y), tmp_path / "l")
    with pytest.raises(ValueError, match=r"cannot be served: .*Save it anew.*X=X"):
        create_app(tmp_path / "l")
    linear = LogisticRegression().fit(frame[["amount"]], y)
    focaltab.save(linear, tmp_path / "n")
    with pytest.raises(ValueError, match=r"'amount' holds is not known .*X=X"):
        create_app(tmp_path / "n")
    # A one-hot encoder that knows 7 would take "7" for a stranger, and say nothing.
    for name, values in (("code", pd.Categorical([7, 8] * 300)), ("when", X["when"].astype(str))):
        columns = ColumnTransformer([("all", OneHotEncoder(handle_unknown="ignore"), [name])])
        typed = pd.DataFrame({name: values})
        typed_model = Pipeline([("columns", columns), ("model", LogisticRegression())])
        focaltab.save(typed_model.fit(typed, y), tmp_path / name, X=typed, y=y)
        with pytest.raises(ValueError, match=f"'{name}' held .* type .*make_pipeline"):
            create_app(tmp_path / name)
    focaltab.save(StandardScaler().fit(frame[["amount"]]), tmp_path / "s")
    with pytest.raises(ValueError, match="StandardScaler gives no probabilities"):
        create_app(tmp_path / "s")
    with pytest.raises(ValueError, match="no saved model"):
        create_app(tmp_path)


@pytest.mark.parametrize("name", ["trained", "pipeline xgb", "xgb", "lgbm", "numbers lgbm"])
def test_reasons_are_those_of_explain(name, saved):
    given = saved(name)
    client = given.client()
    rows = given.rows(5)
    plain = client.post("/predict", json=rows).json()
    assert "reasons" not in plain["predictions"][0]
    answer = client.post("/predict?reasons=2", json=rows)
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    assert [p["probability"] for p in predictions] == stated(plain)
    for prediction in predictions:
        reasons = prediction["reasons"]
        assert 1 <= len(reasons) <= 2
        assert {r["feature"] for r in reasons} <= set(given.X.columns)
        assert [r["direction"] == "raises" for r in reasons] == [
            r["contribution"] > 0 for r in reasons
        ]
    if name != "trained":
        reference = Reference.from_dict(read_manifest(given.path).reference)
        told = focaltab.explain(given.model, given.X[:5], background=reference).reasons(2)
        sentences = [r["reason"] for p in predictions for r in p["reasons"]]
        assert sentences == told["reason"].tolist()
    else:
        every = client.post("/predict?reasons=9", json=rows).json()["predictions"]
        texts = [r["reason"] for p in every for r in p["reasons"]]
        assert any(t.startswith("when 2024-0") and "(typical 2024-0" in t for t in texts)
        assert any(t.startswith("x [usd] ") for t in texts)


def test_reasons_are_refused_where_there_can_be_none(saved, tmp_path):
    mlp = saved("mlp")
    answer = mlp.client().post("/predict?reasons=2", json=mlp.rows(1))
    assert answer.status_code == 400
    assert "background rows" in answer.json()["detail"][0]["message"]
    lgbm = saved("lgbm")
    for n in ("0", "21", "two", "1.5"):
        answer = lgbm.client().post(f"/predict?reasons={n}", json=lgbm.rows(1))
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["field"] == "reasons"
    many = lgbm.client().post("/predict?reasons=1", json=lgbm.rows(101))
    assert many.status_code == 413
    X = np.random.default_rng(0).normal(size=(300, 2))
    focaltab.save(FocalXGBClassifier(**XGB).fit(X, X[:, 0] > 1), tmp_path / "bare")
    answer = Client(create_app(tmp_path / "bare")).post("/predict?reasons=1", json=[0.5, 1])
    assert answer.status_code == 400
    assert "X=" in answer.json()["detail"][0]["message"]
