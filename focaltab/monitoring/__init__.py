"""What the rows of a model looked like, and how new rows differ from them."""

from focaltab.monitoring._compare import compare_rows
from focaltab.monitoring._drift import DriftReport
from focaltab.monitoring._reference import Reference
from focaltab.monitoring._summary import ColumnSummary

__all__ = ["ColumnSummary", "DriftReport", "Reference", "compare_rows"]
