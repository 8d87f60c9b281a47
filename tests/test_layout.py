"""Imports run as docs/design.md says: from folders above in its table, and never in a circle."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "focaltab"


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def imports_of(module):
    """Modules of the package that one imports, at the top or inside of a function."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return {name for name in found if name in MODULES and name != module}


def folder_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else None


def test_folders_import_from_those_above_them_alone():
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    order = re.findall(r"^\| `focaltab/(\w+)/` \|", page, re.MULTILINE)
    assert sorted(order) == sorted({folder_of(m) for m in MODULES} - {None})
    wrong = [
        f"{module} imports {other}"
        for module in sorted(MODULES)
        for other in sorted(imports_of(module))
        if folder_of(module) and folder_of(other)
        if order.index(folder_of(module)) < order.index(folder_of(other))
    ]
    assert wrong == []


def test_no_module_imports_itself_by_way_of_others():
    # Packages gather the names of their own modules, which may import from them in turn.
    graph = {
        module: {other for other in imports_of(module) if MODULES[other].name != "__init__.py"}
        for module, path in MODULES.items()
        if path.name != "__init__.py"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(error.args[1][::-1])) from None
