"""The loop of MonitoringDatasets: check each one and write its status."""
