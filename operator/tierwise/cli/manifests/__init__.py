"""Reads manifests with line numbers, and checks them for `tierwise lint`."""
