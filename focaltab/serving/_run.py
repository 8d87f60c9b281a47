"""The web server around the application."""

from __future__ import annotations

import gc
import ipaddress
import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from focaltab._compat.others import serve_by_workers
from focaltab.serving._app import create_app

# How workers are told what to serve: each is a process that makes its own application.
_OPTIONS = "FOCALTAB_SERVE"


@dataclass(frozen=True)
class Options:
    """What to serve; the key itself stays in the environment."""

    path: str
    api_key_env: str | None
    max_rows: int
    max_body_bytes: int

    def app(self) -> FastAPI:
        """Make the application.

        Raises
        ------
        ValueError, ImportError
            As `create_app`; also where the environment has no key.
        """
        return create_app(
            self.path,
            api_key=_key(self.api_key_env),
            max_rows=self.max_rows,
            max_body_bytes=self.max_body_bytes,
            max_waiting_rows=max(100_000, self.max_rows),
        )


def app_of_environment() -> FastAPI:
    """The application of a worker process."""
    app = Options(**json.loads(os.environ[_OPTIONS])).app()
    _settle()
    return app


def listening(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 takes any that is free.

    Raises
    ------
    ValueError
        Says why it cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # With its protocol named asyncio sends small answers at once, which else wait 40 ms for an
        # acknowledgement.
        opened = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError, OverflowError) as error:
        raise ValueError(f"cannot listen at {host}, port {port}: {error}.") from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except (OSError, OverflowError) as error:
        opened.close()
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot listen at {host}, port {port}: {why}.") from None
    opened.set_inheritable(True)
    return opened


def is_loopback(opened: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(opened.getsockname()[0].partition("%")[0]).is_loopback


def run(options: Options, app: FastAPI, opened: socket.socket, workers: int) -> None:
    """Serve until a signal ends it; requests that have begun are answered first."""
    shared: dict[str, Any] = {
        # Paths and queries are the callers'; what there is to know stands in /metrics.
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "lifespan": "on",
        "timeout_graceful_shutdown": 60,
    }
    _settle()
    if workers == 1:
        uvicorn.Server(uvicorn.Config(app, **shared)).run(sockets=[opened])
        return
    os.environ[_OPTIONS] = json.dumps(asdict(options))
    serve_by_workers(f"{__name__}:app_of_environment", workers, opened, shared)


def _settle() -> None:
    """Take what is there for good out of the garbage collector's sight.

    It would else look through all libraries and the model again and again, for a tenth of a second
    in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    if name not in os.environ:
        raise ValueError(f"the environment has no variable {name} with an API key.")
    return os.environ[name]
