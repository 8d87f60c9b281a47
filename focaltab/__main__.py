"""``python -m focaltab``."""

from focaltab.cli import app

if __name__ == "__main__":
    app()
