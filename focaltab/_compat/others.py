"""Libraries of which a single use is not promised: torch and uvicorn."""

from __future__ import annotations

import socket
from inspect import signature
from typing import Any

_SECONDS_TO_START = 60


def uncompiled(module: Any) -> Any:
    """What ``torch.compile`` made a module from; any other module itself.

    By ``_orig_mod``. Without it a compiled detector cannot be exported.
    """
    return getattr(module, "_orig_mod", module)


def serve_by_workers(
    factory: str, workers: int, opened: socket.socket, options: dict[str, Any]
) -> None:
    """Serve on an open socket by several processes until a signal ends them.

    By uvicorn's ``Multiprocess``, since ``uvicorn.run`` would open a socket of its own. Earlier
    versions of it ask for what a worker runs, and later ones for a worker that they do not take for
    dead while it loads its libraries on a busy machine (after 5 s). Were it to ask for something
    else, serving by more than one worker would fail at once.

    Parameters
    ----------
    factory : str
        Module and name of the function that makes the application in each process.
    workers : int
    opened : socket
    options : dict
        Of ``uvicorn.Config``.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    if "timeout_worker_healthcheck" in signature(uvicorn.Config).parameters:
        options = {**options, "timeout_worker_healthcheck": _SECONDS_TO_START}
    config = uvicorn.Config(factory, factory=True, workers=workers, **options)
    asked = "target" in signature(Multiprocess).parameters
    target: dict[str, Any] = {"target": uvicorn.Server(config).run} if asked else {}
    Multiprocess(config, sockets=[opened], **target).run()
