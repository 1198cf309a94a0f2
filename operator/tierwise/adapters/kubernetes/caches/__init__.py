"""Watch caches of the API server, and whom a change concerns."""
