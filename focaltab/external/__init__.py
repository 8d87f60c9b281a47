"""Tables that are larger than memory, read from Parquet files batch by batch."""

from focaltab.external._table import ParquetTable

__all__ = ["ParquetTable"]
