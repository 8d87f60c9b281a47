"""A saved model over HTTP: rows in as JSON, probabilities out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focaltab.serving._app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from focaltab._optional import require

    for package in ("fastapi", "uvicorn", "prometheus_client"):
        require(package, "focaltab.serving", extra="serve")
    from focaltab.serving._app import create_app

    return create_app
