"""A simulator of card fraud, and loaders of real imbalanced tables."""

from focaltab.datasets._fraud import simulate_fraud
from focaltab.datasets._tables import fetch_creditcard, list_tables, load_table

__all__ = ["fetch_creditcard", "list_tables", "load_table", "simulate_fraud"]
