"""Manifests on disk: read with line numbers, checked as lint does."""
