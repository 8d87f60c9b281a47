"""Where commands print, and how they say what the user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from focaltab._errors import first_line

out = Console()
err = Console(stderr=True)


@contextmanager
def door_errors() -> Iterator[None]:
    """Show what the user can mend as one line, with exit code 2."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        # Libraries append stack traces of their own; their first line says what is wrong.
        message = first_line(error)
        err.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
