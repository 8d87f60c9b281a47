"""``load``: the model in a folder that `save` wrote."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from focaltab._errors import first_line
from focaltab._optional import require
from focaltab._saving import reading_parts
from focaltab.persistence import _checksums, _manifest
from focaltab.persistence._facts import installed_version
from focaltab.persistence._manifest import Manifest
from focaltab.persistence._save import SKELETON
from focaltab.persistence._trusted import TRUSTED

# Libraries whose fitted objects are theirs to change between versions.
_OWN_LAYOUT = ("scikit-learn",)


def load(path: str | Path, *, trusted: Sequence[str] = (), sha256: str | None = None) -> Any:
    """Read a folder that `save` wrote.

    Nothing in the folder can run code: types are made only if they are known to focaltab, and
    every file must have the digest that stands in ``SHA256SUMS``. That finds damage, not forgery:
    whoever can write the folder can also write its digests, and a crafted booster file is read by
    XGBoost's or LightGBM's own parser. Hold a model from elsewhere to the digest that `save`
    returned, by `sha256`.

    Parameters
    ----------
    path : path
    trusted : sequence of str, default=()
        Full names of further types that may be made, as given to `save`.
    sha256 : str, default=None
        The digest that `save` returned; any other model is refused.

    Returns
    -------
    estimator
        With the probabilities that it had, to the last digit.

    Raises
    ------
    ValueError
        If the folder is none of a model, was changed or damaged, is of a later format, or holds
        types that are not trusted.
    ImportError
        If the model needs a library that is not installed.

    Warns
    -----
    UserWarning
        If the model was saved with another version of scikit-learn, which promises nothing then.
    """
    return opened(path, trusted=trusted, sha256=sha256).model


@dataclass(frozen=True)
class Opened:
    """A saved model with its facts and its digest, from one reading of the folder."""

    model: Any
    manifest: Manifest
    digest: str


def opened(path: str | Path, *, trusted: Sequence[str] = (), sha256: str | None = None) -> Opened:
    """As `load`, for those who need to know what they were given."""
    # Not at the top: skops looks through all of scikit-learn when it is imported.
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    folder = Path(path)
    parts, digest = _checksums.read_checked(folder, sha256)
    manifest = _manifest_in(folder, parts)
    _warn_of_versions(folder, manifest)
    if "torch" in manifest.versions:
        require("torch", str(folder), extra="torch")
    if SKELETON not in parts:
        raise ValueError(f"{folder} is no saved model: it lacks {SKELETON}.")
    try:
        with reading_parts(parts):
            model = skops.io.loads(parts[SKELETON], trusted=sorted({*TRUSTED, *trusted}))
    except UntrustedTypesFoundException as error:
        raise ValueError(
            f"{folder} holds types that are not trusted: {first_line(error)} If you know them, "
            "pass their full names in trusted=[...]."
        ) from None
    except ModuleNotFoundError as error:
        raise ImportError(f"{folder} needs {error.name}, which is not installed.") from error
    except MemoryError:
        raise
    except Exception as error:
        # Each library raises types of its own; whichever it is, the file and the versions that are
        # installed do not fit.
        raise ValueError(
            f"{folder} cannot be read: {first_line(error)} It was saved by focaltab "
            f"{manifest.focaltab} with {_named(manifest.versions)}."
        ) from error
    return Opened(model, manifest, digest)


def read_manifest(path: str | Path) -> Manifest:
    """The facts of a saved model, without making it.

    Parameters
    ----------
    path : path

    Returns
    -------
    Manifest

    Raises
    ------
    ValueError
        As `load`.
    """
    folder = Path(path)
    return _manifest_in(folder, _checksums.read_checked(folder)[0])


def _manifest_in(folder: Path, parts: dict[str, bytes]) -> Manifest:
    if _manifest.NAME not in parts:
        raise ValueError(f"{folder} is no saved model: it lacks {_manifest.NAME}.")
    try:
        return Manifest.from_json(parts[_manifest.NAME])
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def _warn_of_versions(folder: Path, manifest: Manifest) -> None:
    for name in _OWN_LAYOUT:
        then, now = manifest.versions.get(name, ""), installed_version(name)
        if then and then.split(".")[:2] != now.split(".")[:2]:
            warnings.warn(
                f"{folder} was saved with {name} {then}, and {now} is installed: predictions may "
                "differ. Check them, or install the version it was saved with.",
                UserWarning,
                stacklevel=4,
            )


def _named(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
