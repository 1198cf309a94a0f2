"""Queries about what arrived: rows, labels, repeats, missing times."""
