"""Simulators of card fraud and of surface defects, and loaders of real imbalanced tables."""

from focaltab.datasets._defects import DEFECT_KINDS, DefectImages, make_defects
from focaltab.datasets._fraud import simulate_fraud
from focaltab.datasets._tables import fetch_creditcard, list_tables, load_table

__all__ = [
    "DEFECT_KINDS",
    "DefectImages",
    "fetch_creditcard",
    "list_tables",
    "load_table",
    "make_defects",
    "simulate_fraud",
]
