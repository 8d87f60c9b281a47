"""The command line in this process, which has loaded its libraries already."""

from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner

from focaltab.cli import app


def invoke(*arguments, cwd=".", **environment):
    """Run a command as a user would in a folder; what it raises beside its exit is a fault."""
    with chdir(Path(cwd)):
        done = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done
