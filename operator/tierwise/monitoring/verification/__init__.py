"""Watches delivered tiers on the log, where no untouched pods are left beside them."""
