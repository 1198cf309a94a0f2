"""The Fleet port in memory."""
