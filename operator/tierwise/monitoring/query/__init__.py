"""SQL for the prediction log: a pure function of dataset, scope and window."""
