"""Rows of predictions with known truth."""
