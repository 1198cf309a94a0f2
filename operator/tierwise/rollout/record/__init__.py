"""Records and reports a decision: statuses, Events, summaries."""
