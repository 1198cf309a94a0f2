"""A rollout as tree, JSON, advice and HTML."""
