"""Rows of predictions whose true labels are known."""
