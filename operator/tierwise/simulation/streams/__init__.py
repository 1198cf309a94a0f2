"""Streams of counts: generated, recorded or replayed."""
