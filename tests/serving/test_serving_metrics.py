"""What Prometheus is told, and that it stays bounded."""

import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("torch")

import numpy as np
import pandas as pd
from served_models import as_json

from focaltab.calibration import estimate_prevalence
from focaltab.monitoring import Reference, compare_rows
from focaltab.persistence import read_manifest


def figures(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_requests_rows_and_columns_are_counted(saved):
    given = saved("pipeline xgb")
    client = given.client()
    rows = given.rows(20)
    client.post("/predict", json=rows)
    client.post("/predict", json=[{**rows[0], "city": "Atlantis", "shop": "new"}] * 3)
    client.post("/predict", json={**rows[0], "x [usd]": None, "city": None})
    client.post("/predict", json={**rows[0], "secret": 1})
    client.post("/nowhere/secret")
    client.get("/health")
    found = figures(client)
    assert found['focaltab_requests_total{endpoint="/predict",status="200"}'] == 3
    assert found['focaltab_requests_total{endpoint="/predict",status="422"}'] == 1
    assert found['focaltab_requests_total{endpoint="other",status="404"}'] == 1
    assert found['focaltab_requests_total{endpoint="/health",status="200"}'] == 1
    assert found['focaltab_request_seconds_count{endpoint="/predict"}'] == 4
    assert 0 < found['focaltab_request_seconds_sum{endpoint="/predict"}'] < 60
    assert found["focaltab_rows_total"] == 24
    assert found["focaltab_batch_rows_sum"] == 24
    assert found["focaltab_batch_rows_count"] == 3
    assert found['focaltab_unseen_categories_total{column="city"}'] == 3
    assert found['focaltab_unseen_categories_total{column="shop"}'] == 3
    n_missing = sum(row["city"] is None for row in rows) + 1
    assert found['focaltab_missing_values_total{column="city"}'] == n_missing
    assert found['focaltab_missing_values_total{column="x [usd]"}'] == 1
    assert found['focaltab_missing_values_total{column="code"}'] == 0
    assert found['focaltab_score_log_odds_bucket{le="+Inf"}'] == 24
    assert not any("secret" in name for name in found)
    digest = client.get("/health").json()["digest"]
    assert any(digest in name for name in found if name.startswith("focaltab_model_info"))


def test_scores_are_counted_by_their_log_odds(saved):
    given = saved("numbers lgbm")
    client = given.client()
    client.post("/predict", json=as_json(given.X))
    p = given.model.predict_proba(given.X)[:, 1]
    f = np.log(p) - np.log1p(-p)
    found = figures(client)
    for edge in (-6.0, -4.0, -2.0, 0.0):
        assert found[f'focaltab_score_log_odds_bucket{{le="{edge}"}}'] == (f <= edge).sum()
    assert found['focaltab_score_log_odds_bucket{le="+Inf"}'] == len(p)


def test_drift_is_that_of_the_last_scores(saved):
    given = saved("numbers lgbm")
    client = given.client()
    manifest = read_manifest(given.path)
    reference = Reference.from_dict(manifest.reference)
    few = as_json(given.X[:99])
    client.post("/predict", json=few)
    assert figures(client)["focaltab_drift_rows"] == 99
    assert "focaltab_drift_score_psi" not in figures(client)

    client.post("/predict", json=as_json(given.X))
    found = figures(client)
    assert found["focaltab_drift_rows"] == 699
    assert found["focaltab_drift_score_psi"] < found["focaltab_drift_score_psi_limit"]

    # Rows of another kind push all others out of the memory.
    other = given.X.nlargest(50, "amount")
    many = pd.concat([other] * 201)
    client.post("/predict", json=as_json(many[:50]))
    client.post("/predict", json=as_json(many[50:]))
    found = figures(client)
    assert found["focaltab_drift_rows"] == 10_000
    last = pd.concat([other] * 200)
    p = given.model.predict_proba(last)[:, 1]
    psi = compare_rows(reference, last, score=p, random_state=0).score.psi
    assert found["focaltab_drift_score_psi"] == pytest.approx(psi) and psi > 1.0
    assert found["focaltab_drift_score_psi"] > found["focaltab_drift_score_psi_limit"]
    share = manifest.prevalence
    assert found["focaltab_drift_mean_score_ratio"] == pytest.approx(p.mean() / share)
    estimate = estimate_prevalence(p, share) / share
    assert found["focaltab_drift_prevalence_ratio"] == pytest.approx(estimate, rel=0.02)
    assert found['focaltab_score_log_odds_bucket{le="+Inf"}'] == 99 + 600 + 10_050


def test_several_classes_have_no_score(saved):
    given = saved("classes xgb")
    client = given.client()
    client.post("/predict", json=as_json(given.X))
    found = figures(client)
    assert found["focaltab_rows_total"] == 600
    assert found["focaltab_drift_rows"] == 0


def test_apps_in_one_process_count_apart(saved):
    one, other = saved("numbers lgbm").client(), saved("numbers lgbm").client()
    one.post("/predict", json=saved("numbers lgbm").rows(2))
    assert figures(one)["focaltab_rows_total"] == 2
    assert figures(other)["focaltab_rows_total"] == 0


def test_what_is_told_parses_as_prometheus_reads_it(saved):
    from prometheus_client.parser import text_string_to_metric_families

    client = saved("pipeline xgb").client()
    client.post("/predict", json=saved("pipeline xgb").rows(200))
    text = client.get("/metrics").text
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert families["focaltab_score_log_odds"].type == "histogram"
    assert families["focaltab_drift_score_psi"].type == "gauge"
    assert all(f.documentation for f in families.values())
    assert re.fullmatch(r"(focaltab_\w+ ?)+", " ".join(families))
