"""Checks the SQL that people write in a dataset."""
