"""Twins, deliveries, and the way back: what is done to workloads."""
