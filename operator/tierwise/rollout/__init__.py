"""Rollout decisions. Pure: no I/O, no clock, no logging."""
