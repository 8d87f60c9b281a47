"""Which classifier is best on real imbalanced tables: every fit a row, every row kept."""
