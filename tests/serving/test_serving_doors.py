"""What no row may be: a 4xx that names it, never a 5xx and never a wrong score."""

import asyncio
import json

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("torch")

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(saved):
    return saved("pipeline xgb").client()


@pytest.fixture(scope="module")
def row(saved):
    return saved("pipeline xgb").rows(1)[0]


def sent(client, body, **headers):
    content = body if isinstance(body, bytes) else body.encode()
    return client.post("/predict", content=content, headers=JSON | headers)


def told(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    detail = answer.json()["detail"]
    assert detail and all(set(one) == {"row", "field", "message"} for one in detail)
    return detail


def with_literal(row, field, literal):
    return json.dumps({**row, field: "LITERAL"}).replace('"LITERAL"', literal)


@pytest.mark.parametrize("field", ["x [usd]", "class", "city", "code", "when"])
@pytest.mark.parametrize(
    "literal",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "9" * 400,
        "1" + "0" * 5000,
        "true",
        "[1]",
        "{}",
        '{"a": 1, "a": 2}',
        '"\\ud800"',
    ],
)
def test_values_that_no_column_takes(client, row, field, literal):
    body = f"[{json.dumps(row)}, {with_literal(row, field, literal)}]"
    detail = told(sent(client, body), 422)
    assert [(one["row"], one["field"]) for one in detail] == [(1, field)]
    assert detail[0]["message"].startswith("must be ")


@pytest.mark.parametrize(
    ("field", "literal"),
    [
        ("x [usd]", '"12.5"'),
        ("class", '"7"'),
        ("city", "7"),
        ("city", "1.5"),
        ("when", "7"),
        ("when", '"yesterday"'),
        ("when", '"2024-13-01"'),
        ("when", '"2024-02-30"'),
        ("when", '"2024-05-01T25:00"'),
        ("when", '"0001-01-01T00:00+14:00"'),
        ("when", '"1677-12-31"'),
        ("when", '"9999-12-31"'),
        ("when", '"2262-01-01T00:00+00:00"'),
        ("when", '"2024-05-01\\n"'),
        ("when", '"٢٠٢٤-05-01"'),
        ("when", '""'),
    ],
)
def test_values_of_another_columns_kind(client, row, field, literal):
    detail = told(sent(client, with_literal(row, field, literal)), 422)
    assert [(one["row"], one["field"]) for one in detail] == [(0, field)]


@pytest.mark.parametrize("value", ["2024-05-01", "1678-01-01", "2261-12-31T23:59:59.999Z", None])
def test_times_from_the_first_to_the_last(client, row, value):
    assert client.post("/predict", json={**row, "when": value}).status_code == 200


@pytest.mark.parametrize("value", [0, -0.0, 3e38, -3e38, 5e-324, 2**53 + 1, 10**38, None])
def test_numbers_of_any_size_that_the_model_has(client, row, value):
    assert client.post("/predict", json={**row, "x [usd]": value}).status_code == 200


def test_columns_that_are_missing_strange_or_there_twice(client, row):
    short = {k: v for k, v in row.items() if k not in ("city", "class")}
    detail = told(client.post("/predict", json=[row, short]), 422)
    assert [(one["row"], one["field"]) for one in detail] == [(1, "class"), (1, "city")]
    assert "is missing" in detail[0]["message"]
    for name in ("c0", "City", "__class__", "../../etc/passwd", "x", "", "\x00", "ключ"):
        detail = told(client.post("/predict", json={**row, name: 1}), 422)
        assert [(one["row"], one["field"]) for one in detail] == [(0, name)]
    doubled = json.dumps(row)[:-1] + ', "city": "Oslo"}'
    detail = told(sent(client, f"[{json.dumps(row)}, {doubled}]"), 422)
    assert [(one["row"], one["field"]) for one in detail] == [(1, "city")]
    assert detail[0]["message"] == "stands more than once."
    # Escapes are another way to write the same name, and a lone surrogate is no name.
    escaped = json.dumps(row)[:-1] + ', "\\u0063ity": "Oslo"}'
    assert told(sent(client, escaped), 422)[0]["field"] == "city"
    assert told(sent(client, json.dumps(row)[:-1] + ', "\\udfff": 1}'), 422)[0]["field"] == "?"
    long = told(client.post("/predict", json={**row, "a" * 100_000: 1}), 422)
    assert len(long[0]["field"]) < 100
    many = told(client.post("/predict", json={f"n{k}": k for k in range(1000)}), 422)
    assert len(many) == 20
    every = told(client.post("/predict", json=[{**row, "city": 1}] * 500), 422)
    assert len(every) == 20


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("nonsense", 400),
        ("{'x': 1}", 400),
        (b"\xff\xfe", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"city": "\xc3\x28"}', 400),
        ("[" * 100_000, 400),
        ('{"a":' * 100_000, 400),
        ("[" * 500 + "]" * 500, 422),
        ("1", 422),
        ("null", 422),
        ('"row"', 422),
        ("NaN", 422),
        ("[]", 422),
        ("[[]]", 422),
        ("[1, 2]", 422),
        ("[null]", 422),
        ("{}", 422),
    ],
)
def test_bodies_that_are_no_rows(client, body, status):
    told(sent(client, body), status)


def test_rows_of_a_model_without_names(saved):
    given = saved("array xgb")
    client = given.client()
    assert client.post("/predict", json=given.rows(1)[0]).status_code == 200
    for body in ([1.0, 2.0], [[1.0, 2.0, 3.0], [1.0, 2.0]], [{"0": 1.0}], {"0": 1.0}, []):
        told(client.post("/predict", json=body), 422)
    detail = told(client.post("/predict", json=[[1, 2, 3], [1, "2", 3]]), 422)
    assert [(one["row"], one["field"]) for one in detail] == [(1, "1")]
    detail = told(sent(client, "[1, 2, NaN]"), 422)
    assert [(one["row"], one["field"]) for one in detail] == [(0, "2")]


def test_no_more_rows_and_bytes_than_allowed(saved, row):
    given = saved("pipeline xgb")
    few = given.client(max_rows=3)
    assert few.post("/predict", json=[row] * 3).status_code == 200
    assert "4 rows" in told(few.post("/predict", json=[row] * 4), 413)[0]["message"]
    size = len(json.dumps(row))
    small = given.client(max_body_bytes=size)
    assert sent(small, json.dumps(row)).status_code == 200
    told(sent(small, json.dumps(row) + " "), 413)

    # A length that is false, or none at all, changes nothing.
    async def in_parts():
        for _ in range(100):
            yield b" " * 100

    async def send(headers):
        async with small() as session:
            return await session.post("/predict", content=in_parts(), headers=JSON | headers)

    for headers in ({}, {"Content-Length": "10"}):
        told(asyncio.run(send(headers)), 413)
    assert told(sent(small, "{}", **{"Content-Length": str(size + 1)}), 413)


def test_a_body_is_not_read_beyond_the_limit(saved):
    """With the bare protocol, since clients may hold a body back."""
    patient = saved("pipeline xgb").app(max_body_bytes=1000)
    hasty = saved("pipeline xgb").app(max_body_bytes=1000, body_timeout=0.2)

    async def ask(receive, app=patient):
        answer = {}

        async def send(message):
            answer.update(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "raw_path": b"/predict",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        await app(scope, receive, send)
        return answer["body"]

    async def endless():
        read.append(1)
        return {"type": "http.request", "body": b" " * 300, "more_body": True}

    async def silent():
        await asyncio.sleep(60)

    async def gone():
        return {"type": "http.disconnect"}

    read = []
    assert b"larger than 1,000 bytes" in asyncio.run(ask(endless)) and len(read) == 4
    assert b"longer than 0.2 s" in asyncio.run(ask(silent, hasty))
    assert b"ended early" in asyncio.run(ask(gone))


@pytest.mark.parametrize("error", [TimeoutError, ClientDisconnect])
def test_an_error_while_answering_is_no_fault_of_the_body(client, row, monkeypatch, error):
    async def fail(*arguments):
        raise error

    many = [row] * 200  # long enough for another thread
    monkeypatch.setattr(asyncio, "to_thread", fail)
    assert "The server failed" in told(client.post("/predict", json=many), 500)[0]["message"]
    monkeypatch.undo()
    assert client.post("/predict", json=many).status_code == 200


def test_more_rows_waiting_than_the_server_may_hold(saved, row):
    client = saved("pipeline xgb").client(max_rows=4, max_waiting_rows=6)

    async def all_at_once(n):
        async with client() as session:
            asked = [session.post("/predict", json=[row] * 3) for _ in range(n)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(all_at_once(8))
    assert {a.status_code for a in answers} == {200, 503}
    refused = next(a for a in answers if a.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    assert "Overloaded" in told(refused, 503)[0]["message"]
    assert {a.status_code for a in asyncio.run(all_at_once(2))} == {200}


@pytest.mark.slow
def test_ten_thousand_requests_and_ten_thousand_rows(saved):
    given = saved("numbers lgbm")
    client = given.client()
    row = given.rows(1)[0]
    assert client.post("/predict", json=[row] * 10_000).status_code == 200

    async def all_at_once():
        async with client() as session:
            asked = [session.post("/predict", json=row) for _ in range(1500)]
            return await asyncio.gather(*asked)

    assert {a.status_code for a in asyncio.run(all_at_once())} == {200}


def test_types_methods_and_places_that_are_not_there(client, row):
    for kind in ("text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"):
        answer = sent(client, json.dumps(row), **{"Content-Type": kind})
        assert told(answer, 415)[0]["field"] == "Content-Type"
    told(client.get("/predict"), 405)
    told(client.post("/metrics"), 405)
    for path in ("/", "/docs", "/predict/", "/../manifest.json", "/health/%2e%2e", "/%ff"):
        told(client.get(path), 404)
    assert sent(
        client, json.dumps(row), **{"Content-Type": "Application/JSON; charset=utf-8"}
    ).is_success


@pytest.mark.parametrize("key", ["s3cret", "schlüssel-東京", "a b", "x" * 500])
def test_a_key_is_asked_for_everywhere_but_at_health(saved, row, key):
    client = saved("pipeline xgb").client(api_key=key)
    right = {"X-API-Key": key.encode()}
    wrong = [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": key.encode() + b"x"},
        {"X-API-Key": key.encode()[:-1]},
        {"X-API-Key": "ключ".encode()},
        {"X-API-Key": b"\xff\xfe"},
        {"Authorization": "Bearer s3cret"},
        [("X-API-Key", key.encode()), ("X-API-Key", b"other")],
    ]
    assert client.get("/health").status_code == 200
    assert client.post("/predict", json=row, headers=right).status_code == 200
    for headers in wrong:
        answer = client.post("/predict", json=row, headers=headers)
        assert told(answer, 401)[0]["field"] == "X-API-Key"
        assert key not in answer.text
        for path in ("/metrics", "/openapi.json", "/nowhere"):
            told(client.get(path, headers=headers), 401)
    assert client.get("/openapi.json", headers=right).json()["components"]["securitySchemes"]
    assert 'status="401"' in client.get("/metrics", headers=right).text


@pytest.mark.parametrize("key", ["", " key", "key\n", "a\x00b"])
def test_a_key_that_no_header_holds_is_refused(saved, key):
    with pytest.raises(ValueError, match="the API key is empty"):
        saved("pipeline xgb").app(api_key=key)


@pytest.mark.parametrize(
    "options",
    [
        {"max_rows": 0},
        {"max_rows": True},
        {"max_body_bytes": -1},
        {"max_batch_rows": 1.5},
        {"max_waiting_rows": 9_999},
        {"max_batch_wait": -1.0},
        {"body_timeout": float("inf")},
        {"sha256": "0" * 64},
    ],
)
def test_options_that_cannot_be_meant(saved, options):
    with pytest.raises(ValueError, match=next(iter(options)) + "|another model"):
        saved("pipeline xgb").app(**options)


NAMES = ["x [usd]", "class", "model_config", "city", "code", "shop", "when", "c0", ""]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["Rome", "7", "2024-05-01", "shop 1", "9999-12-31T23:59:59.999999999Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.dictionaries(st.sampled_from(NAMES) | st.text(), VALUES, max_size=9)
WHOLE = st.fixed_dictionaries({name: VALUES for name in NAMES[:7]})
BODIES = VALUES | ROWS | WHOLE | st.lists(ROWS | WHOLE | VALUES, max_size=4)


@settings(suppress_health_check=list(HealthCheck))
@given(body=BODIES)
def test_no_json_is_answered_by_a_fault(client, body):
    answer = sent(client, json.dumps(body))
    assert answer.status_code in (200, 413, 422), answer.text
    if answer.status_code == 200:
        n_rows = len(body) if isinstance(body, list) else 1
        assert len(answer.json()["predictions"]) == n_rows
    else:
        told(answer, answer.status_code)


@settings(suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=60))
def test_no_bytes_are_answered_by_a_fault(client, body):
    assert sent(client, body).status_code in (400, 422)


def test_a_client_that_leaves_disturbs_nobody(saved, row):
    client = saved("pipeline xgb").client()

    async def some_leave():
        async with client() as session:
            asked = [asyncio.ensure_future(session.post("/predict", json=row)) for _ in range(40)]
            await asyncio.sleep(0.001)
            for one in asked[::2]:
                one.cancel()
            return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(some_leave())
    assert {a.status_code for a in answers if isinstance(a, httpx.Response)} == {200}
    assert client.post("/predict", json=row).status_code == 200
