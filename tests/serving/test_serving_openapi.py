"""The description of the service is true: what it allows is taken, what is answered fits it."""

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("torch")
pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as for_examples
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FEW = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trained", "classes lgbm", "array xgb"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_described(saved, name, mode):
    app = saved(name).app()
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    statuses = set()
    for path, method in (("/predict", "POST"), ("/health", "GET"), ("/metrics", "GET")):
        operation = schema[path][method]
        if mode == GenerationMode.NEGATIVE and method == "GET":
            continue

        @FEW
        @for_examples(case=operation.as_strategy(generation_mode=mode))
        def run(case):
            answer = case.call()
            statuses.add((case.path, answer.status_code))
            case.validate_response(answer, checks=CHECKS)

        run()
    if mode == GenerationMode.POSITIVE:
        assert ("/predict", 200) in statuses and ("/health", 200) in statuses
    else:
        assert ("/predict", 422) in statuses


def test_every_column_is_described_under_its_own_name(saved):
    given = saved("pipeline xgb")
    described = given.app().openapi()
    row = described["components"]["schemas"]["Row"]
    assert list(row["properties"]) == given.X.columns.tolist()
    assert sorted(row["required"]) == sorted(given.X.columns)
    assert row["additionalProperties"] is False
    kinds = {
        name: sorted(kind["type"] for kind in own["anyOf"])
        for name, own in row["properties"].items()
    }
    assert kinds["class"] == kinds["x [usd]"] == ["null", "number"]
    assert kinds["city"] == kinds["when"] == ["null", "string"]
    assert kinds["code"] == ["integer", "null", "number", "string"]
    body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["anyOf"][1]["maxItems"] == 10_000


@pytest.mark.parametrize("name", ["pipeline xgb", "array lgbm"])
def test_the_description_refers_to_nothing_that_is_not_there(saved, name):
    described = saved(name).app().openapi()

    def check(part):
        if isinstance(part, dict):
            if "$ref" in part:
                *_, own = part["$ref"].split("/")
                assert own in described["components"]["schemas"]
            for inner in part.values():
                check(inner)
        elif isinstance(part, list):
            for inner in part:
                check(inner)

    check(described)
