"""Benchmarks with their floors and peers in the same run; nothing here is asserted against absolute time."""
