"""A saved model over HTTP: rows in as JSON, probabilities out."""

from focaltab.serving._app import create_app

__all__ = ["create_app"]
