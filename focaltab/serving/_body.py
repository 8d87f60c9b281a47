"""A request's body, no larger and no later than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from focaltab.serving._batches import overloaded
from focaltab.serving._refusal import Refusal


class Bodies:
    """Reads bodies in memory that all of them share.

    Parameters
    ----------
    max_bytes : int
        Of one body.
    max_bytes_at_once : int
        Of all bodies that are being read or answered.
    timeout : float
        Seconds for a body to come in.
    """

    def __init__(self, max_bytes: int, max_bytes_at_once: int, timeout: float) -> None:
        self._max_bytes = max_bytes
        self._max_at_once = max(max_bytes_at_once, max_bytes)
        self._timeout = timeout
        self._n_held = 0

    @asynccontextmanager
    async def held(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body, and count its bytes until the request is answered.

        Raises
        ------
        Refusal
            413 as soon as it is known to be too large, whatever its headers say; 408 where it comes
            too slowly; 415 for another type than JSON; 503 where too many are held.
        """
        _check_type(request)
        told = request.headers.get("content-length", "")
        if told.isascii() and told.isdigit() and int(told[:20]) > self._max_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        try:
            await self._read(request, parts)
            # Nothing that is raised while the request is answered is a fault of its body.
            yield b"".join(parts)
        finally:
            self._n_held -= sum(map(len, parts))

    async def _read(self, request: Request, parts: list[bytes]) -> None:
        """Append the parts of a body as they come in, each counted as held."""
        size = 0
        try:
            async with asyncio.timeout(self._timeout):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    self._n_held += len(part)
                    if size > self._max_bytes:
                        raise self._too_large()
                    if self._n_held > self._max_at_once:
                        raise overloaded("bodies fill the memory that they may")
        except TimeoutError:
            raise Refusal.of(408, f"The body took longer than {self._timeout:g} s.") from None
        except ClientDisconnect:
            # Nobody reads it; it ends the request without a trace in the log.
            raise Refusal.of(400, "The body ended early.") from None

    def _too_large(self) -> Refusal:
        return Refusal.of(413, f"The body is larger than {self._max_bytes:,} bytes.")


def _check_type(request: Request) -> None:
    """Take JSON alone: what a browser sends to others unasked is of another type."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise Refusal.of(415, "Send application/json.", field="Content-Type")
