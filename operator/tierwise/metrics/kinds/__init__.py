"""The metrics that are built in, one file per family of formulas."""
