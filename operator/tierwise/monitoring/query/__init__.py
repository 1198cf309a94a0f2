"""The SQL for the prediction log, as a pure function of dataset, scope and window."""
