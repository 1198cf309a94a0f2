"""The built-in metrics, one file per group of formulas."""
