"""Implementations of the ports against real systems."""
