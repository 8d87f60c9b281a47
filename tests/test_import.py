import subprocess
import sys

import pytest


def test_import_loads_no_framework():
    code = (
        "import sys, focaltab; "
        "print([m for m in ('torch', 'xgboost', 'lightgbm', 'matplotlib', 'dask') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "other"), [("FocalLGBMClassifier", "xgboost"), ("FocalXGBClassifier", "lightgbm")]
)
def test_one_booster_loads_no_other(name, other):
    code = f"import sys; from focaltab import {name}; print({other!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_is_there():
    import focaltab

    for name in focaltab.__all__:
        assert getattr(focaltab, name).__name__ == name


def test_names_can_be_completed_before_they_are_used():
    code = "import focaltab; print('FocalXGBClassifier' in dir(focaltab))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.mark.slow
def test_a_star_import_without_torch():
    code = (
        "import importlib.util as u; found = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'torch' else found(name, *a); "
        "from focaltab import *; from focaltab.losses import *; "
        "print(FocalXGBClassifier.__name__, FocalLoss.__name__, 'FocalMLPClassifier' in globals())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["FocalXGBClassifier", "FocalLoss", "False"]
