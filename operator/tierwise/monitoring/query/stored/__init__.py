"""Queries for the distributions that earlier looks have stored."""
