"""Models as folders of plain files: saved without pickle, checked before they are read."""

from focaltab.persistence._load import load, read_manifest
from focaltab.persistence._manifest import Manifest
from focaltab.persistence._save import save

__all__ = ["Manifest", "load", "read_manifest", "save"]
