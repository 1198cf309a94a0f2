"""Queries of what earlier looks have stored."""
