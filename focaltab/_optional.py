"""Parts of focaltab that need more than its core dependencies say so, and how to install them."""

from importlib.util import find_spec


def require_torch(what: str) -> None:
    """Raise an ImportError that names the extra to install where torch is absent."""
    if find_spec("torch") is None:
        raise ImportError(f'{what} needs torch: pip install "focaltab[torch]"')
