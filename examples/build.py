"""Make the notebooks of the gallery, with outputs, from their sources in py:percent format.

    python examples/build.py                    # all of them
    python examples/build.py fraud_detection    # one

A source is a script with ``# %%`` cells. It runs in this Python's own kernel; what differs from one
run to the next (times, cell names, versions) is left out, so that the same libraries make the same
file. The picture of the cell that is tagged "figure" also goes to docs/img/examples.
"""

from __future__ import annotations

import argparse
import base64
import os
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "docs" / "img" / "examples"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def gallery() -> list[str]:
    """Names of the notebooks' sources; other scripts have no cells."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\n# %%\n" in path.read_text("utf-8"))


def from_source(name: str) -> NotebookNode:
    """The notebook without outputs, the same each time."""
    notebook = jupytext.read(HERE / f"{name}.py")
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def execute(notebook: NotebookNode) -> None:
    """Run all cells and keep of their outputs what readers see.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    RuntimeError
        If a cell writes to stderr: a warning has no place in the gallery.
    """
    options = {"kernel_name": "python3", "timeout": 300, "record_timing": False}
    resources = {"metadata": {"path": str(HERE)}}
    # Text that is printed in two goes may arrive in one or two parts.
    NotebookClient(notebook, resources=resources, coalesce_streams=True, **options).execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise RuntimeError(f"Cell {cell.id} writes to stderr:\n{output.text}")


def picture(notebook: NotebookNode) -> bytes:
    """The last picture of the cell that is tagged "figure".

    Raises
    ------
    LookupError
        If there is none.
    """
    for cell in notebook.cells:
        if "figure" in cell.metadata.get("tags", []):
            for output in reversed(cell.outputs):
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"])
    raise LookupError('No cell tagged "figure" has a picture.')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all without one")
    names = parser.parse_args().names
    if unknown := set(names) - set(gallery()):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(gallery())}")
    # Sums over threads may differ in the last digit.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in names or gallery():
        start = time.perf_counter()
        notebook = from_source(name)
        execute(notebook)
        (PICTURES / f"{name}.png").write_bytes(picture(notebook))
        nbformat.validate(notebook)
        nbformat.write(notebook, HERE / f"{name}.ipynb")
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
