"""Parts of focaltab that need more than its core dependencies say so, and how to install them."""

from importlib.util import find_spec


def require(package: str, what: str, *, extra: str) -> None:
    """Raise an ImportError that names the extra to install where `package` is absent."""
    if find_spec(package) is None:
        raise ImportError(f'{what} needs {package}: pip install "focaltab[{extra}]"')
