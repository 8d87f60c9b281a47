"""What is answered is what the model itself says of the same rows, to the last digit."""

import numpy as np
import pytest
from conftest import MODELS

import focaltab


def stated(answer):
    return [p.get("probability", p.get("probabilities")) for p in answer["predictions"]]


def own(model, positive, X):
    probability = np.asarray(model.predict_proba(X), dtype=float)
    if positive is None:
        names = [str(label) for label in model.classes_]
        return [dict(zip(names, row, strict=True)) for row in probability.tolist()]
    return probability[:, model.classes_.tolist().index(positive)].tolist()


@pytest.mark.parametrize("name", [*MODELS, "trained"])
def test_scores_are_the_models(name, saved):
    given = saved(name)
    client = given.client()
    positive = focaltab.persistence.read_manifest(given.path).positive
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
    assert alone["predictions"] == [answer.json()["predictions"][3]]
