"""Reads from a store, with the datasets, windows and errors that belong to it."""
