"""The command line."""

from focaltab.cli._detect import detect_app
from focaltab.cli._tables import app

app.add_typer(detect_app, name="detect")

__all__ = ["app"]
