"""For inference pods: which version to serve, and the prediction log."""
