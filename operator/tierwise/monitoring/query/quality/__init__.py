"""Queries about the rows that arrived: labels, repeated rows, missing times."""
