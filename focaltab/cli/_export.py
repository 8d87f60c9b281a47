"""``focaltab export``: a saved model as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from focaltab.cli._console import door_errors, out


def export(
    model_dir: Annotated[Path, typer.Argument(help="Folder of train, or of focaltab.save.")],
    out_file: Annotated[Path, typer.Option("--out", help="ONNX file; must not exist.")],
) -> None:
    """Write a saved model with its preprocessing as one ONNX file: scoring then needs no Python."""
    with door_errors():
        from focaltab import load
        from focaltab._new_file import check_new
        from focaltab.export import to_onnx

        check_new(out_file)
        model = load(model_dir)
        built = to_onnx(model, out_file)
        names = [entry.name for entry in built.graph.input]
        some = ", ".join([*names[:5], *(["..."] if len(names) > 5 else [])])
        classes = ", ".join(map(str, model.classes_))
        out.print(
            f"Written to {escape(str(out_file))}: {len(names)} inputs ({escape(some)}); "
            f"probabilities of {escape(classes)}, and labels.",
            soft_wrap=True,
        )
