"""Analyses, plans and backfills without a cluster."""
