"""A plan as table, advice and JSON."""
