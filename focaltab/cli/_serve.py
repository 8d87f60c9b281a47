"""``focaltab serve``: a saved model over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from focaltab._optional import require
from focaltab.cli._console import door_errors, err, out


def serve(
    model_dir: Annotated[Path, typer.Argument(help="Folder that train or focaltab.save wrote.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one.")] = 8000,
    api_key_env: Annotated[
        str | None,
        typer.Option(help="Environment variable with the key that callers send as X-API-Key."),
    ] = None,
    max_rows: Annotated[int, typer.Option(help="Most rows of a request.")] = 10_000,
    max_body_mb: Annotated[float, typer.Option(help="Most megabytes of a request.")] = 10.0,
    workers: Annotated[
        int, typer.Option(help="Processes, each with its own model and its own figures.")
    ] = 1,
) -> None:
    """Score rows that come as JSON: POST /predict; GET /health, /metrics and /openapi.json."""
    with door_errors():
        for package in ("fastapi", "uvicorn", "prometheus_client"):
            require(package, "focaltab serve", extra="serve")
        from focaltab.serving._run import Options, is_loopback, listening, run

        if workers < 1:
            raise ValueError(f"--workers must be at least 1, got {workers}.")
        if not 0 <= port <= 65_535:
            raise ValueError(f"--port must be from 0 to 65535, got {port}.")
        if not 0.000_001 <= max_body_mb < 1_000_000:
            raise ValueError(f"--max-body-mb must be positive, got {max_body_mb}.")
        options = Options(str(model_dir), api_key_env, max_rows, int(max_body_mb * 1e6))
        # Made here also for workers of their own: what is wrong shows at once, and once.
        app = options.app()
        opened = listening(host, port)
        if api_key_env is None and not is_loopback(opened):
            err.print(
                f"[yellow]Warning:[/] anybody who reaches {escape(host)} can ask this model: name "
                "an environment variable with a key in --api-key-env.",
                soft_wrap=True,
            )
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{opened.getsockname()[1]}"
        out.print(f"Serving {escape(str(model_dir))} at {escape(address)}", soft_wrap=True)
        run(options, app, opened, workers)
