"""The notebooks of the gallery are what their sources make; `make examples` runs them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("nbformat")

import nbformat

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

spec = importlib.util.spec_from_file_location("gallery_build", EXAMPLES / "build.py")
assert spec is not None and spec.loader is not None
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

NAMES = build.gallery()
# Folders, dates with a time, durations and addresses in memory differ from run to run.
DIFFERS = re.compile(
    r"/(tmp|home|root|usr)/|\b20\d\d-\d\d-\d\dT\d\d|\b\d+(\.\d+)? ?(s|ms|it/s)\b|0x[0-9a-f]{6}"
)


def committed(name):
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def test_every_source_has_its_notebook_and_the_other_way_round():
    assert len(NAMES) >= 8
    assert sorted(path.stem for path in EXAMPLES.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_source_and_notebook_agree(name):
    made, kept = build.from_source(name), committed(name)
    assert [(c.cell_type, c.source) for c in kept.cells] == [
        (c.cell_type, c.source) for c in made.cells
    ]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_one_clean_run_from_the_top(name):
    notebook = committed(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    for output in outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not DIFFERS.search(text), text
    assert not any("execution" in cell.metadata for cell in notebook.cells)


@pytest.mark.parametrize("name", NAMES)
def test_its_picture_is_in_the_documentation_and_it_is_named_in_both_galleries(name):
    picture = ROOT / "docs" / "img" / "examples" / f"{name}.png"
    assert picture.read_bytes() == build.picture(committed(name))
    assert picture.stat().st_size < 400_000
    assert f"{name}.ipynb" in (EXAMPLES / "README.md").read_text("utf-8")
    page = (ROOT / "docs" / "examples.md").read_text("utf-8")
    assert f"examples/{name}.ipynb" in page
    assert f"img/examples/{name}.png" in page
