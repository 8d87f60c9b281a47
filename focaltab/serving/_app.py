"""``create_app``: the endpoints of a saved model."""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from focaltab import __version__
from focaltab.persistence import Manifest
from focaltab.persistence._load import opened
from focaltab.serving._answer import Health, answer_type, answered
from focaltab.serving._auth import Door
from focaltab.serving._batches import Batches
from focaltab.serving._body import Bodies
from focaltab.serving._json import parsed
from focaltab.serving._prometheus_metrics import Watch
from focaltab.serving._refusal import Errors, Refusal, Told, shown
from focaltab.serving._rows import RowReader, Rows
from focaltab.serving._scorer import Scorer

_LOG = logging.getLogger("focaltab.serving")
# Reading a longer body, and writing as long an answer, would hold up the event loop.
_LONG_BODY = 20_000
_MANY_ROWS = 100
# Shapley values take a thousand times as long as scores.
_MOST_EXPLAINED = 100
_MOST_REASONS = 20
_REFUSALS = {
    400: "No JSON, or reasons asked of a model that can give none.",
    401: "The key is missing or wrong.",
    408: "The body came too slowly.",
    413: "Too many bytes or rows.",
    415: "Another type than JSON.",
    422: "Rows that the model cannot take; says which and why.",
    503: "Overloaded: more rows are waiting than the server was told to hold.",
}


def create_app(
    path: str | Path,
    *,
    api_key: str | None = None,
    max_rows: int = 10_000,
    max_body_bytes: int = 10_000_000,
    max_batch_rows: int = 1024,
    max_batch_wait: float = 0.002,
    max_waiting_rows: int = 100_000,
    body_timeout: float = 30.0,
    trusted: Sequence[str] = (),
    sha256: str | None = None,
) -> FastAPI:
    """Make the web application of a saved model.

    ``POST /predict`` scores rows, ``GET /health`` says which model is served, ``GET /metrics`` has
    the figures for Prometheus, and ``GET /openapi.json`` describes it all.

    Parameters
    ----------
    path : path
        Folder that `focaltab.save` or ``focaltab train`` wrote.
    api_key : str, default=None
        What callers must send as ``X-API-Key``, but for ``/health``. None asks for none.
    max_rows : int, default=10_000
        Of one request.
    max_body_bytes : int, default=10_000_000
        Of one request. Twenty times as many are held for all of them together.
    max_batch_rows : int, default=1024
        Rows of several requests that are scored in one call of the model.
    max_batch_wait : float, default=0.002
        Seconds that a batch waits for requests that are coming in.
    max_waiting_rows : int, default=100_000
        Rows that may wait for the model. Beyond, and where bodies fill their memory, requests are
        refused with 503.
    body_timeout : float, default=30.0
        Seconds that a request's body may take to come in.
    trusted, sha256
        As in `focaltab.load`.

    Returns
    -------
    fastapi.FastAPI

    Raises
    ------
    ValueError
        For a folder that holds no model, or a model of which it is not known what it takes; limits
        below 1; an empty key.
    ImportError
        If the model needs a library that is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, pandas as pd
    >>> from fastapi.testclient import TestClient
    >>> import focaltab
    >>> from focaltab.serving import create_app
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"amount": rng.gamma(1.0, 80.0, 2000)})
    >>> y = rng.random(2000) < X["amount"] / 2000
    >>> model = focaltab.FocalXGBClassifier(n_estimators=10, max_depth=2).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     _ = focaltab.save(model, f"{folder}/model", X=X, y=y)
    ...     app = create_app(f"{folder}/model")
    >>> answer = TestClient(app).post("/predict", json={"amount": 900.0}).json()
    >>> own = model.predict_proba(pd.DataFrame({"amount": [900.0]}))
    >>> answer["predictions"][0]["probability"] == float(own[0, 1])
    True
    """
    limits = {
        "max_rows": max_rows,
        "max_body_bytes": max_body_bytes,
        "max_batch_rows": max_batch_rows,
        "max_waiting_rows": max_waiting_rows,
    }
    for name, limit in limits.items():
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {limit!r}.")
    if max_waiting_rows < max_rows:
        raise ValueError(
            f"max_waiting_rows ({max_waiting_rows:,}) must be at least max_rows ({max_rows:,}): "
            "such a request would always be refused."
        )
    for name, seconds in (("max_batch_wait", max_batch_wait), ("body_timeout", body_timeout)):
        if not 0.0 <= seconds < math.inf:
            raise ValueError(f"{name} must be a number of seconds, got {seconds!r}.")
    _check_key(api_key)
    scorer, manifest, own_digest = _loaded(Path(path), trusted, sha256)
    served = _Served(
        scorer,
        manifest,
        own_digest,
        RowReader(scorer.columns, max_rows),
        Bodies(max_body_bytes, 20 * max_body_bytes, body_timeout),
    )
    served.batches = Batches(
        scorer,
        max_rows=max_batch_rows,
        max_wait=max_batch_wait,
        max_waiting_rows=max_waiting_rows,
        watch=lambda n_rows: served.watch.batches.observe(n_rows),
    )
    return _app(served, api_key)


class _Served:
    """A model and all that stands around it."""

    batches: Batches

    def __init__(
        self, scorer: Scorer, manifest: Manifest, own: str, reader: RowReader, bodies: Bodies
    ) -> None:
        self.scorer = scorer
        self.manifest = manifest
        self.digest = own
        self.reader = reader
        self.reader.allows_missing = scorer.allows_missing
        self.bodies = bodies
        self.answer_type = answer_type(scorer)
        prevalence = manifest.prevalence
        if not isinstance(prevalence, float) or not 0.0 < prevalence < 1.0:
            prevalence = None
        self.watch = Watch(
            scorer.columns.names,
            {"model": manifest.model, "digest": own, "focaltab": __version__},
            scorer.reference,
            prevalence,
        )

    async def predict(self, request: Request, n_reasons: int | None) -> Response:
        """Answer a request for probabilities."""
        try:
            return await self._predicted(request, n_reasons)
        except Refusal:
            raise
        except Exception as error:
            # The place, and not the message, which may hold what was sent.
            place = "".join(traceback.format_tb(error.__traceback__))
            _LOG.error("A request failed with %s:\n%s", type(error).__name__, place)
            raise Refusal.of(500, "The server failed: see its log.") from None

    async def _predicted(self, request: Request, n_reasons: int | None) -> Response:
        with self.batches.arriving() as here:
            async with self.bodies.held(request) as body:
                long = len(body) > _LONG_BODY
                rows = await asyncio.to_thread(self._read, body) if long else self._read(body)
                if n_reasons is not None:
                    self._check_reasons(len(rows.values))
                here()
                return await self._scored(rows, n_reasons)

    async def _scored(self, rows: Rows, n_reasons: int | None) -> Response:
        scored = await self.batches.score(rows.values, n_reasons)
        place = self.scorer.positive_place
        probability = scored.scores.probability
        positive = None if place is None else probability[:, place]
        self.watch.rows(rows.values, rows.unseen, positive)
        many = len(rows.values) > _MANY_ROWS
        options = (self.scorer, self.digest, rows, scored)
        content = await asyncio.to_thread(answered, *options) if many else answered(*options)
        return Response(content, media_type="application/json")

    def _read(self, body: bytes) -> Rows:
        return self.reader.read(parsed(body))

    def _check_reasons(self, n_rows: int) -> None:
        if self.scorer.no_reasons is not None:
            raise Refusal.of(400, self.scorer.no_reasons, field="reasons")
        if n_rows > _MOST_EXPLAINED:
            raise Refusal.of(
                413, f"Reasons are given for at most {_MOST_EXPLAINED} rows.", field="reasons"
            )


def _check_key(api_key: str | None) -> None:
    if api_key is None:
        return
    if not api_key.isprintable() or api_key != api_key.strip() or not api_key:
        raise ValueError(
            "the API key is empty, or has blanks around it or characters that no header can hold."
        )


def _loaded(
    folder: Path, trusted: Sequence[str], sha256: str | None
) -> tuple[Scorer, Manifest, str]:
    found = opened(folder, trusted=trusted, sha256=sha256)
    try:
        return Scorer(found.model, found.manifest), found.manifest, found.digest
    except ValueError as error:
        raise ValueError(f"{folder} cannot be served: {error}") from error


def _app(served: _Served, api_key: str | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        # Requests have been answered by then: the server waits for them first.
        served.batches.close()

    app = FastAPI(
        title="focaltab",
        version=__version__,
        description=f"Probabilities by a {served.manifest.model.rpartition('.')[2]}.",
        lifespan=lifespan,
        # These pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Door, watch=served.watch, api_key=api_key)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_endpoint)
    row_schema, body_schema = served.reader.schemas()
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Errors, "description": told}
        for status, told in _REFUSALS.items()
        if status != 401 or api_key is not None
    }
    content = {"application/json": {"schema": body_schema}}

    @app.post(
        "/predict",
        response_model=served.answer_type,
        responses=refusals,
        openapi_extra={"requestBody": {"required": True, "content": content}},
        summary="Score rows",
    )
    async def predict(
        request: Request,
        reasons: Annotated[
            int | None,
            Query(
                ge=1,
                le=_MOST_REASONS,
                description=f"Reasons for each row, of at most {_MOST_EXPLAINED} rows.",
            ),
        ] = None,
    ) -> Response:
        return await served.predict(request, reasons)

    @app.get("/health", summary="Which model is ready")
    async def health() -> Health:
        return Health(
            status="ready",
            model=served.manifest.model,
            digest=served.digest,
            focaltab=__version__,
        )

    figures: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
    }
    figures |= {status: told for status, told in refusals.items() if status == 401}

    @app.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses=figures,
    )
    def metrics() -> Response:  # in a thread: the figures of drift take some milliseconds
        return Response(generate_latest(served.watch.registry), media_type=CONTENT_TYPE_LATEST)

    described = app.openapi()
    described["components"]["schemas"]["Row"] = row_schema
    if api_key is not None:
        key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        described["components"]["securitySchemes"] = {"key": key}
        for name in ("/predict", "/metrics"):
            for operation in described["paths"][name].values():
                operation["security"] = [{"key": []}]
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    """FastAPI's own checks, of parameters, in the one shape."""
    assert isinstance(error, RequestValidationError)
    told = [
        Told(row=None, field=shown(str(one["loc"][-1])), message=str(one["msg"]))
        for one in error.errors()
    ]
    return Refusal(422, told).response()


async def _no_endpoint(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = Refusal.of(error.status_code, str(error.detail)).response()
    answer.headers.update(error.headers or {})
    return answer
