"""Reads a dataset's own description as a MonitoringDataset."""
