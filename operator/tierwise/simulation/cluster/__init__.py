"""A fleet in memory."""
