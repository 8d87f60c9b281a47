"""Tables of known kinds, for those who have a schema of their own."""

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pytest.importorskip("torch")

import numpy as np
import pandas as pd
from export_rows import session_of

from focaltab import FocalLGBMClassifier, FocalMLPClassifier, FocalXGBClassifier
from focaltab.export import onnx_inputs
from focaltab.export._columns import from_kinds
from focaltab.export._graph import Graph
from focaltab.export._to_onnx import from_table

KINDS = {"amount": "number", "when": "time", "shelf": "category"}
MODELS = [
    FocalXGBClassifier(n_estimators=10, n_jobs=1),
    FocalLGBMClassifier(n_estimators=10, n_jobs=1, verbosity=-1),
    FocalMLPClassifier((8,), max_iter=1, random_state=0),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_table_of_known_kinds(model):
    rng = np.random.default_rng(0)
    n = 2000
    known = ["12", "40", "7"]
    features = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "when": rng.uniform(1.6e9, 1.7e9, n),
            "shelf": pd.Categorical(rng.choice(["7", "12", "40", None], n), categories=known),
        }
    )
    y = (features["amount"] + 2 * (features["shelf"] == "7") + rng.normal(size=n) > 2).astype(int)
    model.fit(features, y)
    graph = Graph(18)
    built = from_table(
        graph, model, lambda: from_kinds(graph, KINDS, {"shelf": known}, lambda text: [f"{text}.0"])
    )
    session = session_of(built)
    written = features["shelf"].astype(object)
    raw = features.assign(
        when=pd.to_datetime(features["when"], unit="s"),
        shelf=written.where(np.arange(n) % 2 == 0, written + ".0").where(written.notna(), None),
    )
    expected = model.predict_proba(features)
    found = session.run(None, onnx_inputs(session, raw))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_kind_that_is_unknown():
    with pytest.raises(ValueError, match="column 'a' is of the unknown kind 'image'"):
        from_kinds(Graph(18), {"a": "image"}, {})
