"""A dataset's own description, read as a MonitoringDataset."""
