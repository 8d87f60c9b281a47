"""Nothing but `focaltab._compat` touches what other libraries keep to themselves."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import FunctionType

import pytest
from sklearn.base import BaseEstimator

import focaltab
from focaltab import _compat
from focaltab._compat import lightgbm, xgboost

ROOT = Path(focaltab.__file__).parent
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
OURS = {path: tree for path, tree in TREES.items() if path.parent.name != "_compat"}
THEIRS = {path: tree for path, tree in TREES.items() if path.parent.name == "_compat"}
OVERRIDDEN = {*lightgbm.OVERRIDDEN, *xgboost.OVERRIDDEN}

# Names that Python's documentation gives to everybody.
PUBLIC = {"_asdict", "_fields", "_make", "_replace"}
# Another library's name that is also one of ours, by the files where it is ours.
OURS_TOO = {
    "_classes": {"ensemble/_estimator.py", "export/_classifiers.py"},
}


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name != "_"


def owned():
    """Names that focaltab defines, sets on its own objects, or keys its own dicts by."""
    names = set()
    for tree in OURS.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                    names.add(node.attr)
            elif isinstance(node, ast.Dict):
                names.update(key.value for key in node.keys if is_text(key))
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                names.update({node.slice.value} if is_text(node.slice) else ())
    return names


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def declared():
    """Private names of other libraries, as `focaltab._compat` uses them."""
    names = set(OVERRIDDEN)
    for tree in THEIRS.values():
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                names.update(one.name for one in node.names)
            elif is_text(node) and node.value.isidentifier():
                names.add(node.value)
        names -= own
    return {name for name in names if is_private(name)}


def imports(node):
    """Modules and names that a statement imports, of libraries other than focaltab."""
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level or module.split(".")[0] in ("focaltab", "__future__"):
            return
        yield from (f"{module}.{one.name}" for one in node.names)
    elif isinstance(node, ast.Import):
        yield from (one.name for one in node.names if one.name.split(".")[0] != "focaltab")


DECLARED, OWNED = declared(), owned()


def faults(tree, file):
    """What in a module belongs into `focaltab._compat`, with its line."""
    for node in ast.walk(tree):
        for name in imports(node):
            if any(map(is_private, name.split("."))):
                yield f"{file}:{node.lineno} imports {name}"
        named = None
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            named = node.attr
            # A method that overrides another, called or calling the one below it.
            if named in OVERRIDDEN and ast.unparse(node.value) == "super()":
                continue
        elif is_text(node) and is_private(node.value):
            named = node.value if node.value in DECLARED else None
        if named is None or named in PUBLIC or file in OURS_TOO.get(named, ()):
            continue
        if named in DECLARED or named not in OWNED:
            yield f"{file}:{node.lineno} touches {named}"


def test_nothing_else_touches_private_names():
    found = [
        fault
        for path, tree in OURS.items()
        for fault in faults(tree, path.relative_to(ROOT).as_posix())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "from sklearn.utils.validation import _num_samples",
        "from sklearn.utils._bunch import Bunch",
        "import sklearn.metrics._scorer",
        "options = scorer._kwargs",
        "model._never_heard_of",
        "self._other_params",
        "getattr(scorer, '_score_func', None)",
        "state['_Booster']",
        "model._process_params('fit')",
    ],
)
def test_the_rule_finds(line):
    assert list(faults(ast.parse(line), "some/file.py"))


@pytest.mark.parametrize(
    "line",
    [
        "from __future__ import annotations",
        "from focaltab._errors import first_line",
        "from concurrent.futures import wait as _wait",
        "super()._process_params(stage)",
        "row._asdict()",
        "self._label_order",
        "value.__class__",
        "for _ in rows: pass",
    ],
)
def test_the_rule_leaves_alone(line):
    assert not list(faults(ast.parse(line), "some/file.py"))


def test_every_exception_is_needed():
    for name, files in OURS_TOO.items():
        assert name in DECLARED
        for file in files:
            attributes = {
                n.attr for n in ast.walk(OURS[ROOT / file]) if isinstance(n, ast.Attribute)
            }
            assert name in attributes, file


def classes():
    for info in pkgutil.walk_packages(focaltab.__path__, "focaltab."):
        if info.name == "focaltab.__main__":
            continue
        try:
            module = importlib.import_module(info.name)
        except ImportError:  # of an optional library
            continue
        for thing in vars(module).values():
            # Enumerations are told apart by private methods of their own.
            own = isinstance(thing, type) and thing.__module__ == info.name
            if own and not issubclass(thing, Enum):
                yield thing


def test_methods_of_other_libraries_are_overridden_by_intent():
    """A new version may come with a method of a name that a class of ours has used for its own."""
    found, kinds = set(), 0
    for kind in set(classes()):
        kinds += issubclass(kind, BaseEstimator)
        own = [base for base in kind.__mro__ if base.__module__.startswith("focaltab")]
        others = [base for base in kind.__mro__[:-1] if base not in own]
        found |= private_methods(own) & private_methods(others)
    assert kinds > 20
    assert found == OVERRIDDEN


def private_methods(kinds):
    methods = (FunctionType, property, classmethod, staticmethod)
    members = [(name, one) for kind in kinds for name, one in vars(kind).items()]
    return {name for name, one in members if is_private(name) and isinstance(one, methods)}


def test_importing_focaltab_and_this_package_stays_cheap():
    modules = [f"focaltab._compat.{info.name}" for info in pkgutil.iter_modules(_compat.__path__)]
    cheap = [name for name in modules if name.rpartition(".")[2] not in ("sklearn", "skops")]
    heavy = ("lightgbm", "xgboost", "torch", "sklearn", "dask", "distributed", "skops", "uvicorn")
    for names, absent in ((["focaltab", "focaltab._compat"], (*heavy, "pandas")), (cheap, heavy)):
        code = f"import sys, {', '.join(names)}; print([m for m in {absent} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stderr
    boosters = ("lightgbm", "xgboost", "torch", "dask", "skops")
    code = f"import sys, {', '.join(modules)}; print([m for m in {boosters} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_function_says_what_it_gives_and_what_breaks():
    for path, tree in THEIRS.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                said = ast.get_docstring(node) or ""
                assert len(said.split("\n\n")) >= 2, f"{path.name}: {node.name}"
