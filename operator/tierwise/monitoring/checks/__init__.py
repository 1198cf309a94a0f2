"""Checks whether the counts can be trusted. Each detector reports a concern; none decides."""
