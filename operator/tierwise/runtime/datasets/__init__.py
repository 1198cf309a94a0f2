"""The loop of a MonitoringDataset: check it, write its status."""
