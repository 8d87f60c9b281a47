"""Around every request: who may ask, and what it took."""

from __future__ import annotations

import hmac
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from focaltab.serving._prometheus_metrics import Watch
from focaltab.serving._refusal import Refusal

_HEADER = b"x-api-key"
# What anybody may ask, so that whoever runs the server needs no key to see that it lives.
_OPEN = ("/health",)
# Others become one label: paths are the caller's to choose.
_ENDPOINTS = ("/predict", "/health", "/metrics", "/openapi.json")


class Door:
    """ASGI middleware: asks for the key, where there is one, and counts requests.

    Parameters
    ----------
    app : ASGI application
    watch : Watch
    api_key : str or None
    """

    def __init__(self, app: ASGIApp, *, watch: Watch, api_key: str | None) -> None:
        self._app = app
        self._watch = watch
        self._key = None if api_key is None else api_key.encode("utf-8")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        endpoint = path if path in _ENDPOINTS else "other"
        start = time.perf_counter()
        status = "none"  # where the caller goes before an answer begins

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            if path in _OPEN or self._may(scope):
                await self._app(scope, receive, counted)
            else:
                refusal = Refusal.of(401, "The key is missing or wrong.", field="X-API-Key")
                await refusal.response()(scope, receive, counted)
        finally:
            self._watch.requests.labels(endpoint, status).inc()
            self._watch.seconds.labels(endpoint).observe(time.perf_counter() - start)

    def _may(self, scope: dict[str, Any] | Scope) -> bool:
        if self._key is None:
            return True
        given = [value for name, value in scope["headers"] if name == _HEADER]
        # Bytes are compared: a key need not be ASCII, and time tells nothing of it.
        return len(given) == 1 and hmac.compare_digest(given[0], self._key)
