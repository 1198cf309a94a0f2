"""Prediction logs, opened by DSN or file: what looks, analyses, checks and backfills read."""
