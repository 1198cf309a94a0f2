"""Streams of counts: generated, recorded, replayed."""
