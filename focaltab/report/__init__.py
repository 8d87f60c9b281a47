"""One self-contained HTML page about a trained model."""

from focaltab.report._page import write_report

__all__ = ["write_report"]
