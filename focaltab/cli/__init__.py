"""The command line."""

from focaltab.cli._compare import compare
from focaltab.cli._detect import detect_app
from focaltab.cli._export import export
from focaltab.cli._monitor import monitor
from focaltab.cli._serve import serve
from focaltab.cli._tables import app

app.command("compare")(compare)
app.command("monitor")(monitor)
app.command("export")(export)
app.command("serve")(serve)
app.add_typer(detect_app, name="detect")

__all__ = ["app"]
