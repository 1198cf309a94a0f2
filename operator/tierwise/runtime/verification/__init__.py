"""Looks at delivered tiers."""
